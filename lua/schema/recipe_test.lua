local s = require "schema"

return s.document("cmek.recipe_test/1", "The sentences of a recipe, and what is wrong with those that do not hold.", {
  path = s.text, sentences = s.list(s.object { sentence = s.text, ["wrong?"] = s.text }),
})

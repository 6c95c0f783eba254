local s = require "schema"

return s.document("cmek.recipe_check/1", "What is wrong with a recipe, seen without running it.", {
  path = s.text, findings = s.list(s.object { file = s.text, line = s.integer, ["column?"] = s.integer, text = s.text }),
})

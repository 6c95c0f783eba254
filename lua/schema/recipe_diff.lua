local s = require "schema"

return s.document("cmek.recipe_diff/1", "An ejected recipe: what the stock one has changed since, and what the file has, each as diff -u has it.", {
  path = s.text, version = s.text, origin = s.object { name = s.text, version = s.text, hash = s.text }, gone = s.boolean,
  stock = s.text, mine = s.text, both = s.list(s.integer),
})

local s = require "schema"

return s.document("cmek.recipes/1", "The recipes that cmek carries.", { recipes = s.list(s.object { name = s.text, summary = s.text }) })

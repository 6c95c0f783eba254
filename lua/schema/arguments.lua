local s = require "schema"

local from = s.object { kind = s.one_of { "flag", "variable", "file", "default" }, ["name?"] = s.text }

return s.document("cmek.arguments/1", "Each argument of a recipe with its value, where that is from, and what it was preferred to.", {
  recipe = s.text, hash = s.text,
  arguments = s.list(s.object {
    name = s.text, value = s.any, from = from, ["note?"] = s.text, over = s.list(s.object { value = s.any, from = from }),
  }),
})

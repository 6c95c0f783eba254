local s = require "schema"

return s.document("cmek.recipe/1", "A recipe: its text, and the file that it stands in or was written to.", { path = s.text, text = s.text })

local s = require "schema"

return s.document("cmek.help/1", "A text for people; `help json` adds the words of the schemas.", { text = s.text, ["schemas?"] = s.list(s.text) })

local s = require "schema"

return s.document("cmek.version/1", "Which cmek this is; with --licenses what is inside.", { version = s.text, ["licenses?"] = s.text })

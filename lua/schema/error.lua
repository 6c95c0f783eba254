local s = require "schema"

return s.document("cmek.error/1", "Any other failure, of whatever command.", { error = s.failure })

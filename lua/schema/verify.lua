local s = require "schema"

local place = { object = s.or_null(s.text), region = s.or_null(s.text) }

return s.document("cmek.verify/1", "Whether everything is as the recipe wants it; `findings` is empty when it is. The IDs: cmek help checks.", {
  run = s.run(), warnings = s.warnings,
  checked = s.list(s.object { id = s.text, object = place.object, region = place.region, result = s.result, ["text?"] = s.text }),
  findings = s.list(s.object {
    id = s.text, severity = s.one_of { "high", "medium", "low", "unknown" }, object = place.object, region = place.region,
    field = s.or_null(s.text), have = s.any, want = s.any, ["text?"] = s.text, mend = s.or_null(s.text),
  }),
})

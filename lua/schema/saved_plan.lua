local s = require "schema"

local digests = s.map(s.text)

return s.document("cmek.saved_plan/1", "The file that plan --out writes and run --plan does.", {
  version = s.text, made_at = s.time, recipe = s.object { origin = s.text, hash = s.text }, arguments = s.map(s.any), flags = s.map(s.text),
  plan = require "schema.plan", digest = s.text,
  rests_on = s.list(s.object { kind = s.text, name = s.text, region = s.or_null(s.text), wanted = digests, seen = digests }),
})

local s = require "schema"

local request = s.object {
  step = s.or_null(s.object { kind = s.text, name = s.text, region = s.or_null(s.text) }), service = s.text, operation = s.text,
  region = s.or_null(s.text), method = s.text, path = s.text, parameters = s.map(s.any), ["followed_by?"] = s.text,
}

return s.document("cmek.plan/1", "What run would do; with --requests also what it would send.", {
  run = s.run(), summary = s.summary, steps = s.list(s.step()), warnings = s.warnings, preflight = s.preflight, ["requests?"] = s.list(request),
  ["layout?"] = s.object { name = s.text, regions = s.list(s.object { region = s.text, kind = s.one_of { "key", "replica", "shared" },
    of = s.or_null(s.text), key_region = s.text, key = s.text, role = s.text, slower = s.boolean }),
    losses = s.list(s.object { region = s.or_null(s.text), text = s.text }) },
})

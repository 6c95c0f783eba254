local s = require "schema"

return s.document("cmek.plan/1", "What run would do.", {
  run = s.run(), summary = s.summary, steps = s.list(s.step()), warnings = s.warnings, preflight = s.preflight,
})

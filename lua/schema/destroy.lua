local s = require "schema"

local deleted = s.object { kind = s.text, name = s.text, region = s.or_null(s.text), arn = s.or_null(s.text), ["deletion_date?"] = s.time,
  ["cancel?"] = s.text }

return s.document("cmek.destroy/1", "What destroying came to: `deleted` is gone, or scheduled with the command that takes it back; "
  .. "`clusters_asked` is how many clusters said that they name none of it.", {
  run = s.run { id = s.text, status = s.one_of { "done", "failed", "declined", "unfinished" } },
  summary = s.summary, steps = s.list(s.step_done), warnings = s.warnings, clusters_asked = s.or_null(s.count), deleted = s.list(deleted),
  ["error?"] = s.failure,
}, {
  ["if"] = { properties = { run = { properties = { status = { const = "done" } } } } },
  ["else"] = { required = { "error" } },
})

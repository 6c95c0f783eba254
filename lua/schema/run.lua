local s = require "schema"

local made = s.object { kind = s.text, name = s.text, region = s.or_null(s.text), arn = s.or_null(s.text), complete = s.boolean }

return s.document("cmek.run/1", "What a run came to; one that is not done says why in `error`.", {
  run = s.run { id = s.text, status = s.one_of { "done", "failed", "declined", "unfinished" } },
  summary = s.summary, steps = s.list(s.step_done), warnings = s.warnings,
  handover = s.or_null(s.handover), ["handover_file?"] = s.text,
  cmek = s.or_null(s.object { status = s.text, uses = s.one_of { "all", "some", "none" }, ["next?"] = s.text }),
  set_aside = s.list(s.object { region = s.text, arn = s.text, attempt = s.text }),
  made = s.list(made), ["error?"] = s.failure,
  ["ticket?"] = s.object { cluster_id = s.text, organization_id = s.or_null(s.text), text = s.text },
  ["drill?"] = s.object { ready = s.boolean, checks = s.list(s.object { id = s.text, ["object?"] = s.text, ["region?"] = s.text,
    result = s.one_of { "ok", "finding", "unknown" }, ["text?"] = s.text }) },
  ["going_on?"] = s.object { recipe = s.text, arguments = s.map(s.any), command = s.text },
}, {
  ["if"] = { properties = { run = { properties = { status = { const = "done" } } } } },
  ["else"] = { required = { "error" } },
})

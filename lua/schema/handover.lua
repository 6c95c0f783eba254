local s = require "schema"

return s.document("cmek.handover/1", "The file of run --out: role and keys for CockroachDB Cloud; its region_specs can be posted as they are.", {
  cmek = s.text, written_at = s.time, account = s.text, ["accounts?"] = s.list(s.text),
  run = s.text, arguments = s.map(s.any), region_specs = s.handover.properties.region_specs,
  organization = s.object { id = s.text, ["name?"] = s.text }, cluster = s.object { id = s.text, name = s.text },
  recipe = s.object { name = s.text, hash = s.text },
})

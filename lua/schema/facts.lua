local s = require "schema"

return s.document("cmek.facts/1", "The file of status --facts: what CockroachDB Cloud says of a cluster.", {
  cmek = s.text, written_at = s.time,
  organization = s.object { id = s.text, ["name?"] = s.text, ["label?"] = s.text },
  cluster = s.object {
    id = s.text, name = s.text, plan = s.text, cloud_provider = s.text, state = s.text, network_visibility = s.text, account_id = s.text,
    regions = s.list(s.object { name = s.text }),
  },
})

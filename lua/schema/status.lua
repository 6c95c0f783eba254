local s = require "schema"

local text_or_null = s.or_null(s.text)

-- A key as KMS shows it; where it may not be read, why.
local facts = { anyOf = {
  s.object { refused = s.text },
  s.object { arn = s.text, state = s.text, spec = text_or_null, usage = text_or_null, origin = text_or_null, multi_region = s.boolean,
    multi_region_type = text_or_null,
    deletion_date = text_or_null, aliases = s.list(s.text), tags = s.map(s.text),
    rotation = s.object { enabled = s.or_null(s.boolean), period_in_days = s.or_null(s.integer), next = text_or_null, last = text_or_null } },
} }

-- When a key was last used by what KMS tells; it has recorded that since some day.
local last_use = { anyOf = { s.object { told = s.boolean, reason = s.text },
  s.object { told = s.boolean, at = text_or_null, operation = text_or_null, recorded_since = text_or_null } } }

local key = s.object { status = text_or_null, uri = text_or_null, auth_principal = text_or_null, created_at = text_or_null,
  updated_at = text_or_null, user_message = s.text, ["current?"] = s.boolean, ["aws?"] = s.or_null(facts),
  ["named_by?"] = s.list(s.object { cluster = s.object { id = s.text, name = s.text }, region = s.text, status = s.text }),
  ["last_use?"] = last_use }

local cmek = s.object { status = text_or_null, ["error?"] = s.text,
  regions = s.list(s.object { region = s.text, status = text_or_null, ["in_cluster?"] = s.boolean, keys = s.list(key) }) }

local role = s.object { arn = s.text, exists = s.or_null(s.boolean), ["refused?"] = s.text, ["created_at?"] = text_or_null,
  ["trust?"] = s.list(s.object { effect = s.text, principal = s.text, external_id = text_or_null }) }

return s.document("cmek.status/1", "The clusters that the API key sees: whether each can have CMEK or why not; of one cluster also role, keys "
  .. "and what is due or wrong.", {
  clusters = s.list(s.object {
    id = s.text, name = s.text, plan = text_or_null, cloud = text_or_null, state = text_or_null, network = text_or_null,
    account_id = text_or_null, regions = s.list(s.text), eligible = s.boolean, reasons = s.list(s.text), lacks = s.list(s.text), cmek = cmek,
    ["organization?"] = s.object { id = s.text, name = s.text, label = s.text },
    ["aws?"] = s.object { asked = s.boolean, account_id = text_or_null, arn = text_or_null, ["reason?"] = s.text },
    ["roles?"] = s.list(role),
    ["keys?"] = s.object { clusters_asked = s.count, clusters_silent = s.list(s.object { id = s.text, name = s.text, said = s.text }),
      retention = s.text },
    ["due?"] = s.list(s.object { text = s.text, region = text_or_null, object = text_or_null, next = text_or_null }),
  }),
})

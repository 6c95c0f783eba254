local s = require "schema"

local key = s.object { ["status?"] = s.text, ["uri?"] = s.text, ["auth_principal?"] = s.text, ["created_at?"] = s.text,
  ["updated_at?"] = s.text, ["user_message?"] = s.text }
local cmek = s.object { status = s.or_null(s.text), regions = s.list(s.object { region = s.text, ["status?"] = s.text, keys = s.list(key) }) }

return s.document("cmek.status/1", "The clusters that the API key sees: whether each can have CMEK or why not, and the keys in use.", {
  clusters = s.list(s.object {
    id = s.text, name = s.text, ["plan?"] = s.text, ["cloud?"] = s.text, ["state?"] = s.text, ["network?"] = s.text, regions = s.list(s.text),
    eligible = s.boolean, reasons = s.list(s.text), cmek = cmek,
  }),
})

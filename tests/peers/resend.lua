-- resend.lua -- a read that warms a connection, then a second request on it, over the real network; prints how it ended.
-- usage: cmek test tests/peers/resend.lua URL read|write [CA_FILE]

local url, effect, ca = ...
local secret = require "secret"

local door = require("door").new { yes = true }
if ca then door:ca_bundle(ca) end
door:endpoint("kms", url)
door:region "us-east-1"
door:seal()
local sink = { append = function() return true end, sync = function() return true end }
door:record(require("journal").over(sink))
assert(door:permit_writes "write?")

local credentials = {
  access_key_id = "AKIASIMULATEDCMEK001",
  secret_access_key = secret.new("simulated/secret/not-a-real-one/00000001", "aws"),
}
local function call(operation)
  return door.aws.request { service = "kms", region = "us-east-1", operation = operation, credentials = credentials,
    parameters = { Description = ("x"):rep(2000) }, timeout = 10 }
end

require("task").new(door).run(function()
  local warm, message = call "ListKeys"
  if not warm then error("no warm connection: " .. message, 0) end
  local response, fault, kind = call(effect == "write" and "CreateKey" or "ListKeys")
  print(response and response.status or kind, fault or "")
end)
return 0

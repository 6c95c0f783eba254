-- Credentials over files with given texts, and services that answer from a function: for sentences about the chain.
local credentials = require "aws.credentials"
local file = require "file"
local profiles = require "aws.profile"
local secret = require "secret"
local variables = require "variables"
local stand_in = dofile "tests/stand_in.lua"

local M = {}

--- Credentials over files with these texts. Options: environment, config, credentials, profile (a name), explicit, ask, process,
--- assume = fn(request, number) -> what AssumeRole gives; trade = the same of AssumeRoleWithWebIdentity; answer = fn(request, number)
--- -> what door.identity.request gives, in a second each. Metadata are off unless they are answered for.
function M.open(options)
  local here = stand_in.new()
  local directory = test.directory()
  assert(file.write(directory .. "/config", options.config or ""))
  assert(file.write(directory .. "/credentials", options.credentials or ""))
  local environment = { AWS_CONFIG_FILE = directory .. "/config", AWS_SHARED_CREDENTIALS_FILE = directory .. "/credentials", HOME = directory,
    AWS_EC2_METADATA_DISABLED = not options.answer and "true" or nil }
  for name, value in pairs(options.environment or {}) do environment[name] = value end
  local known = profiles.load { environment = variables.of(environment) }
  here.directory, here.assumed, here.traded, here.asked = directory, {}, {}, {}
  local function session(list, make)
    return function(request)
      table.insert(list, request)
      local number = #list
      here.door.clock.sleep(1)
      return (make or function()
        return { AccessKeyId = "ASIA" .. number, SecretAccessKey = secret.new("role-key-" .. number, "aws"),
          SessionToken = secret.new("role-token-" .. number, "aws"), Expiration = "2026-02-01T10:00:00Z" }
      end)(request, number)
    end
  end
  here.value = credentials.new { environment = variables.of(environment), profiles = known, profile = known:find(options.profile or "default"),
    explicit = options.explicit or false, clock = here.door.clock, tasks = here.tasks, ask = options.ask, process = options.process,
    run_id = options.run_id, listen = here.listen, assume_role = session(here.assumed, options.assume),
    assume_with_web_identity = session(here.traded, options.trade),
    identity = function(request)
      local entry = { time = here.now }
      for name, value in pairs(request) do entry[name] = value end
      table.insert(here.asked, entry)
      local number = #here.asked
      here.door.clock.sleep(1)
      return options.answer(entry, number)
    end }
  here.value:register(here.door, require("aws.endpoint").new { environment = variables.of(environment), profile = known:find "default" })
  function here.get() return here.run(function() return here.value:get() end) end
  return here
end

--- The access key ID of what signs, and the keys.
function M.key_of(options)
  local keys = M.open(options).get()
  return keys.access_key_id, keys
end

--- What is raised when there are no keys: it has this text, and exit status 4.
function M.refused(options, text)
  local here = M.open(options)
  local raised = test.raises(here.get, text)
  test.equal({ raised.exit, raised.kind }, { "credentials", "credentials" })
  return raised, here
end

--- The methods and paths that were asked, in order.
function M.paths(here)
  local list = {}
  for i, request in ipairs(here.asked) do list[i] = ("%s %s"):format(request.method, request.path) end
  return list
end

--- An answer of a service with a body.
function M.says(body, status, headers) return { status = status or 200, body = body, headers = headers or {} } end

--- An HTML page where JSON was expected.
function M.page(status)
  return { status = status or 200, fault = "line 1, column 1: '<' where a value was expected", text = "<html><h1>Sign in to the network</h1></html>",
    headers = { ["content-type"] = "text/html" } }
end

return M

--- Everything one operator talks with: credentials, endpoints, services. Nothing goes on the network when it is opened.
---@class Session
---@field door table
---@field clock table               the door's
---@field tasks task.Scheduler
---@field listener fun(event: table)  told what is waited for and what was put right; may be replaced
---@field region string?            of calls that have none of their own
---@field partition string          "aws", "aws-cn" …
---@field cloud table<string, function>
---@field vault table<string, function>
---@field vault_client vault.Client
---@field caller aws.Caller
---@field facts carried.File?       what answers instead of the Cloud
---@field aws { call: fun(request: table): table }  any service of AWS
---@field iam table<string, function>
---@field kms table<string, function>
---@field sts table<string, function>
---@field tagging table<string, function>
local Session = { __name = "Session" }
Session.__index = Session

local credentials = require "aws.credentials"
local endpoint = require "aws.endpoint"
local profiles = require "aws.profile"
local refusal = require "refusal"
local retry = require "retry"
local sts = require "aws.sts"
local task = require "task"
local variables = require "variables"

local M = {}

local OPTIONS <const> = { door = true, environment = true, profile = true, region = true, run_id = true, listener = true, ask = true,
  tolerant = true, vault_auth = true, vault_auth_mount = true }
local MODES <const> = { legacy = true, standard = true, adaptive = true }   -- of AWS_RETRY_MODE; cmek has one, which is standard

local function misset(message) refusal.raise { kind = "configuration", exit = "usage", message = message } end

-- AWS --------------------------------------------------------------------------------------------------------------

-- The profile in force, and whether the command line named it. One that is named and is not there is an error.
local function choose_profile(options, environment)
  local known = profiles.load { environment = environment }
  if options.profile then return known, known:profile(options.profile, "--profile"), true end
  for _, variable in ipairs { "AWS_PROFILE", "AWS_DEFAULT_PROFILE" } do
    local name = environment.text(variable)
    if name then return known, known:profile(name, variable), false end
  end
  return known, known:find "default", false
end

local function attempts(environment, profile)
  local mode = environment.text "AWS_RETRY_MODE" or profile and profile:text "retry_mode"
  if mode and not MODES[mode:lower()] then misset(("the retry mode is '%s'; it must be standard, legacy or adaptive"):format(mode)) end
  local text = environment.text "AWS_MAX_ATTEMPTS" or profile and profile:text "max_attempts"
  local count = math.tointeger(tonumber(text))
  if text and (not count or count < 1) then misset(("AWS_MAX_ATTEMPTS is '%s'; it must be a number from 1"):format(text)) end
  return count
end

-- Asks for an MFA code where somebody can answer.
local function ask_at_terminal(prompt)
  local terminal = require "terminal"
  return terminal.is_terminal "stdin" and terminal.read_line(prompt) or nil
end

-- The services of AWS, called through a door.
local function open_services(self, door)
  local caller = require("aws.call").new { door = door, retry = self.retry, credentials = self.credentials, endpoints = self.endpoints,
    listen = self.listen }
  self.iam, self.sts = require("aws.iam").new(caller), sts.new(caller, self.region)
  self.kms, self.tagging = require("aws.kms").new(caller), require("aws.tagging").new(caller)
  self.aws = require("aws.any").new(caller)
  self.caller = caller
  return caller
end

local function open_endpoints(self, options, environment, profile)
  local endpoints = endpoint.new { environment = environment, profile = profile, region = options.region }
  endpoints:register(self.door)
  return endpoints
end

-- Calls fn. What is wrong with the settings is raised, or kept among the faults by a session that is tolerant of it.
local function attempt(self, name, fn, ...)
  if not self.faults then return fn(...) end
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if not refusal.is(results[2]) then error(results[2], 0) end
  self.faults[name] = results[2]
end

local function open_aws(self, options, environment, session_key)
  local known, profile, explicit = attempt(self, "profile", choose_profile, options, environment)
  local endpoints = attempt(self, "endpoints", open_endpoints, self, options, environment, profile)
  self.profile, self.endpoints = profile, endpoints
  if not known or not endpoints then return end
  self.endpoints, self.region, self.partition = endpoints, endpoints.region, endpoints.partition.id
  self.retry.attempts = attempt(self, "attempts", attempts, environment, profile)
  local caller
  self.credential_options = {
    environment = environment, profiles = known, profile = profile, explicit = explicit, clock = self.clock, tasks = self.tasks,
    run_id = options.run_id, ask = options.ask or ask_at_terminal, listen = self.listen,
    assume_role = function(request)
      request.session_key, request.region = session_key, self.region
      return sts.assume_role(caller, request)
    end,
    assume_with_web_identity = function(request)
      request.session_key, request.region = session_key, self.region
      return sts.assume_with_web_identity(caller, request)
    end,
    identity = function(request)
      request.session_key = session_key
      return self.door.identity.request(request)
    end,
  }
  self.credentials = credentials.new(self.credential_options)
  self.credentials:register(self.door, endpoints)
  caller = open_services(self, self.door)
end

-- Vault ------------------------------------------------------------------------------------------------------------

-- The login to Vault lasts as long as the tasks that use it: a token that it made is given back when they are done, however they end.
local function lasting(run, client)
  return function(...)
    local results = table.pack(pcall(run, ...))
    client:close(run)
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
end

local function open_vault(self, options, environment, session_key)
  local client = require("vault.client").open { door = self.door, retry = self.retry, environment = environment, listen = self.listen,
    tasks = self.tasks, session_key = session_key, method = options.vault_auth, mount = options.vault_auth_mount,
    identity = function()
      local id = environment.text "AWS_ACCESS_KEY_ID" or ""
      local key = environment.secret("AWS_SECRET_ACCESS_KEY", "aws")
      if not options.profile and (id:find "^vault:" or key and require("secret").reference(key)) then
        misset "the login to Vault by aws needs AWS keys that are kept in Vault: log in by another method, or name a profile (--profile)"
      end
      for _, fault in ipairs { "profile", "endpoints", "attempts" } do
        if self.faults and self.faults[fault] then error(self.faults[fault], 0) end
      end
      return self.credentials:get(), self.partition, self.region
    end }
  self.vault_client, self.vault = client, client.functions
  self.tasks.run = lasting(self.tasks.run, client)
end

-- The value --------------------------------------------------------------------------------------------------------

--- A session on a door that is not sealed yet. Raises what is wrong with the settings; whether there are credentials shows
--- when they are first needed.
---@param options { door: table, environment: table|function?, profile: string?, region: string?, run_id: string?,
---  listener: (fun(event: table))?, ask: (fun(prompt: string): string?)?, tolerant: boolean?, vault_auth: string?,
---  vault_auth_mount: string? }
---  environment: what stands for the process's; profile, region: explicit ones; run_id: named in role sessions; ask: for MFA codes;
---  vault_auth, vault_auth_mount: how to log in to Vault, and where; tolerant: what is wrong with the settings is kept in `faults`
---  (profile, endpoints, attempts, cloud), and what it breaks is nil
---@return Session
function M.open(options)
  for name in require("sorted")(options) do
    if not OPTIONS[name] then error(("session.open: unknown field '%s'"):format(name), 2) end
  end
  local environment, door = variables.of(options.environment), options.door
  local self = setmetatable({ door = door, environment = environment, clock = door.clock, tasks = task.new(door),
    listener = options.listener or function() end, faults = options.tolerant and {} or nil }, Session)
  self.listen = function(event) self.listener(event) end
  self.retry = retry.new { clock = self.clock, tasks = self.tasks, listen = self.listen }
  local session_key = door:session_key()
  open_vault(self, options, environment, session_key)
  environment = require("vault.kv").over(environment, function() return self.vault_client end)
  self.environment = environment
  self.cloud = attempt(self, "cloud", require("cloud").open,
    { door = door, retry = self.retry, environment = environment, listen = self.listen })
  open_aws(self, options, environment, session_key)
  return self
end

--- The same operator at another door: credentials, endpoints and the pace of requests are shared.
---@param door table  with aws.request and cloud.request
---@return Session
function Session:through(door)
  local other = setmetatable({ door = door }, { __index = self })
  other.cloud = require("cloud").open { door = door, retry = self.retry, environment = self.environment }
  if self.facts then other.cloud = self.cloud end   -- which asks nobody
  other.vault_client = self.vault_client:through(door)
  other.vault = other.vault_client.functions
  open_services(other, door)
  return other
end

--- The same operator in another account: by another profile, or by a role there that the credentials in force assume. Everything else is
--- shared. The hosts that a profile signs in at must be open already, so one of IAM Identity Center or of a container has to be --profile.
---@param as { profile: string?, role_arn: string? }
---@return Session
function Session:in_account(as)
  local given = {}
  for name, value in pairs(self.credential_options) do given[name] = value end   -- order cannot be seen
  local other = setmetatable({}, { __index = self })
  if as.profile then given.profile, given.explicit = self.credential_options.profiles:profile(as.profile, "a layout, or --reach,"), true end
  other.credentials = credentials.new(given)
  if as.role_arn then other.credentials:assume(as.role_arn, self.credentials) end
  if other.credentials:asks_elsewhere() then
    misset(("the AWS profile '%s' signs in at hosts that only --profile opens: let the layout name a role_arn instead, or a profile with keys")
      :format(as.profile))
  end
  open_services(other, self.door)
  return other
end

--- No destination can be added from here on but the regions' own hosts.
function Session:seal() self.door:seal() end

--- Whose other keys of AWS are. In a task.
---@param keys aws.Keys
---@return { account: string, arn: string }
function Session:identity_of(keys)
  local answer = self.caller:call { service = "sts", operation = "GetCallerIdentity", region = self.region, parameters = {}, credentials = keys,
    safe = true, result = { ["Account!"] = "text", ["Arn!"] = "text" } }
  return { account = answer.Account, arn = answer.Arn }
end

--- Takes what CockroachDB Cloud says from a file: from here on nobody asks it.
---@param facts carried.File
function Session:know(facts)
  self.facts, self.cloud = facts, require("facts").cloud(facts)
end

--- Who we are in AWS, and by which credentials. In a task.
---@return { account: string, arn: string, user_id: string, source: string, expiration: number?, ends: number? }
---  source: "the environment", "profile 'x'" …; expiration: seconds since the epoch; ends: the same, where nothing renews them
function Session:identity()
  local answer = self.sts.get_caller_identity()
  return { account = answer.Account, arn = answer.Arn, user_id = answer.UserId, source = self.credentials:source(),
    expiration = self.credentials:expiration(), ends = self.credentials:ends() }
end

return M

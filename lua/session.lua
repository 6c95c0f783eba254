--- Everything one operator talks with: credentials, endpoints, services. Nothing goes on the network when it is opened.
---@class Session
local Session = { __name = "Session" }
Session.__index = Session

local credentials = require "aws.credentials"
local endpoint = require "aws.endpoint"
local explain = require "explain"
local profiles = require "aws.profile"
local refusal = require "refusal"
local retry = require "retry"
local task = require "task"
local variables = require "variables"

local M = {}

local CLOUD <const> = "https://cockroachlabs.cloud"

-- The profile in force, and whether the command line named it.
local function choose_profile(options, environment)
  local known = profiles.load { environment = environment }
  local explicit = options.profile ~= nil
  local name = options.profile or environment.text "AWS_PROFILE" or environment.text "AWS_DEFAULT_PROFILE" or "default"
  local origin = explicit and "--profile" or environment.text "AWS_PROFILE" and "AWS_PROFILE" or nil
  local keys = environment.text "AWS_ACCESS_KEY_ID"
  local profile = (origin and not (keys and not explicit)) and known:profile(name, origin) or known:find(name)
  return known, profile, explicit
end

local function cloud_key(environment)
  local key = environment.secret("COCKROACH_API_KEY", "cloud") or environment.secret("COCKROACH_API_JWT", "cloud")
  if key then return key end
  refusal.raise { kind = "credentials", exit = "credentials", what = "talking to CockroachDB Cloud",
    message = "COCKROACH_API_KEY is not set", next = explain.NO_API_KEY }
end

local function open_cloud(self, environment)
  local server = environment.text "COCKROACH_SERVER" or CLOUD
  self.door:endpoint("cloud", (server:gsub("/+$", "")))
  self.cloud = require("cloud").new { door = self.door, retry = self.retry, find_key = function() return cloud_key(environment) end,
    headers = { ["Cc-Vanity-Name"] = environment.text "COCKROACH_VANITY_NAME", ["Cc-Username"] = environment.text "COCKROACH_USERNAME" } }
end

local function open_aws(self, options, environment)
  local known, profile, explicit = choose_profile(options, environment)
  local endpoints = endpoint.new { environment = environment, profile = profile, region = options.region }
  endpoints:register(self.door)
  local key = self.door:session_key()
  local caller
  self.credentials = credentials.new { environment = environment, profiles = known, profile = profile, explicit = explicit, clock = self.clock,
    tasks = self.tasks, assume_role = function(request)
      return caller:call { service = "sts", operation = "AssumeRole", region = endpoints.region, parameters = request.parameters,
        credentials = request.credentials, session_key = key, result = { "Credentials" } }
    end }
  caller = require("aws.call").new { door = self.door, retry = self.retry, credentials = self.credentials, endpoints = endpoints,
    listen = self.listen }
  self.region, self.partition = endpoints.region, endpoints.partition.id
  self.kms, self.tagging = require("aws.kms").new(caller), require("aws.tagging").new(caller)
  self.iam, self.sts = require("aws.iam").new(caller, nil), require("aws.sts").new(caller, endpoints.region)
end

--- A session on a door.
---@param options { door: table, environment: table|function?, profile: string?, region: string?, listen: fun(event: table)? }
---@return Session
function M.open(options)
  local environment = variables.of(options.environment)
  local self = setmetatable({ door = options.door, clock = options.door.clock, listener = options.listen or function() end }, Session)
  self.listen = function(event) self.listener(event) end
  self.tasks = task.new(options.door)
  self.retry = retry.new { clock = self.clock, tasks = self.tasks, listen = self.listen,
    attempts = math.tointeger(tonumber(environment.text "AWS_MAX_ATTEMPTS" or "")) }
  open_cloud(self, environment)
  open_aws(self, options, environment)
  return self
end

--- No destination can be added from here on but the regions' own hosts.
function Session:seal() self.door:seal() end

--- Who we are in AWS. In a task.
---@return { account: string, arn: string, user_id: string, source: string }
function Session:identity()
  local answer = self.sts.get_caller_identity()
  return { account = answer.Account, arn = answer.Arn, user_id = answer.UserId, source = self.credentials:source() }
end

return M

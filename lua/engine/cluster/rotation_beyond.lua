--- Of a rotation what is in accounts that nothing leads to: the next key is made by those whose it is, and named; what they have to type is
--- told. Also what a role needs in its own account for keys of another.
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local policies = require "policy"
local quote = require "quote"
local reach = require "engine.account.reach"

local M = {}

local ARN <const> = "^arn:[%w-]+:kms:([%w-]+):%d+:key/[%w-]+$"

-- What those whose key it is have to type for the next one: a key for the role to use and their account to administer.
local function commands(cluster, now, place)
  local policy = policies.cmek { role = now.auth_principal, account = reach.id(now.uri), partition = now.uri:match "^arn:([^:]+)" }
  return ("aws kms create-key --region %s --description %s --policy %s"):format(place, quote(keys.description(cluster)), quote(policies.json(policy)))
end

-- The key that is named for the region of the one in use, in its account.
local function named(options, now, due)
  if options.rewrap then return not options.on_demand and now.uri or nil end
  for _, arn in ipairs(options.key or {}) do
    if arn:match(ARN) == due.place and reach.id(arn) == reach.id(now.uri) then return arn end
  end
end

--- What is due of a region whose key is of such an account: what is named is taken as it is.
---@param context engine.Context
---@param options { cluster: table, key: string[]?, rewrap: boolean?, on_demand: boolean? }
---@param now { uri: string, auth_principal: string }  in use
---@param due engine.Due  with its region, place and account
---@return engine.Due
function M.due(context, options, now, due)
  due.given, due.arn, due.role = named(options, now, due), now.uri, now.auth_principal
  if due.given then return due end
  local told, command = "make the next one, which --key ARN names then", commands(options.cluster, now, due.place)
  if options.on_demand then
    told = "have KMS rotate it, and --rewrap without --on-demand takes it"
    command = ("aws kms rotate-key-on-demand --region %s --key-id %s"):format(due.place, now.uri)
  end
  due.fault = reach.advice(context, now.uri)
  due.beyond = { advice = "type the same with --reach PROFILE; where nothing leads there, those whose key it is " .. told, command = command }
  due.uri, due.severity = now.uri, "unknown"
  return due
end

local function refuse(message, next_step)
  failure.raise { code = "precondition", exit = "usage", what = "reading --key", message = message, next = next_step }
end

--- Raises when a key is named that is not of such an account: everywhere else the next one is made.
---@param options { key: string[]? }
---@param found engine.Due[]
function M.check(options, found)
  local taken = {}
  for _, due in ipairs(found) do taken[due.given or ""] = true end
  for _, arn in ipairs(options.key or {}) do
    if not arn:match(ARN) then refuse(("'%s' is not the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID)"):format(arn)) end
    if not taken[arn] then
      refuse(("%s is not of an account and AWS region in which the cluster uses a key that nothing leads to; the next key of all others is made")
        :format(arn), "leave it out: cmek help rotating")
    end
  end
end

--- Where a key and its role are of different accounts, the role is allowed to use the new key as well.
---@param engine table
---@param cluster table
---@param regions engine.Due[]
---@param roles table<string, table>  by region
---@param made table[]  what came of each region
function M.let_use(engine, cluster, regions, roles, made)
  if engine.spec then return end
  local context, arns, pairs_of = engine.context, {}, {}
  for _, key in ipairs(made) do arns[key.region] = key.arn end
  for i, due in ipairs(regions) do
    pairs_of[i] = { role = roles[due.region], arn = arns[due.region], account = reach.account(context, due.role),
      key_account = reach.id(due.arn), role_account = reach.id(due.role) }
  end
  require("engine.account.role_uses").ensure(engine, cluster, pairs_of)
end

return M

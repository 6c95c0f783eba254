--- The permissions boundary of the role that CockroachDB assumes: whether there is such a policy, and whether it leaves the role
--- what the keys' policies give it. Read before anything is made.
local access = require "engine.policy.access"
local documents = require "engine.policy.documents"
local policies = require "policy"
local refusal = require "refusal"

local M = {}

local EVERYTHING <const> = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } }

-- What a request of the role will carry, as far as it is sure; nobody here can know the rest.
local function circumstances(key)
  return { ["aws:RequestedRegion"] = key.region, ["aws:SecureTransport"] = "true", ["kms:CallerAccount"] = key.arn:match ":(%d+):key/",
    ["kms:KeySpec"] = key.metadata.KeySpec, ["kms:KeyUsage"] = key.metadata.KeyUsage, ["kms:KeyOrigin"] = key.metadata.Origin }
end

-- May the role do an action with a key? `more` says by which policies.
local function ask(role, key, action, more)
  local request = {
    principal = access.principal(role), action = action, resource = key.arn, resource_account = key.arn:match ":(%d+):key/", resource_kind = "key",
    context = circumstances(key), unseen_context = { "*" },
  }
  for name, value in pairs(more) do request[name] = value end   -- order cannot be seen
  return policies.evaluate(request)
end

--- The first action and key that are not certainly allowed; denied ones come before unknown ones.
---@param role { arn: string, id: string? }
---@param keys engine.Key[]
---@param more fun(key: engine.Key): table  the policies that count
---@return table? verdict
function M.first_doubt(role, keys, more)
  local doubt
  for _, key in ipairs(keys) do
    for _, action in ipairs(access.ACTIONS) do
      local verdict = ask(role, key, action, more(key))
      if verdict.verdict == "denied" then return verdict end
      if verdict.verdict == "unknown" then doubt = doubt or verdict end
    end
  end
  return doubt
end

--- What a boundary takes from a role; nil when it leaves everything.
---@param role { arn: string, id: string? }
---@param document string
---@param keys engine.Key[]
---@return table? verdict
function M.doubt(role, document, keys)
  return M.first_doubt(role, keys, function(key)
    local granted = policies.cmek { role = role.arn, account = key.arn:match ":(%d+):key/" }
    return { identity = EVERYTHING, boundary = document, resource_policy = granted }
  end)
end

local function read(context, arn)
  local document, refused = documents.managed(context, arn)
  return { document = document, refused = refused }
end

--- Starts reading a boundary.
---@param context engine.Context
---@param arn string
function M.foresee(context, arn)
  context:begin("boundary " .. arn, function() return read(context, arn) end)
end

-- Keys as they will be, one in each region of the cluster.
local function keys_to_be(role, cluster)
  local list, partition, account = {}, role.arn:match "^arn:([^:]+):iam::(%d+):"
  for i, region in ipairs(cluster.regions or {}) do
    list[i] = { region = region.name, arn = ("arn:%s:kms:%s:%s:key/new"):format(partition, region.name, account),
      metadata = { KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT", Origin = "AWS_KMS" } }
  end
  return list
end

--- Why the role cannot be used with its boundary, the wanted one or the one that it has; nil when it can, or nobody can say, which
--- is told.
---@param context engine.Context
---@param want { name: string, boundary: string?, cluster: table }
---@param have { arn: string, boundary: string? }?
---@return string?
function M.fault(context, want, have)
  local arn = want.boundary or have and have.boundary
  if not arn then return nil end
  M.foresee(context, arn)
  local found = context:once("boundary " .. arn)
  if found.refused and found.refused.code == "NoSuchEntity" then
    return ("the permissions boundary %s does not exist: make that policy, or name another one with --permissions-boundary"):format(arn)
  end
  if not found.document then
    context:warn(("the permissions boundary %s may not be read (%s), so it is not known whether it lets the role use the keys: "
      .. "allow iam:GetPolicy and iam:GetPolicyVersion on it"):format(arn, refusal.line(found.refused)))
    return nil
  end
  local role = have or { arn = require("resource.role").arn(context:identity(), want) }
  local verdict = M.doubt(role, found.document, keys_to_be(role, want.cluster))
  if verdict and verdict.verdict == "denied" then
    return ("the permissions boundary %s takes from the role what the keys' policies give it: %s: allow the role %s there"):format(
      arn, verdict.text, table.concat(require("policy.build").USE_ACTIONS, ", "))
  end
end

return M

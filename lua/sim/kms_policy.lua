--- The simulated KMS: key policies, as they are checked, kept and printed.
local auth = require("sim.auth")
local json = require("json")
local policy = require("policy")
local principals = require("sim.principals")
local state = require("sim.state")
local wire = require("sim.wire")

local M = {}

local LIMIT <const> = 32768   -- bytes

local function malformed(text) wire.refuse("MalformedPolicyDocumentException", text) end

-- KMS takes a statement without Action or Resource; it has no effect.
local function effective(document)
  local copy = state.copy(document, true)
  local list = copy.Statement
  if type(list) ~= "table" then return copy end
  if not (json.is_array(list) or #list > 0) then list = { list } end
  copy.Statement = json.array {}
  for _, statement in ipairs(list) do
    local whole = type(statement) ~= "table" or ((statement.Action or statement.NotAction) and (statement.Resource or statement.NotResource))
    if whole then table.insert(copy.Statement, statement) end
  end
  return copy
end

local function read(text)
  if #text > LIMIT then wire.refuse("LimitExceededException", ("The key policy exceeds the limit of %d bytes."):format(LIMIT)) end
  local document = json.decode(text)
  if type(document) ~= "table" or json.is_array(document) then malformed("Policy contains invalid Json") end
  return document
end

-- May the caller change the policy again, once it is this one?
local function check_lockout(call, key, kept)
  local verdict = auth.evaluate(call, { action = "kms:PutKeyPolicy", resource = key.Arn, account = key.AWSAccountId, policy = effective(kept),
    kind = "key" })
  if verdict.verdict ~= "allowed" then malformed("The new key policy will not allow you to update the key policy in the future.") end
end

--- Checks a policy and makes it the key's; refuses the call when KMS would.
---@param call table
---@param key table
---@param text string?  nil: the default policy
---@param bypass boolean?  no check that the caller can still change it
function M.set(call, key, text, bypass)
  local given = text ~= nil   -- the default policy is not judged: the rights that Vault's keymgmt needs to create keys hold no PutKeyPolicy
  text = text or state.default_key_policy(call.simulation.partition, key.AWSAccountId)
  local document = read(text)
  -- Whether a principal exists is asked of the same text that says whether it is one at all: both give the same answer.
  local kept, bad = state.keep_policy(call.simulation, document)
  if bad then malformed("Policy contains a statement with one or more invalid principals.") end
  if not policy.validate(effective(document), "key") then malformed("Syntax errors in policy.") end
  if given and not bypass then check_lockout(call, key, kept) end
  key._policy, key.Policy = kept, principals.pretty(state.show_policy(call.simulation, kept))
end

local function default_only(p)
  if p.PolicyName and p.PolicyName ~= "default" then
    wire.refuse("NotFoundException", "No such policy exists")
  end
end

local function get_key_policy(_, p, key)
  default_only(p)
  return { Policy = key.Policy, PolicyName = "default" }
end

local function put_key_policy(call, p, key)
  default_only(p)
  M.set(call, key, p.Policy, p.BypassPolicyLockoutSafetyCheck)
end

--- The rows of these operations.
---@param kms table  sim.kms: its tools
function M.operations(kms)
  local r = kms.rules
  return {
    GetKeyPolicy = { run = get_key_policy, parameters = { KeyId = r.key, PolicyName = r.policy_name } },
    PutKeyPolicy = { write = true, run = put_key_policy, parameters = { KeyId = r.key, PolicyName = r.policy_name,
      Policy = { type = "string", required = true, min = 1, max = 131072 }, BypassPolicyLockoutSafetyCheck = r.flag } },
    ListKeyPolicies = { parameters = { KeyId = r.key, Limit = r.limit, Marker = r.marker },
      run = function(call, p) return kms.list(call, p, "PolicyNames", { "default" }, tostring, 100) end },
  }
end

return M

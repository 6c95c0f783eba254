--- Policies that name a role which is new: KMS does not accept it for some seconds. Before waiting, the role is proved to
--- exist and to be new; a typing error or a deleted role fails at once, by name.
local failure = require "engine.failure"
local sorted = require "sorted"
local policies = require "policy"
local time = require "time"
local unknown = require "unknown"

local M = {}

--- Seconds to wait for a new role to be known to KMS.
M.BOUND = 120

local DELAYS <const> = { 1, 2, 4, 5 }

-- The principals of a policy's statements, sorted, each once.
local function principals(document)
  local set, list = {}, {}
  for _, statement in ipairs(policies.parse(document).Statement) do
    local aws = type(statement.Principal) == "table" and statement.Principal.AWS or nil
    for _, name in ipairs(type(aws) == "table" and aws or { aws }) do set[name] = true end
  end
  for name in sorted(set) do list[#list + 1] = name end
  return list
end

-- What can be said of one principal: "new", "there", "missing", or nil when it is not a role that can be looked up.
local function judge(context, arn)
  local account, path = arn:match "^arn:[^:]*:iam::(%d+):role/(.+)$"
  if account ~= context:identity().account then return nil end
  local role, refused = context:try({ AccessDenied = true }, function()
    return context.session.iam.find_role { RoleName = path:match "[^/]+$" } or false
  end)
  if refused then return nil end
  if not role then return context.seen[arn] and "new" or "missing" end   -- seen before: read where it is not known yet
  local created = time.epoch(role.CreateDate)
  return created and context.clock.now() - created < context.LAG and "new" or "there"
end

-- A role or user of our account by the ARN that a policy names; nil when it is none that can be looked up, or may not be.
local function look_up(context, arn)
  local account, kind, path = arn:match "^arn:[^:]*:iam::(%d+):(%a+)/(.+)$"
  if account ~= context:identity().account then return nil end
  local iam, name = context.session.iam, path:match "[^/]+$"
  local thing, refused = context:try(function(refused) return refused.kind == "refused" end, function()
    if kind == "role" then return iam.find_role { RoleName = name } or { none = true } end
    return iam.get_user({ UserName = name }).User
  end)
  return thing or refused.code == "NoSuchEntity" and { none = true } or nil
end

--- Why KMS will not take a policy, because of whom it names; nil when nothing is known against it. The role that is still to be made
--- is left out.
---@param context engine.Context
---@param document table|string
---@return string?
function M.missing(context, document)
  local named = {}
  for _, arn in ipairs(principals(document)) do
    if not unknown.has(arn) and not (context.outside or {})[arn] then named[#named + 1] = arn end
  end
  local found = context.tasks.map(named, function(arn)
    return context:once("principal " .. arn, function() return look_up(context, arn) or false end)
  end)
  for i, arn in ipairs(named) do
    local thing = found[i]
    if thing and thing.none then return ("the policy names %s, which does not exist: make it first, or name another"):format(arn) end
    if thing and thing.Arn and thing.Arn ~= arn then
      return ("the policy names %s, and the one of that name is %s: give it with its path"):format(arn, thing.Arn)
    end
  end
end

local function unaccepted(options, refused, message)
  failure.raise({
    code = refused.code, service = refused.service, operation = refused.operation, region = refused.region, request_id = refused.request_id,
    what = options.what, message = message,
  }, "kms.principal-unknown", { seen = message })
end

-- Finds the principal that is worth waiting for; raises when there is none, or when another one is missing.
local function new_one(context, options, refused)
  local there, new = {}, nil
  for _, arn in ipairs(principals(options.policy)) do
    local state = judge(context, arn)
    if state == "new" then new = new or arn end
    if state == "missing" then
      unaccepted(options, refused, ("the policy names %s, which does not exist: make the role, or name another"):format(arn))
    end
    there[#there + 1] = state == "there" and arn .. " (exists, and is not new)" or state ~= "new" and arn or nil
  end
  if new then return new, there end
  unaccepted(options, refused, ("KMS says '%s'. The policy names: %s. One of them does not exist, or was deleted and made again"):format(
    refused.message or "", table.concat(there, "; ")))
end

--- Makes a change that carries a policy, and waits for the principals that are new.
---@param context engine.Context
---@param options { policy: table|string, what: string }
---@param fn fun(): any
---@return any
function M.put(context, options, fn)
  local refused, waited_for, others
  local done = context:poll {
    reason = "the role is new and KMS does not know it yet (it takes seconds, at times a minute or two)", bound = M.BOUND, delays = DELAYS,
    check = function()
      local answer
      answer, refused = context:try({ MalformedPolicyDocumentException = true }, fn)
      if not refused then return answer end
      if not tostring(refused.message or ""):lower():find("principal", 1, true) and (refused.message or "") ~= "" then error(refused, 0) end
      waited_for, others = new_one(context, options, refused)
    end,
  }
  if done ~= nil then return done end
  local also = #others > 0 and ("; or it does not accept %s"):format(table.concat(others, "; ")) or ""
  unaccepted(options, refused, ("KMS has not accepted %s after %d s: %s%s"):format(waited_for, M.BOUND,
    "either it takes longer than usual, or the role was deleted and made again meanwhile", also))
end

return M

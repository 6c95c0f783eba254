--- Policies that name a role which is new: KMS does not accept it for some seconds. Before waiting, the role is proved to
--- exist and to be new; a typing error or a deleted role fails at once, by name.
local failure = require "engine.failure"
local sorted = require "sorted"
local policies = require "policy"
local time = require "time"

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
  local role = context.session.iam.find_role { RoleName = path:match "[^/]+$" }
  if not role then return context.seen[arn] and "new" or "missing" end   -- seen before: read where it is not known yet
  local created = time.epoch(role.CreateDate)
  return created and context.clock.now() - created < context.LAG and "new" or "there"
end

local function unaccepted(options, refused, message)
  failure.raise {
    code = refused.code, service = refused.service, operation = refused.operation, region = refused.region, request_id = refused.request_id,
    what = options.what, message = message,
  }
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
    there[#there + 1] = state == "there" and arn .. " (exists, and is not new)" or arn
  end
  if new then return new end
  unaccepted(options, refused, ("KMS says '%s'. The policy names: %s. One of them does not exist, or was deleted and made again"):format(
    refused.message or "", table.concat(there, "; ")))
end

--- Makes a change that carries a policy, and waits for the principals that are new.
---@param context engine.Context
---@param options { policy: table|string, what: string }
---@param fn fun(): any
---@return any
function M.put(context, options, fn)
  local refused, waited_for
  local done = context:poll {
    reason = "the role is new and KMS does not know it yet (it takes seconds, at times a minute or two)", bound = M.BOUND, delays = DELAYS,
    check = function()
      local answer
      answer, refused = context:try({ MalformedPolicyDocumentException = true }, fn)
      if not refused then return answer end
      if not tostring(refused.message or ""):lower():find("principal", 1, true) and (refused.message or "") ~= "" then error(refused, 0) end
      waited_for = new_one(context, options, refused)
    end,
  }
  if done ~= nil then return done end
  unaccepted(options, refused, ("KMS has not accepted %s after %d s: %s"):format(waited_for, M.BOUND,
    "either it takes longer than usual, or the role was deleted and made again meanwhile"))
end

return M

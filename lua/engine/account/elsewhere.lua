--- Work in another account: the engine and its context with the session of that account. What was read there is kept apart, what was
--- made is the same run's.
---@class engine.Account  whose a thing is, where it is not the account of the credentials in force
---@field id string          12 digits
---@field profile string?    reached by this profile
---@field role_arn string?   or by this role
local attempts = require "engine.key.attempt"

local M = {}

local function name_of(account) return account.profile and "profile " .. account.profile or "role " .. account.role_arn end

--- The session of an account.
---@param engine table
---@param as { profile: string?, role_arn: string? }
---@return table
function M.session(engine, as)
  engine.sessions = engine.sessions or {}
  local name = name_of(as)
  engine.sessions[name] = engine.sessions[name] or engine.session:in_account(as)
  return engine.sessions[name]
end

-- A context whose reads are its own, and whose everything else is the run's.
local function context_of(engine, account, session)
  local shared, own = engine.context, { session = session, reads = {}, account = account }
  local context = setmetatable(own, { __index = shared, __newindex = shared, __name = "engine.Context" })
  rawset(own, "attempts", attempts.new(context, engine.options.entries))
  return context
end

-- Commands of the AWS CLI name the profile of the account.
local function flags_of(engine, account)
  local flags = {}
  for name, value in pairs(engine.flags) do flags[name] = value end   -- order cannot be seen
  flags.aws_profile = account.profile
  return flags
end

--- The engine for things of an account; the engine itself for those of the credentials in force.
---@param engine table
---@param account engine.Account?
---@return table
function M.of(engine, account)
  if type(account) ~= "table" or not (account.profile or account.role_arn) then return engine end
  engine.elsewhere = engine.elsewhere or {}
  local name = name_of(account) .. (engine.rehearsal and " rehearsed" or "")
  local known = engine.elsewhere[name]
  if known then return known end
  local session = M.session(engine, account)
  if engine.rehearsal then session = session:through(engine.session.door) end
  known = setmetatable({ session = session, context = context_of(engine, account, session), flags = flags_of(engine, account) },
    { __index = engine, __newindex = engine, __name = "Engine" })
  engine.elsewhere[name] = known
  return known
end

return M

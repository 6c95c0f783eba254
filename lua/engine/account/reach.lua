--- Other AWS accounts that keys and roles of a cluster are of, and what leads there: a profile, a role to assume, or the file of a layout
--- whose entries name these (--reach). A thing of an account that nothing leads to is known by its ARN alone, and is not looked at.
local elsewhere = require "engine.account.elsewhere"

local M = {}

--- The account that an ARN names; nil of what is none.
---@param arn any
---@return string?
function M.id(arn) return type(arn) == "string" and arn:match "^arn:[^:]*:[^:]*:[^:]*:(%d+):" or nil end

-- What leads somewhere, as it is given.
local function ways_of(given)
  if given:find "^arn:" then return { { role_arn = given } } end
  local layout = require "layout"
  return layout.is_file(given) and layout.ways(given) or { { profile = given } }
end

--- Opens what leads to other accounts, once a pass. The context knows them from then on.
---@param engine table
---@param given string[]?  profiles, ARNs of roles to assume, files of layouts
function M.open(engine, given)
  local context, accounts = engine.context, {}
  context.root, context.accounts = context, accounts
  if engine.spec then return end   -- AWS is not asked
  for _, text in ipairs(given or {}) do
    for _, way in ipairs(ways_of(text)) do M.add(engine, way) end
  end
end

--- Notes what leads to an account; of the credentials' own there is nothing to note.
---@param engine table
---@param way { profile: string?, role_arn: string? }
function M.add(engine, way)
  local root = engine.context
  local context = elsewhere.of(engine, way).context
  local id = context:identity().account
  if id == root:identity().account then return end
  root.root, root.accounts = root, root.accounts or {}
  root.accounts[id] = { context = context, as = { id = id, profile = way.profile, role_arn = way.role_arn } }
end

--- The contexts of all accounts: of the credentials' own first, then of those that are reached, by their IDs.
---@param context engine.Context
---@return engine.Context[]
function M.contexts(context)
  local list = { context.root or context }
  for _, reached in require("sorted")(context.accounts or {}) do list[#list + 1] = reached.context end
  return list
end

--- The context in which a thing is looked at and changed: of its account, where that is reached.
---@param context engine.Context
---@param arn string
---@return engine.Context
function M.context(context, arn)
  local reached = (context.accounts or {})[M.id(arn)]
  return reached and reached.context or context
end

--- Whose a thing is: nil for the credentials' own account; of one that nothing leads to its ID alone.
---@param context engine.Context
---@param arn string
---@return engine.Account?
function M.account(context, arn)
  local id = M.id(arn)
  if not id or context.spec or id == (context.root or context):identity().account then return nil end
  local reached = (context.accounts or {})[id]
  return reached and reached.as or { id = id }
end

--- Whether the account of a thing can be worked in.
---@param account engine.Account?
---@return boolean
function M.leads(account) return account == nil or account.profile ~= nil or account.role_arn ~= nil end

--- How a thing of another account comes into reach, as a sentence's end.
---@param context engine.Context
---@param arn string
---@return string
function M.advice(context, arn)
  return ("%s is a %s of account %s, and the credentials are of %s: name a profile, or a role to assume, that leads there (--reach)"):format(arn,
    arn:find ":role/" and "role" or "key", M.id(arn), (context.root or context):identity().account)
end

return M

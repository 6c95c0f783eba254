--- Commands that mend something, as they can be pasted into a shell: cmek's own, with the arguments in use, and the AWS CLI's.
local json = require "json"
local policies = require "policy"
local quote = require "quote"

local M = {}

--- The arguments that say which role and keys are meant: recipes for the same cluster share them.
M.CHAIN = { cluster = true, layout = true, role = true, key = true }

--- A word as a shell takes it.
M.quote = quote

local function join(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = M.quote(tostring(word)) end
  return table.concat(quoted, " ")
end

local FILES <const> = { "facts", "spec" }   -- what the same recipe takes again
local COMMON <const> = { "profile", "region", "account", "journal", "vault_auth", "vault_auth_mount" }

-- Arguments that were given, as flags, in the order of the recipe's `args`.
local function flags(args, given, only)
  local words = {}
  for _, spec in ipairs(args or {}) do
    local name = spec.name or spec[1]
    local value = given[name]
    local wanted = not only or only[name]
    for _, one in ipairs(not wanted and {} or type(value) == "table" and value or { value }) do
      if one ~= false then words[#words + 1] = "--" .. name:gsub("_", "-") end
      if type(one) ~= "boolean" then words[#words + 1] = one end
    end
  end
  return words
end

-- The command's own flags after the others.
local function with_common(words, common)
  for _, name in ipairs(COMMON) do
    local value = common[name]
    if value then table.move({ "--" .. name:gsub("_", "-"), value }, 1, 2, #words + 1, words) end
  end
  return words
end

--- `cmek WORD RECIPE --cluster … `: with the arguments and flags in use.
---@param engine table
---@param word "run"|"verify"
---@param recipe string?        another recipe than the one that runs
---@param only table<string, true>?  the arguments that it takes over; nil: all
---@return string
function M.cmek(engine, word, recipe, only)
  local words = { "cmek", word, recipe or engine.recipe.name, table.unpack(flags(engine.recipe.args, engine.given, only)) }
  words = with_common(words, engine.flags)
  for _, name in ipairs((recipe or engine.recipe.name) == engine.recipe.name and FILES or {}) do
    if engine.flags[name] then table.move({ "--" .. name, engine.flags[name] }, 1, 2, #words + 1, words) end
  end
  if engine.recipe.trusted and (recipe or engine.recipe.name) == engine.recipe.name then words[#words + 1] = "--trust" end
  return join(words)
end

--- The command that finishes this run.
---@param engine table
---@return string
function M.resume(engine)
  return join(with_common({ "cmek", "resume", engine.context.run_id }, engine.flags))
end

--- The plan of the recipe that goes on from here: its arguments as flags, or the file that they were written into.
---@param engine { going_on: { recipe: string, arguments: table }, flags: table }
---@param file string?
---@return string
function M.going_on(engine, file)
  local on = engine.going_on
  local typed = file and { "--args", file } or flags(require("recipe").load(on.recipe).args, on.arguments)
  return join(with_common({ "cmek", "plan", on.recipe, table.unpack(typed) }, engine.flags))
end

--- A command of cmek's that runs no recipe, with the flags in use.
---@param engine { flags: table }
---@param ... string  words after `cmek`
---@return string
function M.own(engine, ...) return join(with_common({ "cmek", ... }, engine.flags)) end

--- The command that lets a revoked cluster to its keys again.
---@param engine table
---@param cluster table
---@return string
function M.restore(engine, cluster) return M.own(engine, "run", "restore", "--cluster", cluster.name) end

--- A command of the AWS CLI, for the profile in use.
---@param engine table
---@param ... string  words after `aws`
---@return string
function M.aws(engine, ...)
  local words = { "aws", ... }
  local profile = engine.flags.aws_profile or engine.flags.profile
  if profile then table.move({ "--profile", profile }, 1, 2, #words + 1, words) end
  return join(words)
end

-- A document without one of its statements.
local function without(document, statement)
  local read, text = policies.parse(document), json.encode(statement)
  local copy = {}
  for name, value in pairs(read) do copy[name] = value end   -- order cannot be seen
  copy.Statement = json.array {}
  for _, other in ipairs(read.Statement) do
    if json.encode(other) ~= text then table.insert(copy.Statement, other) end
  end
  return policies.json(copy)
end

-- Whether the key's policy, as it is, keeps us from putting another one.
local function locked_out(engine, key)
  local identity = engine.context:identity()
  return policies.evaluate({
    principal = { arn = identity.arn, account = identity.account, unique_id = identity.user_id }, action = "kms:PutKeyPolicy", resource = key.arn,
    resource_account = key.arn:match ":(%d+):key/", resource_kind = "key", resource_policy = key.policy, unseen = { "identity policies" },
    unseen_context = { "*" },
  }).verdict == "denied"
end

--- Puts a key's policy without a statement; nil where that is denied to us, so that no command would do.
---@param engine table
---@param key engine.Key
---@param statement table
---@return string?
function M.key_policy(engine, key, statement)
  if locked_out(engine, key) then return nil end
  return M.aws(engine, "kms", "put-key-policy", "--region", key.region, "--key-id", key.arn, "--policy-name", "default",
    "--policy", without(key.policy, statement))
end

--- Puts a role's trust policy without a statement.
---@param engine table
---@param role { name: string, trust: string }
---@param statement table
function M.trust(engine, role, statement)
  return M.aws(engine, "iam", "update-assume-role-policy", "--role-name", role.name, "--policy-document", without(role.trust, statement))
end

return M

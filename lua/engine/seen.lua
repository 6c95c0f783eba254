--- What a plan rests on, step by step: digests of what was found and of what was wanted, field by field. Two plans that rest on
--- the same lead to the same run.
local crypto = require "crypto"
local failure = require "engine.failure"
local json = require "json"
local secret = require "secret"
local sorted = require "sorted"
local unknown = require "unknown"

local M = {}

local LENGTH <const> = 32       -- hex digits of a digest
local LEFT_OUT <const> = { cluster = true, unreadable = true, run = true }   -- told apart by its ID; holds refusals; tells of this plan

local function digest(value)
  return crypto.hex(crypto.sha256(json.encode { value = unknown.show(value) })):sub(1, LENGTH)
end

local function digests(value)
  local fields = {}
  if type(value) ~= "table" or unknown.is(value) then return fields end
  for name, member in sorted(value) do
    if type(name) == "string" and not LEFT_OUT[name] and type(member) ~= "function" then fields[name] = digest(member) end
  end
  return fields
end

--- The steps with what they rest on.
---@param engine table
---@return { kind: string, name: string, region: any, wanted: table<string, string>, seen: table<string, string> }[]
function M.of(engine)
  local list = json.array {}
  for i, step in ipairs(engine.steps) do
    -- what a recipe's own kind finds may hold what changes by itself: there its differences count alone
    local seen = step.resource and not step.resource.own and step.have or nil
    list[i] = { kind = step.kind, name = unknown.show(step.name), region = step.region or json.null, wanted = digests(step.want),
      seen = digests(seen) }
  end
  return list
end

-- What is wanted otherwise than the plan has shown it, by its path; nil where all is the same, as far as the plan could know it.
local function otherwise(planned, want, depth)
  if unknown.is(planned) or type(planned) == "string" and unknown.has(planned) or secret.is(planned) then return nil end
  if type(planned) ~= "table" or type(want) ~= "table" then return not rawequal(planned, want) and "" or nil end
  local names = {}
  for name in next, planned do names[name] = true end
  for name in next, want do names[name] = true end
  for name in sorted(names) do
    local path = not (depth == 0 and LEFT_OUT[name]) and otherwise(planned[name], want[name], depth + 1)
    if path then return path == "" and tostring(name) or name .. "." .. path end
  end
end

--- Holds what a recipe of a file asks for to what its plan has shown, which is what was agreed to. Raises what is another.
---@param engine table
---@param key string      what is asked for
---@param planned any     as the plan has it
---@param want any
function M.hold(engine, key, planned, want)
  local field = engine.recipe.is_file and otherwise(planned, want, 0)
  if not field then return end
  failure.raise { code = "precondition", what = "running the recipe",
    message = ("it asks for %s with another '%s' than its plan showed: either that rests on what has changed since, or the recipe asks for "
      .. "something else in its second pass"):format(key:gsub("%s+", " "), field), next = "run it again, and look at the plan before you agree" }
end

return M

--- What a plan rests on, step by step: digests of what was found and of what was wanted, field by field. Two plans that rest on
--- the same lead to the same run.
local crypto = require "crypto"
local json = require "json"
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

return M

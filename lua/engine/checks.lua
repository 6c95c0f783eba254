--- The checks that verify makes of one thing, each under an ID that stays: what came of it, and what it found.
---@class engine.Checks
---@field engine table
---@field object string
---@field region string?
---@field results table<string, "ok"|"finding"|"unknown">  by ID; a check that was not made has none
local Checks = { __name = "engine.Checks" }
Checks.__index = Checks

local M = {}

--- A list for one thing.
---@param engine table
---@param rows { id: string, severity: string, text: string }[]  the checks that can be made of it
---@param object string
---@param region string?
---@return engine.Checks
function M.new(engine, rows, object, region)
  local severities = {}
  for _, row in ipairs(rows) do severities[row.id] = row.severity end
  return setmetatable({ engine = engine, object = object, region = region, severities = severities, results = {} }, Checks)
end

local function severity(self, id)
  return self.severities[id] or error(("checks: there is no check '%s'"):format(id), 3)
end

--- It is as it should be.
---@param id string
---@param text string?  what is worth knowing all the same
function Checks:ok(id, text)
  local _ = severity(self, id)
  if self.results[id] then return end
  self.results[id] = "ok"
  self.engine:checked_as { id = id, object = self.object, region = self.region, result = "ok", text = text }
end

--- It is not: one of the things that are wrong with it.
---@param id string
---@param fields { severity: string?, field: string?, have: any, want: any, text: string?, mend: string? }
function Checks:finding(id, fields)
  self.results[id] = fields.severity == "unknown" and self.results[id] ~= "finding" and "unknown" or "finding"
  self.engine:found { id = id, severity = fields.severity or severity(self, id), object = self.object, region = self.region,
    field = fields.field, have = fields.have, want = fields.want, text = fields.text, mend = fields.mend }
end

--- It cannot be said.
---@param id string
---@param why any  a refusal, or words
function Checks:unknown(id, why)
  local _ = severity(self, id)
  self:finding(id, { severity = "unknown", have = require("refusal").is(why) and require("refusal").line(why) or tostring(why),
    text = type(why) == "table" and why.next or nil })
end

--- Nobody can say: what the service never shows is listed as unknown, and is no finding.
---@param id string
---@param text string
function Checks:unseen(id, text)
  local _ = severity(self, id)
  self.results[id] = "unknown"
  self.engine:checked_as { id = id, object = self.object, region = self.region, result = "unknown", text = text }
end

--- Whether none of these checks found something, or could not be made: what rests on them can be judged.
---@param ... string
---@return boolean
function Checks:sound(...)
  for _, id in ipairs { ... } do
    if (self.results[id] or "ok") ~= "ok" then return false end
  end
  return true
end

return M

--- Random numbers that a seed replays in any process: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
-- generators", OOPSLA 2014). For simulation alone.

local Random = {}
Random.__index = Random

--- The next 64 bits as an integer.
---@return integer
function Random:bits()
  self.state = self.state + 0x9E3779B97F4A7C15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end

--- A float in [0, 1).
---@return number
function Random:uniform() return (self:bits() >> 11) * 2.0 ^ -53 end

--- An integer from 1 to n.
---@param n integer
---@return integer
function Random:below(n) return 1 + math.floor(self:uniform() * n) end

--- One member of a list.
---@param list table
---@return any
function Random:pick(list) return list[self:below(#list)] end

--- True with the given probability.
---@param probability number
---@return boolean
function Random:chance(probability) return self:uniform() < probability end

--- Random bytes.
---@param count integer
---@return string
function Random:bytes(count)
  local parts = {}
  for at = 1, (count + 7) // 8 do parts[at] = string.pack("<i8", self:bits()) end
  return table.concat(parts):sub(1, count)
end

local M = {}

--- A generator of its own sequence.
---@param seed integer
---@return table
function M.new(seed)
  local random = setmetatable({ state = seed }, Random)
  random:bits()
  return random
end

return M

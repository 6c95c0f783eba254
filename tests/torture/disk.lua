-- A disk for one journal: what was appended and not synced is lost in a crash, or cut anywhere.

local Disk = {}
Disk.__index = Disk

function Disk:append(lines)
  if self.gone then return nil, "the machine is off" end
  self.queued = self.queued .. lines
  return true
end

function Disk:sync()
  if self.gone then return nil, "the machine is off" end
  self.text, self.queued = self.text .. self.queued, ""
  return true
end

--- The machine goes off: of what was not synced some bytes may have reached the disk.
function Disk:crash(chance)
  self.gone = true
  local kept = chance:chance(0.5) and chance:below(#self.queued + 1) - 1 or 0
  self.text, self.queued = self.text .. self.queued:sub(1, kept), ""
end

--- The same disk in a machine that was switched on again.
function Disk:again()
  self.gone = false
  return self
end

return { new = function() return setmetatable({ text = "", queued = "", gone = false }, Disk) end }

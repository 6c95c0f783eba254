--- The simulated Vault: what each token keeps for itself.
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local sorted = require("sorted")

local function own(r)
  r.token.cubbyhole = r.token.cubbyhole or {}
  return r.token.cubbyhole
end

local function list(r)
  local keys = json.array {}
  for path in sorted(own(r)) do keys[#keys + 1] = path end
  return paths.keys(keys)
end

local function write(r)
  r.ignored = {}
  own(r)[r.captured.path] = r.given
end

return { rows = {
  { "Keys", "^$", list = list },
  { "Secret", "^(.+)$", { "path" }, write = write,
    read = function(r) return { data = own(r)[r.captured.path] or refusal.absent() } end,
    delete = function(r) own(r)[r.captured.path] = nil end },
} }

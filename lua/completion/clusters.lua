--- The names of the clusters that were there when cmek last listed them, for completion, which never asks the network. A file each for
--- whoever asked whom: the API key's fingerprint (or the JWT's names) and the server. Simulated clusters stand apart.
local M = {}

local NAMES_MAX <const> = 1 << 20             -- bytes of such a file
local NAME <const> = "^[%w][%w._-]*$"         -- a name that a shell reads as one word

-- Who asks, as far as it can be told without the network; nil for nobody, and for an environment that is of two minds.
local function asker()
  local secret, text = require "secret", require("variables").of().text
  local key, jwt = secret.environment("COCKROACH_API_KEY", "cloud"), secret.environment("COCKROACH_API_JWT", "cloud")
  if key and secret.length(key) > 0 then return not jwt and "key " .. secret.fingerprint(key) or nil end
  local organization = jwt and text "COCKROACH_VANITY_NAME"
  return organization and ("jwt %s %s"):format(organization, text "COCKROACH_USERNAME" or "") or nil
end

local function path_of()
  local state, who = require("file").state_directory(), asker()
  if not state or not who then return nil end
  local text, crypto = require("variables").of().text, require "crypto"
  local simulated = text "CMEK_SIM" == "1"   -- its server has another port every time
  local server = not simulated and text "COCKROACH_SERVER" or ""
  local directory = state .. (simulated and "/simulated-clusters" or "/clusters")
  return directory, ("%s/%s.json"):format(directory, crypto.hex(crypto.sha256(server .. "\n" .. who)):sub(1, 32))
end

--- The names for whoever the environment speaks for, sorted; none when no list was ever kept.
---@return string[]
function M.known()
  local _, path = path_of()
  local text = path and require("file").read(path, NAMES_MAX)
  local document = text and require("json").decode(text)
  local names = {}
  for _, name in ipairs(type(document) == "table" and type(document.clusters) == "table" and document.clusters or {}) do
    if type(name) == "string" and name:find(NAME) then names[#names + 1] = name end
  end
  return names
end

--- Keeps the names of a full list. What cannot be written is not: nothing but completion rests on it.
---@param clusters { name: string }[]
function M.remember(clusters)
  local directory, path = path_of()
  if not path then return end
  local names, file, json = {}, require "file", require "json"
  for _, cluster in ipairs(clusters) do
    local name = type(cluster) == "table" and cluster.name
    if type(name) == "string" and name:find(NAME) then names[#names + 1] = name end
  end
  table.sort(names)
  local text = json.encode { clusters = json.array(names) } .. "\n"
  if file.read(path, NAMES_MAX) == text then return end
  if file.mkdir(directory, 448) then file.write(path, text) end   -- 0700, 0600
end

return M

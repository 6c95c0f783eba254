--- What was typed at prompts before: a file of the user's own (0600), one entry a chunk, nothing in it that looks like a secret.
local json = require "json"
local secret = require "secret"
local secretlike = require "secretlike"

local M = {}

local ENTRIES <const> = 2000
local FILE_MAX <const> = 16 << 20   -- bytes

-- What a field or variable is called whose value is a secret.
local NAMES <const> = { "password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "secretkey", "secretaccesskey", "secretid",
  "credentials", "unsealkey" }

local function names_a_secret(text)
  for name in text:gmatch "([%w_%-]+)[\\\"']*%]?%s*[=:]%s*[\\\"'%[]" do
    name = name:lower():gsub("[_%-]", "")
    for _, word in ipairs(NAMES) do
      if name:sub(-#word) == word and name ~= "nexttoken" then return true end
    end
  end
  return false
end

--- Whether a text may be kept: no live secret stands in it, no word of it looks like one, and nothing is written down
--- under a secret's name.
---@param text string
---@return boolean
function M.harmless(text)
  if secret.mask(text) ~= text or secretlike.kind(text) or names_a_secret(text) then return false end
  for word in text:gmatch "[^%s\"'%[%](){},;]+" do
    if secretlike.kind(word) or secretlike.kind(word:match "=(.+)$") then return false end
  end
  return true
end

--- Where the history stands; nil where nothing can be kept. That of simulated services is another one.
---@return string?
function M.path()
  local state = require("file").state_directory()
  local name = require("process").environment "CMEK_SIM" == "1" and "simulated-prompt-history" or "prompt-history"
  return state and state .. "/" .. name or nil
end

local function entries_of(path, into)
  for line in (require("file").read(path, FILE_MAX) or ""):gmatch "[^\n]+" do
    local ok, entry = pcall(json.decode, line)
    if ok and type(entry) == "string" then into[#into + 1] = entry end
  end
  return into
end

-- A file that has grown long stands aside, and is the earlier part from then on. What other prompts add meanwhile is in one or the other.
local function set_aside(path, length)
  local file = require "file"
  local lock <close> = file.lock(path .. ".lock")
  local now = lock and file.stat(path)
  if now and now.size >= length then file.rename(path, path .. ".1") end   -- else another prompt was faster
end

--- The chunks of earlier prompts, oldest first.
---@param path string
---@return string[]
function M.read(path)
  local earlier = entries_of(path .. ".1", {})
  local there = require("file").stat(path)
  local count = #earlier
  local entries = entries_of(path, earlier)
  if #entries - count > ENTRIES then set_aside(path, there.size) end
  return table.move(entries, math.max(1, #entries - ENTRIES + 1), #entries, 1, {})
end

--- Keeps a chunk, unless something in it may be a secret. Returns whether it may be called back at this prompt, too.
---@param path string?
---@param text string
---@return boolean
function M.add(path, text)
  if not M.harmless(text) then return false end
  local file = require "file"
  local folder = path and path:match "^(.*)/"
  if folder and file.mkdir(folder, 448) then file.append(path, json.encode(text) .. "\n", 384) end   -- 0700, 0600
  return true
end

return M

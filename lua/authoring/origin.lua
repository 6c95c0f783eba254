--- Where a recipe of one's own comes from: the line at the top of an ejected one, and the copy of what it was then.
--- The line is in the file, so it travels with it; the copy is in the state directory, under the SHA-256 of its text, for the day when
--- this program is another version and its stock recipe another text. Without the copy the old program can still tell (show NAME).
local failure = require "ui.failure"
local file = require "file"
local recipe = require "recipe"

local M = {}

local SOURCE_MAX <const> = 1 << 20
local LINE <const> = "-- From the recipe %s of cmek %s, sha256 %s; what either side changed since: cmek recipes diff FILE\n"
local PATTERN <const> = "^%-%- From the recipe (%S+) of cmek (%S+), sha256 (%x+);[^\n]*\n"

--- SHA-256 of a text, in digits.
---@param text string
function M.hash(text) return require("crypto").hex(require("crypto").sha256(text)) end

local function directory()
  local state, message = file.state_directory()
  return state and state .. "/origins", message
end

--- A stock recipe's text with the line that says where it is from.
---@param name string
---@return string
function M.eject(name)
  local text = recipe.source(name)
  return LINE:format(name:gsub("%.lua$", ""), require "version", M.hash(text)) .. text
end

--- Keeps a copy of what was ejected. What may not be written is told and no more: the file itself is there.
---@param text string  the stock recipe
---@return string? message
function M.keep(text)
  local folder, message = directory()
  if folder then
    local made
    made, message = file.mkdir(folder)
    if made then made, message = file.write(("%s/%s.lua"):format(folder, M.hash(text)), text) end
    if made then return nil end
  end
  return message
end

--- What the line at the top says, and the text below it.
---@param text string
---@return { name: string, version: string, hash: string }? origin, string text
function M.read(text)
  local name, version, hash = text:match(PATTERN)
  if not name then return nil, text end
  return { name = name, version = version, hash = hash }, (text:gsub(PATTERN, "", 1))
end

-- The text of that hash: what cmek still has, what was kept, what is given.
local function pristine(origin, given)
  local stock = require("embedded").source("recipes/" .. origin.name .. ".lua")
  if stock and M.hash(stock) == origin.hash then return stock, stock end
  local folder = directory()
  for _, path in ipairs { given or false, folder and ("%s/%s.lua"):format(folder, origin.hash) or false } do
    local text = path and file.read(path, SOURCE_MAX)
    if text and M.hash(text) == origin.hash then return text, stock end
    if path and path == given then
      failure.usage(("'%s' is not the recipe %s of cmek %s: its SHA-256 is another"):format(given, origin.name, origin.version))
    end
  end
  return nil, stock
end

local function no_origin(path)
  failure.usage(("%s does not say which recipe it is from: an ejected one has that in its first line"):format(path),
    "diff -u " .. require("quote")(path) .. " with what cmek recipes show NAME prints")
end

--- What the stock recipe has changed since a file was ejected, and what the file has.
---@param path string
---@param given string?  a file that holds the recipe as it was then
---@return { path: string, origin: table, stock: string, mine: string, both: integer[], version: string, gone: boolean }
function M.diff(path, given)
  local text = recipe.source(path)
  local origin, mine = M.read(text)
  if not origin then no_origin(path) end
  local was, stock = pristine(origin, given)
  if not was then
    failure.raise { status = failure.FAILED, what = "comparing " .. path, next = ("cmek recipes diff %s origin.lua"):format(require("quote")(path)),
      message = ("there is no copy of the recipe %s of cmek %s here (it was ejected on another machine, or the state directory is another); "
        .. "that version prints it: cmek recipes show %s > origin.lua"):format(origin.name, origin.version, origin.name) }
  end
  local unified, version = require "authoring.unified", require "version"
  local name = ("recipes/%s.lua of cmek "):format(origin.name)
  return { path = path, origin = origin, version = version, gone = stock == nil,
    stock = stock and unified.diff(was, stock, { name .. origin.version, name .. version }) or "",
    mine = unified.diff(was, mine, { name .. origin.version, path }),
    both = stock and unified.both(was, stock, mine) or {} }
end

return M

--- The environment as the library reads it: texts, switches, and secrets that never become Lua strings. Empty is unset.
---@class Variables
---@field text fun(name: string): string?
---@field secret fun(name: string, audience: string): userdata?
---@field switch fun(name: string): boolean?   raises when the value is neither true nor false
---@field set fun(name: string): boolean       whether it is there, maybe empty
---@field names fun(prefix: string): string[]  what is there and begins so, sorted
---@field reference fun(name: string, audience: string): string?  where in Vault a secret stands, when the variable says that (vault/kv.lua)

local refusal = require "refusal"

local M = {}

--- Reads a switch as the SDKs do: true or false, in any case. nil when it is not set.
---@param value string?
---@param name string   what it is called, for the error
---@return boolean?
function M.switch(value, name)
  if value == nil or value == "" then return nil end
  local word = value:lower()
  if word == "true" or word == "false" then return word == "true" end
  refusal.raise { kind = "configuration", exit = "usage", message = ("%s is '%s'; it must be true or false"):format(name, value) }
end

--- The environment of this process, or what stands for it.
---@param source table<string, string>|(fun(name: string): string?)|nil  nil: this process
---@return Variables
function M.of(source)
  local process = not source and require "process"
  local lookup = process and process.environment or source
  if type(lookup) == "table" then lookup = function(name) return source[name] end end
  local real = process or source == require("process").environment
  local function text(name)
    local value = lookup(name)
    if value ~= "" then return value end
  end
  local function secret(name, audience)
    if real then return require("secret").environment(name, audience) end
    local value = text(name)
    if value == nil or type(value) ~= "string" then return value end
    return require("secret").new(value, audience)
  end
  local function set(name)
    if real then return require("process").inherited(name) == true end
    return lookup(name) ~= nil
  end
  local function names(prefix)
    local all, list = {}, {}
    if real then
      all = require("process").environment_names()
    elseif type(source) == "table" then
      for name in require("sorted")(source) do all[#all + 1] = name end
    end
    for _, name in ipairs(all) do
      if name:sub(1, #prefix) == prefix then list[#list + 1] = name end
    end
    return list
  end
  return { text = text, secret = secret, set = set, names = names, reference = function() end,
    switch = function(name) return M.switch(text(name), name) end }
end

return M

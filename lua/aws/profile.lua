--- ~/.aws/config and ~/.aws/credentials, as the SDKs read them. Secrets come out of the files as secrets, never as texts.
---@class aws.Profile  the properties of one name, from both files
---@field name string
---@field values table<string, any>      text, secret, or a table of sub-properties
---@field origins table<string, string>  by property: "config" or "credentials"
local Profile = { __name = "aws.Profile" }
Profile.__index = Profile

---@class aws.Profiles
local Profiles = { __name = "aws.Profiles" }
Profiles.__index = Profiles

local refusal = require "refusal"
local secret = require "secret"
local sorted = require "sorted"

local M = {}

--- Properties that come out of the files as secrets for AWS.
M.SECRETS = { "aws_secret_access_key", "aws_session_token", "aws_security_token" }

-- Lines ------------------------------------------------------------------------------------------------------------

local function complain(parser, message)
  refusal.raise { kind = "configuration", exit = "credentials",
    message = ("%s, line %d: %s"):format(parser.path, parser.number, message) }
end

local function trim(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end

-- A comment after a value begins with white space and a mark; "a;b" is part of the value.
local function strip_comment(value) return trim((value:gsub("%s[#;].*$", ""))) end

local function valid(name) return name ~= "" and not name:find "[^%w%-/.%%@_:+]" end

local CONFIG_KINDS <const> = { profile = true, ["sso-session"] = true, services = true }

-- Kind and name of a section; nil for one that is dropped with its properties.
local function classify(parser, title)
  local kind, name = title:match "^(%S+)%s+(.-)$"
  if parser.kind == "credentials" then
    if not kind and valid(title) then return "profile", title end
    return nil
  end
  if title == "default" then return "profile", title, "plain" end
  if kind and CONFIG_KINDS[kind] and valid(name) then return kind, name end
end

local function open_section(parser, line)
  local title, rest = line:match "^%[([^%]]*)%](.*)$"
  if not title then complain(parser, ("'%s' opens a section and has no ]"):format(line)) end
  rest = trim(rest)
  if rest ~= "" and not rest:find "^[#;]" then complain(parser, ("after ] only a comment may stand, not '%s'"):format(rest)) end
  local kind, name, plain = classify(parser, trim(title))
  parser.opened, parser.section, parser.last = true, nil, nil
  if not kind then return end
  local sections = parser.sections[kind]
  if kind == "profile" and name == "default" and parser.kind == "config" then
    if plain and parser.full_default then return end        -- [profile default] stands above [default]
    if not plain and not parser.full_default then
      parser.full_default, sections[name] = true, nil
    end
  end
  sections[name] = sections[name] or {}
  parser.section = sections[name]
end

local function set(section, name, value)
  if valid(name) then section[name:lower()] = value end
end

-- The two sides of a property; raises when it is none.
local function split(parser, line)
  local name, value = line:match "^([^=]*)=(.*)$"
  name = name and trim(name)
  if not name or name == "" then complain(parser, ("'%s' is no property: write name = value"):format(trim(line))) end
  return name, value
end

local function property(parser, line)
  if not parser.opened then complain(parser, "a property before any [section]") end
  local name, value
  if type(line) == "table" then
    name, value = line.name, line.value or ""
  else
    name, value = split(parser, line)
    value = strip_comment(value)
  end
  parser.last = name:lower()
  if parser.section then set(parser.section, name, value) end
end

-- An indented line: a sub-property below an empty value, else more of the value above.
local function continuation(parser, line)
  if not parser.last then complain(parser, "an indented line continues the property above, and there is none") end
  local section = parser.section
  if not section then return end
  local above = section[parser.last]
  if above == "" then
    above = {}
    section[parser.last] = above
  end
  if type(above) == "table" then
    if type(line) == "table" then return set(above, line.name, line.value or "") end
    local name, value = split(parser, line)
    return set(above, name, strip_comment(value))
  end
  if type(line) == "table" or secret.is(above) then
    complain(parser, ("an indented line continues '%s': begin it at the start of the line"):format(parser.last))
  end
  section[parser.last] = (above or "") .. "\n" .. trim(line)
end

local function take(parser, line)
  if type(line) == "table" then
    local fn = line.indent and continuation or property
    return fn(parser, line)
  end
  if parser.number == 1 then line = line:gsub("^\xEF\xBB\xBF", "") end
  line = line:gsub("%s+$", "")
  local first = line:sub(1, 1)
  if line == "" or first == "#" or first == ";" then return end
  if first == "[" then return open_section(parser, line) end
  if first:find "%s" then return continuation(parser, line) end
  property(parser, line)
end

--- The sections of one file.
---@param lines (string|{ name: string, value: userdata, indent: boolean? })[]  as file.lines gives them
---@param kind "config"|"credentials"
---@param path string  for complaints
---@return { profile: table<string, table>, ["sso-session"]: table<string, table>, services: table<string, table> }
function M.parse(lines, kind, path)
  local parser = { kind = kind, path = path, sections = { profile = {}, ["sso-session"] = {}, services = {} } }
  for number, line in ipairs(lines) do
    parser.number = number
    take(parser, line)
  end
  return parser.sections
end

-- Files ------------------------------------------------------------------------------------------------------------

-- A file that is not there is empty.
local function read(files, path, kind, audience)
  if not files.exists(path) then return M.parse({}, kind, path) end
  local lines, message = files.lines(path, M.SECRETS, audience)
  if not lines then
    refusal.raise { kind = "configuration", exit = "credentials", message = message }
  end
  return M.parse(lines, kind, path)
end

local function path_of(environment, files, variable, name)
  local path = environment.text(variable) or "~/.aws/" .. name
  if path == "~" or path:sub(1, 2) == "~/" then path = (environment.text "HOME" or files.home()) .. path:sub(2) end
  return path
end

--- Reads both files.
---@param options { environment: Variables, files: table?, audience: string? }  files: the file module, or a stand-in; audience: whose the
---  secrets of the files are, "aws" without
---@return aws.Profiles
function M.load(options)
  local files = options.files or require "file"
  local self = setmetatable({ profiles = {} }, Profiles)
  self.config_path = path_of(options.environment, files, "AWS_CONFIG_FILE", "config")
  self.credentials_path = path_of(options.environment, files, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
  local config = read(files, self.config_path, "config", options.audience or "aws")
  local credentials = read(files, self.credentials_path, "credentials", options.audience or "aws")
  self.service_sections, self.sso_sessions = config.services, config["sso-session"]
  for _, source in ipairs { { "config", config.profile }, { "credentials", credentials.profile } } do
    for name, values in sorted(source[2]) do self:add(name, values, source[1]) end
  end
  return self
end

--- Puts a file's section into the profile of its name; what comes later wins.
function Profiles:add(name, values, origin)
  local profile = self.profiles[name]
  if not profile then
    profile = setmetatable({ name = name, values = {}, origins = {}, all = self }, Profile)
    self.profiles[name] = profile
  end
  for key, value in sorted(values) do profile.values[key], profile.origins[key] = value, origin end
end

--- A profile; nil when neither file has it.
---@param name string
---@return aws.Profile?
function Profiles:find(name) return self.profiles[name] end

--- A profile; raises when neither file has it, naming those that are there.
---@param name string
---@param origin string  what names it
---@return aws.Profile
function Profiles:profile(name, origin)
  if self.profiles[name] then return self.profiles[name] end
  local names = {}
  for known in sorted(self.profiles) do names[#names + 1] = known end
  local near = require("ui.near").near(name, names)
  local hint = near[1] and ("; did you mean '%s'?"):format(near[1]) or #names > 0 and "; there are " .. table.concat(names, ", ") or ""
  refusal.raise { kind = "credentials", exit = "credentials",
    message = ("%s names the AWS profile '%s', which is not in %s%s"):format(origin, name,
      self.config_path == self.credentials_path and self.config_path or self.config_path .. " or " .. self.credentials_path, hint),
    next = "aws configure list-profiles shows them" }
end

-- Properties -------------------------------------------------------------------------------------------------------

--- A property that is a text; nil when it is absent or empty.
---@param name string  lower case
---@return string?
function Profile:text(name)
  local value = self.values[name]
  if type(value) == "string" and value ~= "" then return value end
end

--- A property that is a secret; nil when it is absent or empty.
---@param name string
---@return userdata?
function Profile:secret(name)
  local value = self.values[name]
  if value ~= nil and secret.is(value) and secret.length(value) > 0 then return value end
end

--- Sub-properties by service, of the section that the profile's `services` names; nil when it names none.
---@return table<string, table>?
function Profile:services()
  local name = self:text "services"
  if not name then return nil end
  local section = self.all.service_sections[name]
  if section then return section end
  refusal.raise { kind = "configuration", exit = "credentials",
    message = ("the AWS profile '%s' names services = %s, and %s has no [services %s]"):format(self.name, name, self.all.config_path, name) }
end

return M

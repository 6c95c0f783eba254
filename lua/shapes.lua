--- The shapes of names that AWS takes: of arguments (`like = "tag"`), and of what a recipe wants made. Each says what would be right.
local sorted = require "sorted"

local M = {}

local TAGS_MAX <const> = 50     -- on a role or a key
local TAG_KEY_MAX <const>, TAG_VALUE_MAX <const> = 128, 256   -- characters
local ROLE_MAX <const>, PATH_MAX <const> = 64, 512            -- characters
local PRINCIPAL <const> = "the ARN of a role, a user or an account's root (arn:aws:iam::210987654321:role/NAME), without a wildcard"
local POLICY <const> = "the ARN of a managed policy (arn:aws:iam::210987654321:policy/NAME)"

local function counted(text, max)
  local length = utf8.len(text) or #text
  return length > max and (" (it has %d)"):format(length) or ""
end

-- A name, or the ARN of a role that is there.
local function role(text)
  local name = text:match "^arn:aws[%w-]*:iam::%d%d%d%d%d%d%d%d%d%d%d%d:role/(.+)$" or text
  if text ~= name then name = name:match "^[!-~]*/([^/]*)$" or name end
  if name:find "^[%w_+=,.@-]+$" and #name <= ROLE_MAX then return nil end
  return ("a role's name, 1 to %d of the characters A-Z a-z 0-9 _ + = , . @ -, or the ARN of a role%s"):format(ROLE_MAX, counted(name, ROLE_MAX))
end

local function path(text)
  if (text == "/" or text:find "^/[!-~]+/$") and #text <= PATH_MAX then return nil end
  return ("a path that begins and ends with /, without blanks, of at most %d characters%s"):format(PATH_MAX, counted(text, PATH_MAX))
end

local function principal(text)
  if text:find "[*?]" then return PRINCIPAL end
  local what = text:match "^arn:aws[%w-]*:iam::%d%d%d%d%d%d%d%d%d%d%d%d:(.+)$"
  if text:find "^%d%d%d%d%d%d%d%d%d%d%d%d$" or what == "root" then return nil end
  if text:find ":assumed%-role/" then return PRINCIPAL .. "; a session ends, its role does not" end
  local named = what and (what:find "^role/[!-~]+$" or what:find "^user/[!-~]+$") and not what:find "/$"
  return not named and PRINCIPAL or nil
end

local function policy(text)
  local owner = text:match "^arn:aws[%w-]*:iam::([%daws]+):policy/[!-~]+$"
  return not (owner and (owner == "aws" or owner:find "^%d%d%d%d%d%d%d%d%d%d%d%d$")) and POLICY or nil
end

-- What AWS takes in a tag's key or value: letters of any script, digits, blanks and some signs.
local function is_tag_text(text)
  return utf8.len(text) ~= nil and not text:find "[^%w _.:/=+@\128-\255-]"
end

local function tag_fault(key, value)
  if key == "" then return "KEY=VALUE" end
  if key:lower():find "^cmek:" then return "a tag of yours: those that begin with cmek: are cmek's own" end
  if key:lower():find "^aws:" then return "a tag of yours: those that begin with aws: are AWS's own" end
  if utf8.len(key) and utf8.len(key) > TAG_KEY_MAX then return ("a tag whose key has at most %d characters"):format(TAG_KEY_MAX) end
  if utf8.len(value) and utf8.len(value) > TAG_VALUE_MAX then return ("a tag whose value has at most %d characters"):format(TAG_VALUE_MAX) end
  if not is_tag_text(key) or not is_tag_text(value) then return "a tag of letters, digits, blanks and _ . : / = + - @" end
end

local function tag(text)
  local key, value = text:match "^([^=]*)=(.*)$"
  if not key then return "KEY=VALUE" end
  return tag_fault(key, value)
end

-- A path in Vault.
local function mount(text)
  if text:find "^[%w_.-][%w_./-]*$" and not text:find "//" and not text:find("..", 1, true) and not text:find "/$" and not text:find "^sys"
    and not (text .. "/"):find("/data/", 1, true) then   -- host/effects_vault.c: below it everything may be a secret
    return nil
  end
  return "where the engine is mounted, like transit or team/transit, without a / at its ends and a part called data behind another"
end

-- Where AWS credentials for Vault are from.
local function credentials(text)
  if require("vault.aws_keys").known(text) then return nil end
  return "server, environment, profile:NAME, file:PATH or vault:MOUNT/data/PATH (cmek help keymgmt)"
end

-- A region that a cluster is to have, and its nodes.
local function region_nodes(text)
  local region, nodes = text:match "^(%l[%l%d-]*)=(%d+)$"
  if region and region:find "^%l%l%l?%-[%l-]+%-%d$" and #nodes < 5 and tonumber(nodes) >= 3 then return nil end
  return "REGION=NODES with at least 3 nodes, like ap-southeast-2=3"
end

local SHAPES <const> = { region_nodes = region_nodes, credentials = credentials, mount = mount, role = role, path = path,
  principal = principal, policy = policy, tag = tag }

--- Whether there is such a shape.
function M.known(name) return SHAPES[name] ~= nil end

--- What a text would have to be; nil when it is right.
---@param name "credentials"|"mount"|"role"|"path"|"principal"|"policy"|"tag"
---@param text string
---@return string?
function M.wanted(name, text) return SHAPES[name](text) end

--- Raises when a text is not of a shape.
---@param name string
---@param text any
---@param where string  "role: field 'name'"
function M.check(name, text, where)
  local wanted = type(text) ~= "string" and "a text" or SHAPES[name](text)
  if wanted then
    local shown = name == "credentials" and "that" or ("'%s'"):format(tostring(text))
    require("engine.failure").raise { code = "precondition", message = ("%s must be %s, not %s"):format(where, wanted, shown) }
  end
end

-- Tags -----------------------------------------------------------------------------------------------------------------

local function list_of(given)
  local list = {}
  for key, value in sorted(given or {}) do
    list[#list + 1] = math.type(key) == "integer" and value or ("%s=%s"):format(key, tostring(value))
  end
  return list
end

--- Wanted tags by key, from a list of KEY=VALUE or from a table by key. Raises when one of them, or all together, cannot be.
---@param given string[]|table<string, string>|nil
---@param where string  what they are for: "role"
---@return table<string, string>
function M.tags(given, where)
  local map, seen = {}, {}
  for _, text in ipairs(list_of(given)) do
    M.check("tag", text, where .. ": a tag")
    local key, value = text:match "^([^=]*)=(.*)$"
    if seen[key:lower()] then
      require("engine.failure").raise { code = "precondition", message = ("%s: the tag '%s' stands twice (as '%s')"):format(where, key,
        seen[key:lower()]) }
    end
    map[key], seen[key:lower()] = value, key
  end
  return map
end

--- What of the wanted tags is missing or has another value.
---@param wanted table<string, string>
---@param have table<string, string>
---@param fold boolean?  keys are the same in any case of letters, as IAM has it
---@return { check: string, field: string, have: string?, want: string }[]
function M.tag_differences(wanted, have, fold)
  local list, folded = {}, {}
  for key, value in sorted(have) do folded[fold and key:lower() or key] = value end
  for key, value in sorted(wanted or {}) do
    local now = folded[fold and key:lower() or key]
    if now ~= value then list[#list + 1] = { check = "tags", field = "tags." .. key, have = now, want = value } end
  end
  return list
end

--- Why a thing cannot bear the wanted tags beside those that it has; nil when it can.
---@param differences table[]  tag_differences'
---@param have table<string, string>
---@return string?
function M.too_many(differences, have)
  local count = 0
  for _ in sorted(have) do count = count + 1 end
  for _, difference in ipairs(differences) do
    if difference.have == nil and difference.want ~= nil then count = count + 1 end
  end
  return count > TAGS_MAX and ("with the wanted tags it would bear %d, and AWS allows %d"):format(count, TAGS_MAX) or nil
end

return M

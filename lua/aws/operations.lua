--- Services as plain functions named after the API operation: what each takes, whether it may be sent again, how its pages go on.

local refusal = require "refusal"
local sorted = require "sorted"

local M = {}

---@class aws.Operation
---@field safe boolean?     may be repeated when its answer was lost
---@field rate number?      requests a second and region
---@field list string?      member of the answer that pages add to; a read
---@field of any            shape (lua/shape.lua) of the list's members; nil: objects
---@field result table?     shape of the answer
---@field with table?       parameters that are sent unless others are given
---@field after (fun(answer: table): table)?   makes of the answer what callers get

-- "CreateKey" is create_key.
local function function_name(operation)
  return (operation:gsub("(%l)(%u)", "%1_%2"):lower())
end

-- How a service says that there is more, and how it is asked for it.
local PAGES <const> = {
  iam = { more = function(answer) return answer.IsTruncated == "true" and answer.Marker end, ask = "Marker" },
  kms = { more = function(answer) return answer.Truncated and answer.NextMarker end, ask = "Marker" },
  tagging = { more = function(answer) return answer.PaginationToken end, ask = "PaginationToken" },
}

--- Members that say how the pages go on: a whole list has none.
local PAGING <const> = { "IsTruncated", "Truncated", "Marker", "NextMarker", "PaginationToken" }

-- Parameters ---------------------------------------------------------------------------------------------------------

local NAMED_BY_ARN <const> = { "KeyId", "TargetKeyId" }

-- The region that a key's ARN names; nil when none does.
local function region_of(parameters)
  for _, name in ipairs(NAMED_BY_ARN) do
    local region = type(parameters[name]) == "string" and parameters[name]:match "^arn:[^:]*:kms:([^:]+):"
    if region then return region, name end
  end
end

--- The one parameter that must be given: get_role "crdb-cmek" is get_role { RoleName = "crdb-cmek" }.
---@param service string
---@param operation string  "GetRole"
---@return string?  nil: there are several, or none, or it is no text
function M.lone(service, operation)
  local found
  for _, field in ipairs((require("aws.reference." .. service)[operation] or {}).takes or {}) do
    local name = field:match "^(%a+): string$"
    if name and found then return nil end
    if not name and not field:find "^%a+%?" then return nil end
    found = found or name
  end
  return found
end

-- What the caller gave, by the parameters' names.
local function by_name(name, given, service, operation)
  if type(given) == "string" then
    local field = M.lone(service, operation)
    if field then return { [field] = given } end
  end
  if given ~= nil and type(given) ~= "table" then error(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(given)), 4) end
  return given or {}
end

-- What the caller gave, apart from the region. The complaint points at who called the function.
local function take(name, given, regional, service, operation, with)
  local parameters = {}
  for key, value in next, with or {} do parameters[key] = value end   -- in any order: a copy does not show it
  for key, value in next, by_name(name, given, service, operation) do parameters[key] = value end
  local region = parameters.region
  if not regional then
    if region ~= nil then error(("bad argument #1 to '%s' (field 'region': this service has none)"):format(name), 3) end
  else
    local named, by = region_of(parameters)
    if region and named and region ~= named then
      error(("bad argument #1 to '%s' (field 'region' is %s, and %s is of %s)"):format(name, region, by, named), 3)
    end
    region = region or named
    if type(region) ~= "string" then
      error(("bad argument #1 to '%s' (field 'region' must be a string, got %s)"):format(name, type(region)), 3)
    end
  end
  parameters.region = nil
  for key in sorted(parameters) do
    if type(key) ~= "string" or not key:find "^%u" then
      error(("bad argument #1 to '%s' (unknown field '%s': parameters have the API's names)"):format(name, tostring(key)), 3)
    end
  end
  return parameters, region
end

-- Lists --------------------------------------------------------------------------------------------------------------

-- All pages as one answer.
local function whole(caller, request, member)
  local paging = PAGES[request.service]
  local function more(page)
    local marker = paging.more(page)
    if marker then return paging.ask, marker end
  end
  local answer = require("aws.pages").whole(request.parameters, member, function() return caller:call(request) end, more, function()
    refusal.raise { kind = "refused", service = request.service, operation = request.operation, region = request.region,
      message = "the service gives the same page for ever" }
  end)
  for _, name in ipairs(PAGING) do answer[name] = nil end
  return answer
end

--- The functions of a service.
---@param caller aws.Caller
---@param service string
---@param operations table<string, aws.Operation>
---@param regional boolean   each call names its region, by itself or in a key's ARN
---@param region string?     of a service that is not regional
---@return table<string, fun(parameters: table|string?): table>   a text is the one parameter that must be given
function M.functions(caller, service, operations, regional, region)
  local functions = {}
  for operation, spec in sorted(operations) do
    local name = function_name(operation)
    functions[name] = function(given)
      local parameters, named = take(name, given, regional, service, operation, spec.with)
      local request = { service = service, operation = operation, region = regional and named or region, parameters = parameters,
        safe = spec.safe or spec.list ~= nil, rate = spec.rate, list = spec.list, of = spec.of, result = spec.result }
      local answer = spec.list and whole(caller, request, spec.list) or caller:call(request)
      return spec.after and spec.after(answer) or answer
    end
  end
  return functions
end

return M

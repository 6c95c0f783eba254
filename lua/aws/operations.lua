--- Services as plain functions named after the API operation: what each takes, whether it may be sent again, how its pages go on.

local sorted = require "sorted"

local M = {}

---@class aws.Operation
---@field safe boolean?     may be repeated when its answer was lost
---@field rate number?      requests a second and region
---@field list string?      member of the answer that pages add to
---@field result string[]?  members that the answer must have

-- "CreateKey" is create_key.
local function function_name(operation)
  return (operation:gsub("(%l)(%u)", "%1_%2"):lower())
end

-- How a service says that there is more, and how it is asked for it.
local PAGES <const> = {
  iam = { more = function(answer) return answer.IsTruncated == "true" and answer.Marker end, ask = "Marker" },
  kms = { more = function(answer) return answer.Truncated and answer.NextMarker end, ask = "Marker" },
  tagging = { more = function(answer) return answer.PaginationToken ~= "" and answer.PaginationToken end, ask = "PaginationToken" },
}

local function split(given, regional)
  local parameters = {}
  for name, value in sorted(given or {}) do parameters[name] = value end
  local region = parameters.region
  parameters.region = nil
  if regional and not region then error("field 'region' is missing", 3) end
  return parameters, region
end

local function pages(caller, service, operation, spec, region, parameters)
  local paging, whole = PAGES[service], nil
  repeat
    local answer = caller:call { service = service, operation = operation, region = region, parameters = parameters, safe = true,
      rate = spec.rate }
    if whole then
      for _, member in ipairs(answer[spec.list] or {}) do table.insert(whole[spec.list], member) end
    else
      whole = answer
      whole[spec.list] = whole[spec.list] or {}
    end
    local marker = paging.more(answer)
    parameters[paging.ask] = marker or nil
  until not marker
  return whole
end

--- The functions of a service.
---@param caller aws.Caller
---@param service string
---@param operations table<string, aws.Operation>
---@param regional boolean   each call names its region
---@param region string?     of a service that is not regional
---@return table<string, fun(parameters: table?): table>
function M.functions(caller, service, operations, regional, region)
  local functions = {}
  for operation, spec in sorted(operations) do
    functions[function_name(operation)] = function(given)
      local parameters, named = split(given, regional)
      if spec.list then return pages(caller, service, operation, spec, regional and named or region, parameters) end
      return caller:call { service = service, operation = operation, region = regional and named or region, parameters = parameters,
        safe = spec.safe, rate = spec.rate, result = spec.result }
    end
  end
  return functions
end

return M

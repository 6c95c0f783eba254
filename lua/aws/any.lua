--- Any service of AWS, by its protocol: what is asked is checked before it leaves, and answers are tables, whatever they were on the wire.
--- What the door's table (host/effects.c) does not know as a read is a write, whoever calls it and whatever he says of it.
local near = require "ui.near"
local sorted = require "sorted"

local M = {}

--- What a call takes: its name, its type, and what it is for.
M.FIELDS = {
  { "service", "string", "the name that it signs with: sns, sqs, events …" }, { "operation", "string", "the API's name: \"CreateTopic\"" },
  { "region", "string", "which region is asked" }, { "parameters", "table", "those of the operation, under the API's names" },
  { "protocol", "string", "of a service that cmek does not know" }, { "version", "string", "of the API, by query and ec2" },
  { "target", "string", "what stands before the operation in X-Amz-Target, by JSON" }, { "method", "string", "of REST" },
  { "path", "string", "of REST" }, { "query", "table", "of REST" }, { "body", "string", "of rest-xml" },
  { "host", "string", "what the service's hosts begin with, where that is not its name" },
  { "list", "string", "the member of the answer that is a list, of which all pages are wanted" },
  { "secrets", "table", "members of the answer that come out as secrets" }, { "safe", "boolean", "doing it twice does no harm" },
}

--- What each protocol wants to be told of a service that cmek does not know.
local NEEDS <const> = { query = { "version" }, ec2 = { "version" }, ["json-1.0"] = { "target" }, ["json-1.1"] = { "target" },
  ["rest-json"] = { "method", "path" }, ["rest-xml"] = { "method", "path" } }
local ALSO <const> = { ["rest-json"] = { query = true }, ["rest-xml"] = { query = true, body = true } }
local WAYS <const> = { "version", "target", "method", "path", "query", "body" }   -- fields of one protocol or the other
local SAMPLES <const> = { version = '"2010-12-01"', target = '"AmazonSQS"', method = '"GET"', path = '"/2015-03-31/functions"' }

local function names(list)
  local result = {}
  for name in sorted(list) do result[#result + 1] = name end
  return result
end

--- The protocols that there are.
M.PROTOCOLS = names(NEEDS)

--- The services whose protocol is known, by the name that they sign with.
---@return table<string, { protocol: string, host: string, version: string?, target: string? }>
function M.known() return require("door").services() end

-- Checking -----------------------------------------------------------------------------------------------------------------

local function complain(text, ...) error("aws.call: " .. text:format(...), 0) end

local function meant(name, list)
  local found = near.near(tostring(name), list)[1]
  return found and found ~= name and ("; did you mean '%s'?"):format(found) or ""
end

local function field_names()
  local list = {}
  for i, field in ipairs(M.FIELDS) do list[i] = field[1] end
  return list
end

local function check_fields(request)
  if type(request) ~= "table" then
    complain('it wants a table, got %s: aws.call { service = "sns", operation = "ListTopics", region = "us-east-1" }', type(request))
  end
  local types = {}
  for _, field in ipairs(M.FIELDS) do types[field[1]] = field end
  for name, value in sorted(request) do
    local field = types[name]
    if not field then
      local guess = meant(name, field_names())
      if guess == "" and tostring(name):find "^%u" then guess = (": the operation's own stand in parameters = { %s = … }"):format(name) end
      complain("it has no field '%s'%s", tostring(name), guess)
    end
    local is_secret = name == "body" and require("secret").is(value)
    if type(value) ~= field[2] and not is_secret then
      complain("field '%s' must be a %s, got %s: %s", name, field[2], type(value), field[3])
    end
  end
end

-- "create_topic" as the API writes it.
local function as_operation(name) return (("_" .. name):gsub("_(%l)", string.upper):gsub("_", "")) end

local function check_operation(request)
  local operation = request.operation
  if operation == nil then complain('field \'operation\' is missing: operation = "ListTopics", say') end
  if operation:find "^%u%w*$" then return end
  local guess = as_operation(operation):gsub("%W", "")
  complain("there is no operation '%s': the API names them like \"%s\"", operation, guess:find "^%u" and guess or "CreateTopic")
end

local function unknown_service(request)
  complain("cmek does not know the service '%s'%s; of one that it does not know say the protocol (%s)", request.service,
    meant(request.service, names(M.known())):gsub("%?$", ""), table.concat(M.PROTOCOLS, ", "))
end

local function check_way(request, protocol)
  local wanted, has = NEEDS[protocol], {}
  for _, name in ipairs(wanted) do
    has[name] = true
    if request[name] == nil then complain("the protocol %s wants %s = %s as well", protocol, name, SAMPLES[name]) end
  end
  for _, name in ipairs(WAYS) do
    if request[name] ~= nil and not has[name] and not (ALSO[protocol] or {})[name] then
      complain("field '%s' has no meaning by the protocol %s", name, protocol)
    end
  end
end

-- How a service that is known is spoken to is not the caller's to say; what he says of it has to be so.
local function check_known(request, known)
  for _, name in ipairs { "protocol", "host", table.unpack(WAYS) } do
    if request[name] ~= nil and request[name] ~= known[name] then
      complain("field '%s' of %s is %s: leave it out", name, request.service, known[name] and ("known as '%s'"):format(known[name]) or "none")
    end
  end
end

-- One of a service that is known is reached under its own name alone: by that it is judged what is done there.
local function check_host(request)
  local host = (request.host or request.service):gsub("%-fips$", "")
  for name, known in sorted(M.known()) do
    if known.host == host then complain("the host '%s' is that of %s: call it as service = \"%s\"", request.host or host, name, name) end
  end
end

local function check_service(request)
  local service = request.service
  if service == nil then complain "field 'service' is missing: service = \"sns\", say" end
  if not service:find "^[%l%d][%l%d-]*$" or #service > 31 then
    local lower = service:lower()
    complain("there is no service '%s': names are those that they sign with, such as 'sns'%s", service,
      M.known()[lower] and ("; did you mean '%s'?"):format(lower) or meant(lower, names(M.known())))
  end
  if require("recipe").is_service(service) and not M.known()[service] then
    complain("'%s' is no service of AWS: call %s's functions", service, service)
  end
  local known = M.known()[service]
  if known then return check_known(request, known) end
  if request.protocol == nil then unknown_service(request) end
  if not NEEDS[request.protocol] then
    complain("there is no protocol '%s'%s; there are %s", request.protocol, meant(request.protocol, M.PROTOCOLS), table.concat(M.PROTOCOLS, ", "))
  end
  check_way(request, request.protocol)
  check_host(request)
end

local function check_region(request, endpoints)
  if request.region ~= nil or endpoints and endpoints:is_global(request.service) then return end
  complain("field 'region' is missing: %s is asked in a region: region = \"us-east-1\", or one of the cluster's: cluster.regions[1].name",
    request.service)
end

--- The operation that reads and may have been meant by one whose name begins like a read and that is not known as one.
---@param service string
---@param operation string
---@return string?
function M.meant_read(service, operation)
  local word, reads = operation:match "^%u%l+", require("door").reads(service)
  if word ~= "Get" and word ~= "List" and word ~= "Describe" then return nil end
  for _, known in ipairs(reads) do
    if known == operation then return nil end
  end
  for _, known in ipairs(near.near(operation, reads)) do
    if known:sub(1, #word) == word and math.abs(#known - #operation) <= 3 then return known end
  end
end

-- What the door says of a write to what may only read, with the read that may have been meant.
local function with_guess(request, raised)
  local guess = type(raised) == "string" and raised:find "may only read$" and M.meant_read(request.service, request.operation)
  if not guess then return raised end
  return ("aws.call: %s has no operation '%s' that cmek knows to read; did you mean '%s'?"):format(request.service, request.operation, guess)
end

--- Raises what is wrong with a call, before anybody is asked.
---@param request any
---@param endpoints aws.Endpoints?
function M.check(request, endpoints)
  check_fields(request)
  check_service(request)
  check_operation(request)
  check_region(request, endpoints)
  for name in sorted(request.parameters or {}) do
    if type(name) ~= "string" then complain("field 'parameters' wants names, got [%s]: { Name = \"…\" }", tostring(name)) end
  end
end

-- Answers ------------------------------------------------------------------------------------------------------------------

-- A map of the query protocol: a list of { key =, value = }.
local function is_map(value)
  for _, entry in ipairs(value) do
    if type(entry) ~= "table" or type(entry.key) ~= "string" then return false end
    for name in sorted(entry) do
      if name ~= "key" and name ~= "value" then return false end
    end
  end
  return #value > 0
end

local function folded(value)
  if type(value) ~= "table" or require("secret").is(value) then return value end
  local result = {}
  if is_map(value) then
    for _, entry in ipairs(value) do result[entry.key] = folded(entry.value) end
    return result
  end
  for name, member in sorted(value) do result[name] = folded(member) end
  return setmetatable(result, getmetatable(value))
end

-- How answers say that there is more: the member that does, and the parameter that asks for it.
local PAGES <const> = { { "NextToken", "NextToken" }, { "nextToken", "nextToken" }, { "NextMarker", "Marker" }, { "Marker", "Marker" },
  { "PaginationToken", "PaginationToken" } }

-- Where the next page begins: parameter and value; nil on the last page.
local function next_page(answer)
  if answer.IsTruncated == "false" or answer.IsTruncated == false or answer.Truncated == false then return nil end
  for _, page in ipairs(PAGES) do
    if type(answer[page[1]]) == "string" then return page[2], answer[page[1]] end
  end
end

-- All pages as one answer.
local function all_pages(ask, request, member)
  local whole = require("aws.pages").whole(request.parameters, member, ask, next_page, function()
    complain("%s gives the same page of %s for ever", request.service, request.operation)
  end)
  for _, page in ipairs(PAGES) do whole[page[1]] = nil end
  return whole
end

--- The same for one operator's credentials.
---@param caller aws.Caller
---@return { call: fun(request: table): table }
function M.new(caller)
  local aws = {}

  --- Calls an operation of any service of AWS, signed by the credentials in force. What cmek does not know as an operation that reads
  --- is a write: a plan shows it and does not send it, cmek exec wants --write, the prompt :allow-writes; a recipe touches the service.
  ---@param request { service: string, operation: string, region: string?, parameters: table?, protocol: string?, version: string?,
  ---  target: string?, method: string?, path: string?, query: table?, body: string?, host: string?, list: string?, secrets: string[]?,
  ---  safe: boolean? }
  ---  service: the name that it signs with (acm, cloudtrail, config, dynamodb, ec2, ecr, events, logs, monitoring, organizations,
  ---  secretsmanager, ses, sns, sqs, ssm, states are known); operation: as the API names it; region: left out where the
  ---  service is one for all of them; parameters: under the API's names; what the query protocol writes as a map is given as its reference shows it:
  ---  ["Attributes.entry.1.key"] = "DisplayName"; protocol: of a service that cmek does not know, "query", "ec2", "json-1.0", "json-1.1",
  ---  "rest-json" or "rest-xml"; version: of its API, by query and ec2; target: what stands before the operation in X-Amz-Target, by JSON;
  ---  method, path, query: by REST; body: of rest-xml, where that of rest-json are the parameters; host: what its hosts begin with, where that is
  ---  not its name; list: the member of the answer that is a list, which is then whole and never nil;
  ---  secrets: members of the answer that come out as secrets; safe: it does no harm to send it again when its answer was lost
  ---@return table  the answer, without what is null or empty
  ---@raises what the service refuses: { service, operation, region, status, code, message, request_id }
  ---@example local topics = aws.call { service = "sns", operation = "ListTopics", region = "us-east-1", list = "Topics" }.Topics
  function aws.call(request)
    M.check(request, caller.endpoints)
    local known = M.known()[request.service]
    local sent = { service = request.service, operation = request.operation, region = request.region, parameters = request.parameters or {},
      secrets = request.secrets, safe = request.safe, format = (known or request).protocol }
    if not known then
      for _, name in ipairs { "protocol", "host", table.unpack(WAYS) } do sent[name] = request[name] end
    end
    local function ask()
      local ok, answer = pcall(caller.call, caller, sent)
      if not ok then error(with_guess(request, answer), 0) end
      return sent.format == "query" and folded(answer) or answer
    end
    if not request.list then return ask() end
    local parameters = {}
    for name, value in sorted(sent.parameters) do parameters[name] = value end
    sent.parameters = parameters   -- pages add to it
    return all_pages(ask, sent, request.list)
  end

  return aws
end

return M

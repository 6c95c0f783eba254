--- AWS on the wire, from the service's side: the query protocol of IAM, STS and SNS, JSON 1.1 of KMS and tagging.
--- A request becomes a call { service=, protocol=, operation=, parameters= }; a result or a refusal becomes a response.
local crypto = require("crypto")
local json = require("json")
local sorted = require("sorted")
local time = require("sim.time")

local M = {}

--- What a service refuses, raised by handlers: { code=, message=, status= }.
local Refusal = { __name = "sim.Refusal" }
Refusal.__index = Refusal
function Refusal:__tostring() return ("%s: %s"):format(self.code, self.message or "") end

--- Refuses the request that is being answered.
---@param code string    as the service's model names it
---@param message string?  nil: the service sends none
---@param status integer?  400 without
function M.refuse(code, message, status)
  error(setmetatable({ code = code, message = message, status = status or 400 }, Refusal), 0)
end

function M.is_refusal(value) return getmetatable(value) == Refusal end

-- Services --------------------------------------------------------------------------------------------------------

local query_versions = { ["2010-05-08"] = "iam", ["2011-06-15"] = "sts", ["2010-03-31"] = "sns" }
local namespaces = { iam = "https://iam.amazonaws.com/doc/2010-05-08/", sts = "https://sts.amazonaws.com/doc/2011-06-15/",
  sns = "http://sns.amazonaws.com/doc/2010-03-31/" }
local targets = { TrentService = "kms", ResourceGroupsTaggingAPI_20170126 = "tagging" }

--- The one header of that name; nil without.
---@param request table
---@param name string  lower-case
---@return string?
function M.header(request, name)
  for _, header in ipairs(request.headers) do
    if #header[1] == #name and header[1]:lower() == name then return header[2] end
  end
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- A form or query string as pairs in their order.
---@return { [1]: string, [2]: string }[]
function M.form(text)
  local pairs_list = {}
  for part in text:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    pairs_list[#pairs_list + 1] = { unescape(name), unescape(value) }
  end
  return pairs_list
end

-- "Tags.member.1.Key" puts its value that deep.
local function put(tree, path, value)
  local name, rest = path:match("^([^.]+)%.(.+)$")
  if not name then
    tree[path] = value
    return
  end
  if type(tree[name]) ~= "table" then tree[name] = {} end
  put(tree[name], rest, value)
end

-- { entry = { ["1"] = { key =, value = } … } } is a map.
local function is_map(tree)
  return type(tree.entry) == "table" and type(tree.entry["1"]) == "table" and tree.entry["1"].key ~= nil
end

-- { member = { ["1"] = … } } is a list.
local function lists(tree)
  if type(tree) ~= "table" then return tree end
  if is_map(tree) then
    local map = {}
    for _, pair in sorted(tree.entry) do map[pair.key] = lists(pair.value) end
    return map
  end
  if type(tree.member) == "table" then
    local list, index = json.array {}, 1
    while tree.member[tostring(index)] ~= nil do
      list[index] = lists(tree.member[tostring(index)])
      index = index + 1
    end
    return list
  end
  local result = {}
  for name, value in next, tree do result[name] = lists(value) end   -- in any order: the result does not show it
  return result
end

local function read_query(request, call)
  local target_query = request.target:match("%?(.*)$") or ""
  local tree = {}
  for _, pair in ipairs(M.form(target_query)) do put(tree, pair[1], pair[2]) end
  local form = (M.header(request, "content-type") or ""):find("application/x-www-form-urlencoded", 1, true)
  if request.method == "POST" and form then
    for _, pair in ipairs(M.form(request.body or "")) do put(tree, pair[1], pair[2]) end
  end
  call.protocol = "query"
  call.version = tree.Version
  call.operation = tree.Action
  call.service = query_versions[tree.Version] or call.service or "iam"
  if type(tree.Action) ~= "string" then call.operation = nil end
  tree.Action, tree.Version = nil, nil
  call.parameters = lists(tree)
end

local function drop_nulls(value)
  for name, member in next, value do   -- in any order: what is left does not show it
    if member == json.null then value[name] = nil elseif type(member) == "table" then drop_nulls(member) end
  end
  return value
end

local function read_json(request, call, target)
  call.protocol = "json"
  local prefix, operation = target:match("^([^.]*)%.(.*)$")
  call.service = targets[prefix]
  call.operation = operation
  local body = request.body or ""
  local value = body == "" and {} or json.decode(body)
  if type(value) ~= "table" or json.is_array(value) then
    call.unreadable = true
    value = {}
  end
  call.parameters = drop_nulls(value)
end

--- What a request asks for. Nothing is refused yet: `service` and `operation` are nil when they are not known,
--- `unreadable` says that a JSON body is none.
---@param request { method: string, target: string, headers: table, body: string? }
---@return table call
function M.read(request)
  local call = { parameters = {} }
  local authorization = M.header(request, "authorization") or ""
  call.scope_region, call.service = authorization:match("Credential=[^/,]*/[^/,]*/([^/,]*)/([^/,]*)/")
  call.signed_for = call.service
  local target = M.header(request, "x-amz-target")
  if target then
    read_json(request, call, target)
  else
    read_query(request, call)
  end
  return call
end

-- Answers ---------------------------------------------------------------------------------------------------------

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#xD;" }
local function escape(text) return (tostring(text):gsub('[&<>"\r]', escapes)) end

local Map = { __name = "sim.Map" }

--- A table of names and values that is printed as a map: <entry> with <key> and <value>.
---@param values table<string, any>
function M.map(values)
  local map = setmetatable({}, Map)
  for key, value in sorted(values) do map[#map + 1] = { key = key, value = value } end
  return map
end

-- The XML that the services print: two spaces of indent, lists as <member>.
local function element(into, name, value, indent)
  local pad = ("  "):rep(indent)
  local of = getmetatable(value) == Map and "entry" or "member"
  if type(value) ~= "table" then
    into[#into + 1] = ("%s<%s>%s</%s>"):format(pad, name, escape(value), name)
  elseif next(value) == nil then
    into[#into + 1] = ("%s<%s/>"):format(pad, name)
  else
    into[#into + 1] = ("%s<%s>"):format(pad, name)
    for key, member in sorted(value) do
      element(into, math.type(key) and of or key, member, indent + 1)
    end
    into[#into + 1] = ("%s</%s>"):format(pad, name)
  end
end

local function document(root, namespace, members)
  local lines = { ('<%s xmlns="%s">'):format(root, namespace) }
  for _, member in ipairs(members) do element(lines, member[1], member[2], 1) end
  lines[#lines + 1] = ("</%s>\n"):format(root)
  return table.concat(lines, "\n")
end

--- The Date header: "Sun, 01 Feb 2026 09:00:00 GMT".
---@param seconds number
---@return string
function M.http_date(seconds)
  local year, month, day, clock = time.rfc3339(seconds):match("^(%d+)-(%d+)-(%d+)T([%d:]+)")
  local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
  local days = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }
  local weekday = days[math.floor(seconds) // 86400 % 7 + 1]
  return ("%s, %s %s %s %s GMT"):format(weekday, day, months[tonumber(month)], year, clock)
end

local function response(call, status, content_type, body)
  return {
    status = status, body = body,
    headers = {
      { "x-amzn-RequestId", call.request_id },
      { "Content-Type", content_type },
      { "Date", M.http_date(call.now) },
      { "Content-Length", tostring(#body) },
    },
  }
end

-- The JSON services write moments as 1.767322999123E9.
local function exponents(text)
  return (text:gsub('("%u%a*Date":)(%d+%.?%d*)', function(name, number)
    local digits = ("%.12E"):format(tonumber(number))
    local mantissa, power = digits:match("^(.-)0*E%+0*(%d+)$")
    return ("%s%sE%s"):format(name, mantissa:gsub("%.$", ""), power)
  end))
end

--- The answer to a call that went well.
---@param call table
---@param result table?  nil: the operation has no output
---@return table response
function M.answer(call, result)
  if call.protocol == "json" then
    return response(call, 200, "application/x-amz-json-1.1", result and exponents(json.encode(result)) or "")
  end
  local members = { { "ResponseMetadata", { RequestId = call.request_id } } }
  if result then table.insert(members, 1, { call.operation .. "Result", result }) end
  return response(call, 200, "text/xml", document(call.operation .. "Response", namespaces[call.service], members))
end

-- These come from the front, which spells its names and members otherwise.
local from_the_front = {
  AccessDeniedException = "", UnrecognizedClientException = "com.amazon.coral.service#", InvalidSignatureException = "com.amazon.coral.service#",
  MissingAuthenticationTokenException = "com.amazon.coral.service#", IncompleteSignatureException = "com.amazon.coral.service#",
  ExpiredTokenException = "com.amazon.coral.service#", UnknownOperationException = "com.amazon.coral.service#",
}

local function refuse_json(call, refusal)
  local prefix = from_the_front[refusal.code]
  local body = { __type = (prefix or "") .. refusal.code }
  body[prefix and refusal.code ~= "UnknownOperationException" and "Message" or "message"] = refusal.message
  return response(call, refusal.status, "application/x-amz-json-1.1", json.encode(body))
end

local function refuse_query(call, refusal)
  local fault = { Type = refusal.status >= 500 and "Receiver" or "Sender", Code = refusal.code, Message = refusal.message or "" }
  local namespace = namespaces[call.service] or namespaces.iam
  return response(call, refusal.status, "text/xml",
    document("ErrorResponse", namespace, { { "Error", fault }, { "RequestId", call.request_id } }))
end

--- The answer to a call that was refused.
---@param call table
---@param refusal table
---@return table response
function M.refused(call, refusal)
  if call.protocol == "json" then return refuse_json(call, refusal) end
  return refuse_query(call, refusal)
end

--- An answer that comes from no service: a load balancer's page.
---@param call table
---@param status integer
---@return table response
function M.html(call, status)
  local words = { [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout" }
  local title = ("%d %s"):format(status, words[status] or "Error")
  return response(call, status, "text/html", ("<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n"):format(title, title))
end

--- A policy document as IAM prints it in answers.
M.percent_encode = crypto.percent_encode

return M

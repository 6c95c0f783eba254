--- A client of the simulated AWS for tests: it signs and speaks the wire forms by itself, sharing nothing but sigv4 with the library.
--- local aws = dofile("tests/sim_client.lua").new { options of sim.new }
local crypto = require "crypto"
local json = require "json"
local sigv4 = require "sigv4"
local sorted = require "sorted"

local M = {}

--- Who can sign from the start.
M.OPERATOR = { id = "AKIASIMULATEDCMEK001", secret = "simulated/secret/not-a-real-one/00000001", account = "210987654321" }
M.OTHER = { id = "AKIASIMULATEDCMEK002", secret = "simulated/secret/not-a-real-one/00000002", account = "345678901234" }
M.READER = { id = "AKIASIMULATEDREAD0001", secret = "simulated/secret/not-a-real-one/00000003", account = "210987654321" }

local START <const> = 1769936400   -- 2026-02-01T09:00:00Z

local Client = {}
Client.__index = Client

-- A generator of bytes that gives the same ones in every process.
local function bytes(seed)
  local count = 0
  return function(length)
    local parts, have = {}, 0
    while have < length do
      count = count + 1
      parts[#parts + 1] = crypto.sha256(seed .. count)
      have = have + 32
    end
    return table.concat(parts):sub(1, length)
  end
end

-- One pair for all tests of a file: making one takes valgrind ten seconds.
local pairs_by_size = {}
local function rsa_generate(bits)
  pairs_by_size[bits] = pairs_by_size[bits] or crypto.rsa_generate(bits)
  return pairs_by_size[bits]
end

--- A simulation with a clock that the test moves (`aws.now`), and its client.
function M.new(options)
  local self = setmetatable({ now = START, entries = {}, who = M.OPERATOR, region = "us-east-1" }, Client)
  local settings = { only = { aws = true }, random = bytes "tests", now = function() return self.now end, rsa_generate = rsa_generate }
  for name, value in sorted(options or {}) do settings[name] = value end
  self.simulation = require("sim").new(settings)
  self.simulation.on_request = function(entry) self.entries[#self.entries + 1] = entry end
  return self
end

local function stamp(seconds) return os.date("!%Y%m%dT%H%M%SZ", math.floor(seconds)) end

local targets = { kms = "TrentService.", tagging = "ResourceGroupsTaggingAPI_20170126." }
local versions = { iam = "2010-05-08", sts = "2011-06-15", sns = "2010-03-31" }

-- { Tags = { { Key = "a" } } } -> Tags.member.1.Key=a
local function flatten(into, prefix, value)
  if type(value) ~= "table" then
    into[#into + 1] = prefix .. "=" .. crypto.percent_encode(tostring(value))
  elseif #value > 0 then
    for index, member in ipairs(value) do flatten(into, ("%s.member.%d"):format(prefix, index), member) end
  else
    for name, member in sorted(value) do flatten(into, prefix .. "." .. name, member) end
  end
end

local function form(service, operation, parameters)
  local parts = { "Action=" .. operation, "Version=" .. versions[service] }
  for name, value in sorted(parameters) do flatten(parts, name, value) end
  return table.concat(parts, "&")
end

--- A request, signed; members of `what` beside service, operation and parameters override what a good client does:
--- who, token, region, scope_service, stamp, body (sent),
--- signed_body, headers (more), authorization = fn(header) -> what is sent instead.
function Client:request(what)
  local at = what.stamp or stamp(self.now)
  local who = what.who or self.who
  local headers = { { "Host", "127.0.0.1:4599" }, { "X-Amz-Date", at } }
  local body = what.body
  if targets[what.service] then
    body = body or json.encode(what.parameters or {})
    headers[#headers + 1] = { "Content-Type", "application/x-amz-json-1.1" }
    headers[#headers + 1] = { "X-Amz-Target", targets[what.service] .. what.operation }
  else
    body = body or form(what.service, what.operation, what.parameters or {})
    headers[#headers + 1] = { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" }
  end
  if who.token then headers[#headers + 1] = { "X-Amz-Security-Token", who.token } end
  for _, header in ipairs(what.headers or {}) do headers[#headers + 1] = header end
  local signed = sigv4.sign { method = "POST", path = "/", query = "", headers = headers, body = what.signed_body or body,
    access_key_id = who.id, secret = who.secret, region = what.region or self.region, service = what.scope_service or what.service, stamp = at }
  local authorization = signed.authorization
  if what.authorization then authorization = what.authorization(authorization) end
  if authorization then headers[#headers + 1] = { "Authorization", authorization } end
  return { method = "POST", target = "/", headers = headers, body = body }
end

-- XML as the services print it, by patterns: enough to read answers in tests.
local function unescape(text)
  local named = { amp = "&", lt = "<", gt = ">", quot = '"' }
  return (text:gsub("&(%a+);", named))
end

local function read_xml(text)
  local stack, root = { {} }, nil
  for close, name, empty, content in text:gmatch("<(/?)(%w+)[^>]-(/?)>([^<]*)") do
    if close == "/" then
      local node = table.remove(stack)
      local parent = stack[#stack]
      local value = node.children and node.children or node.text
      if name == "member" or name == "entry" then
        parent.children = parent.children or json.array {}
        table.insert(parent.children, value)
      else
        parent.children = parent.children or {}
        parent.children[name] = value
      end
      root = parent.children
    elseif empty == "/" then
      local parent = stack[#stack]
      parent.children = parent.children or {}
      parent.children[name] = {}
    else
      stack[#stack + 1] = { text = unescape(content) }
    end
  end
  return root
end

-- Numbers without a fraction as integers, however they are written: what a test compares with.
local function whole(value)
  if type(value) == "table" then
    for name, member in pairs(value) do value[name] = whole(member) end
  end
  return type(value) == "number" and math.tointeger(value) or value
end

-- { status, code, message, body, headers, response }
local function read(service, operation, response)
  local answer = { status = response.status, response = response, headers = {} }
  for _, header in ipairs(response.headers) do answer.headers[header[1]:lower()] = header[2] end
  if targets[service] then
    local body = response.body ~= "" and whole(json.decode(response.body)) or {}
    answer.body = body
    if response.status >= 400 then
      answer.code, answer.message = (body.__type or ""):match("([^#]*)$"), body.message or body.Message
    end
  elseif response.body ~= "" then
    local root = read_xml(response.body)
    local envelope = root and (root[operation .. "Response"] or root.ErrorResponse) or {}
    answer.body = envelope[operation .. "Result"]
    if envelope.Error then answer.code, answer.message = envelope.Error.Code, envelope.Error.Message end
  end
  return answer
end

--- Sends a request and reads the answer, whatever it is.
function Client:send(what)
  return read(what.service, what.operation, self.simulation:handle(self:request(what)))
end

--- The result of an operation; raises when it is refused. aws:call("kms", "CreateKey", { … }[, { who =, region = }])
function Client:call(service, operation, parameters, more)
  local what = { service = service, operation = operation, parameters = parameters }
  for name, value in sorted(more or {}) do what[name] = value end
  local answer = self:send(what)
  if answer.status ~= 200 then error(("%s %s: %d %s: %s"):format(service, operation, answer.status, answer.code, answer.message), 2) end
  return answer.body
end

--- The refusal of an operation, as "CODE: message"; raises when it is none.
function Client:refusal(service, operation, parameters, more)
  local what = { service = service, operation = operation, parameters = parameters }
  for name, value in sorted(more or {}) do what[name] = value end
  local answer = self:send(what)
  if answer.status < 400 then error(("%s %s was not refused"):format(service, operation), 2) end
  return answer.message and answer.message ~= "" and ("%s: %s"):format(answer.code, answer.message) or answer.code, answer.status
end

--- A trust policy for an account, a role or a user.
function M.trust(principal, external_id)
  local condition = external_id and (',"Condition":{"StringEquals":{"sts:ExternalId":"%s"}}'):format(external_id) or ""
  return ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"%s}]}')
    :format(principal, condition)
end

--- A key policy: the account administers, the ARN uses.
function M.key_policy(account, user)
  return ('{"Version":"2012-10-17","Id":"crdb-cmek-kms","Statement":[{"Sid":"use","Effect":"Allow","Principal":{"AWS":"%s"},'
    .. '"Action":["kms:Encrypt","kms:Decrypt","kms:DescribeKey"],"Resource":"*"},{"Sid":"admin","Effect":"Allow",'
    .. '"Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"}]}'):format(user, account)
end

--- A role in the caller's account; its ARN.
function Client:role(name, parameters)
  local settings = { RoleName = name, AssumeRolePolicyDocument = M.trust("arn:aws:iam::210987654321:root") }
  for field, value in sorted(parameters or {}) do settings[field] = value end
  return self:call("iam", "CreateRole", settings).Role.Arn
end

--- A key; its id.
function Client:key(parameters, more) return self:call("kms", "CreateKey", parameters or {}, more).KeyMetadata.KeyId end

--- Becomes a role: credentials for `who`.
function Client:assume(arn, parameters, more)
  local settings = { RoleArn = arn, RoleSessionName = "test" }
  for field, value in sorted(parameters or {}) do settings[field] = value end
  local got = self:call("sts", "AssumeRole", settings, more).Credentials
  return { id = got.AccessKeyId, secret = got.SecretAccessKey, token = got.SessionToken, account = arn:match("::(%d+):") }
end

return M

--- The simulated Vault: logins by a signed GetCallerIdentity, which is replayed to the simulated STS.
local crypto = require("crypto")
local json = require("json")
local paths = require("sim.vault.paths")
local refusal = require("sim.vault.refusal")
local roles = require("sim.vault.roles")
local sorted = require("sorted")
local tokens = require("sim.vault.tokens")

local list_row, role_row = roles.rows { noun = "Role", path = "role", store = "roles", fields = {
  auth_type = { "string", "iam" }, bound_iam_principal_arn = { "list", json.array {} }, bound_account_id = { "list", json.array {} },
  resolve_aws_unique_ids = { "bool", true }, inferred_entity_type = "string" },
  check = function(r, role)
    role.role_id = role.role_id or r.simulation:uuid()
    if role.auth_type == "iam" and #role.bound_iam_principal_arn == 0 and #role.bound_account_id == 0 then
      refusal.bad "at least one bound parameter should be specified on the role"
    end
  end }

local CLIENT <const> = { iam_server_id_header_value = { "string", "" }, sts_endpoint = { "string", "" }, sts_region = { "string", "" },
  use_sts_region_from_client = { "bool", false }, allowed_sts_header_values = { "list", json.array {} }, access_key = "string", secret_key = "string",
  endpoint = { "string", "" }, iam_endpoint = { "string", "" }, max_retries = "int" }

local function client(r) return r.store.client or { iam_server_id_header_value = "", allowed_sts_header_values = {}, sts_endpoint = "" } end

local function write_client(r)
  local config = {}
  for name in sorted(CLIENT) do
    if name ~= "access_key" and name ~= "secret_key" then config[name] = r.fields[name] end
  end
  r.store.client = config
end

-- ---- what was signed ----

local ALLOWED <const> = { ["x-amz-algorithm"] = true, ["x-amz-content-sha256"] = true, ["x-amz-credential"] = true, ["x-amz-date"] = true,
  ["x-amz-security-token"] = true, ["x-amz-signature"] = true, ["x-amz-signedheaders"] = true, ["x-amz-user-agent"] = true }

local function decode(r, name)
  local text = r.fields[name]
  if not text or text == "" then refusal.bad("missing %s", name) end
  return crypto.unbase64(text) or refusal.bad("failed to base64 decode %s", name)
end

local function read_headers(r)
  local given = r.fields.iam_request_headers
  if given == nil or given == "" then refusal.bad "missing iam_request_headers" end
  local tree = given
  if type(given) == "string" then
    local text = crypto.unbase64(given) or given
    tree = json.decode(text)
  end
  if type(tree) ~= "table" then refusal.bad "failed to JSON decode iam_request_headers" end
  local headers = {}
  for name, value in sorted(tree) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do headers[#headers + 1] = { name, tostring(one) } end
  end
  return headers
end

local function header(headers, name)
  for _, pair in ipairs(headers) do
    if pair[1]:lower() == name then return pair[2] end
  end
end

local function check_headers(r, headers)
  for _, pair in ipairs(headers) do
    local name = pair[1]:lower()
    local allowed = ALLOWED[name] or not name:find "^x%-amz%-"
    for _, other in ipairs(client(r).allowed_sts_header_values) do allowed = allowed or other:lower() == name end
    if not allowed then refusal.bad("invalid request header: %s", pair[1]) end
  end
end

local function check_server_id(r, headers)
  local wanted = client(r).iam_server_id_header_value
  if wanted == "" then return end
  local function wrong(text, ...) refusal.bad("error validating X-Vault-AWS-IAM-Server-ID header: " .. text, ...) end
  local have = header(headers, "x-vault-aws-iam-server-id")
  if not have then wrong 'missing header "X-Vault-AWS-IAM-Server-ID"' end
  if have ~= wanted then wrong('expected "%s" but got "%s"', wanted, have) end
  local authorization = header(headers, "authorization") or wrong "missing Authorization header"
  local signed = authorization:match "SignedHeaders=([^,%s]*)" or ""
  if not (";" .. signed .. ";"):find(";x-vault-aws-iam-server-id;", 1, true) then wrong "vault header wasn't signed" end
end

local function check_method(r)
  local method = r.fields.iam_http_request_method
  if not method or method == "" then refusal.bad "missing iam_http_request_method" end
  if method ~= "POST" then refusal.bad "invalid iam_http_request_method; currently only 'POST' is supported" end
end

local function check_body(body)
  if not body:find("Action=GetCallerIdentity", 1, true) or body:find("Action=", body:find("Action=", 1, true) + 1, true) then
    refusal.bad "iam request body is invalid"
  end
end

-- The region whose STS is asked: the one that the mount names, the one of the signature where it says so, else the global host's.
local function check_region(r, headers)
  local config = client(r)
  local signed = (header(headers, "authorization") or ""):match "Credential=[^/]+/%d+/([^/]+)/"
  local asked = config.use_sts_region_from_client and signed or (config.sts_region or "") ~= "" and config.sts_region or "us-east-1"
  if not signed or signed == asked then return end
  refusal.bad("error making upstream request: received error code 403 from STS: <ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
    .. "<Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to a valid region, not '%s'.</Message>"
    .. "</Error></ErrorResponse>", signed)
end

-- What STS answers to it: account, ARN and user id.
local function replay(r, url, body, headers)
  local sent = {}
  local host = url:match "^https?://([^/?]+)"
  for _, pair in ipairs(headers) do
    local name = pair[1]:lower()
    if name ~= "host" and name ~= "content-length" then sent[#sent + 1] = pair end
  end
  sent[#sent + 1] = { "Host", host }
  sent[#sent + 1] = { "Content-Length", tostring(#body) }   -- as every client of HTTP sets it
  local answer = r.simulation:handle { method = "POST", target = "/", headers = sent, body = body }
  if answer.status ~= 200 then
    refusal.bad("error making upstream request: received error code %d from STS: %s", answer.status, answer.body)
  end
  local function element(name) return answer.body:match("<" .. name .. ">([^<]*)</" .. name .. ">") end
  return { account = element "Account", arn = element "Arn", user_id = element "UserId" }
end

-- ---- whom a role admits ----

-- The role behind a session, else the ARN itself.
local function canonical(arn)
  local partition, account, name = arn:match "^arn:([^:]+):sts::(%d+):assumed%-role/([^/]+)/"
  return name and ("arn:%s:iam::%s:role/%s"):format(partition, account, name) or arn
end

-- Paths are not part of an assumed role's ARN; Vault resolves them by the unique id, and so compares without them.
local function without_path(arn) return (arn:gsub(":(%a+)/.*/([^/]+)$", ":%1/%2")) end

local function admitted(role, who)
  for _, bound in ipairs(role.bound_iam_principal_arn) do
    local prefix = bound:match "^(.*)%*$"
    if without_path(bound) == without_path(who.canonical) or prefix and who.canonical:sub(1, #prefix) == prefix then return true end
  end
  for _, account in ipairs(role.bound_account_id) do
    if account == who.account then return true end
  end
end

local function login(r)
  check_method(r)
  local url, body = decode(r, "iam_request_url"), decode(r, "iam_request_body")
  check_body(body)
  local headers = read_headers(r)
  check_headers(r, headers)
  check_server_id(r, headers)
  check_region(r, headers)
  local who = replay(r, url, body, headers)
  who.canonical = canonical(who.arn)
  local name = r.fields.role and r.fields.role ~= "" and r.fields.role or who.canonical:match "[^/]+$"
  local role = roles.store(r, "roles")[name:lower()] or refusal.bad("entry for role %s not found", name:lower())
  if role.auth_type ~= "iam" then refusal.bad("auth method iam not allowed for role %s", name:lower()) end
  if not admitted(role, who) then refusal.bad('IAM Principal "%s" does not belong to the role "%s"', who.arn, name:lower()) end
  return tokens.login(r, role, { display_name = "aws-" .. who.canonical:match "[^/:]+$", alias = who.user_id,
    meta = { client_arn = who.arn, canonical_arn = who.canonical, client_user_id = who.user_id:match "^[^:]*", account_id = who.account,
      auth_type = "iam", role_id = role.role_id } })
end

return { rows = paths.rows {
  { "Login", "^login$", fields = { role = "string", iam_http_request_method = "string", iam_request_url = "string", iam_request_body = "string",
    iam_request_headers = "any", nonce = "string" }, open = true, write = login },
  { "ConfigClient", "^config/client$", fields = CLIENT, write = write_client,
    read = function(r) return { data = r.store.client or refusal.absent() } end,
    delete = function(r) r.store.client = nil end },
  list_row, role_row,
} }

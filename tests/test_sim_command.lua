-- `cmek sim`: the environment of its command, exit statuses, signals, files, and what it refuses.
local json = require "json"
local process = require "process"

--- The program that runs these tests.
local cmek <const> = (function()
  local command <close> = assert(io.open("/proc/self/cmdline", "rb"))
  return command:read("a"):match "^[^\0]+"
end)()

-- An environment in which everything points elsewhere.
local HOSTILE <const> = {
  AWS_PROFILE = "production", AWS_DEFAULT_PROFILE = "production", AWS_ACCESS_KEY_ID = "AKIAREALREALREALREAL",
  AWS_SECRET_ACCESS_KEY = "real-secret-a", AWS_SESSION_TOKEN = "real-secret-b", AWS_REGION = "eu-west-3", AWS_DEFAULT_REGION = "eu-west-3",
  AWS_CONFIG_FILE = "/etc/aws-real-config", AWS_SHARED_CREDENTIALS_FILE = "/etc/aws-real-credentials",
  AWS_ENDPOINT_URL = "https://evil.example", AWS_ENDPOINT_URL_KMS = "https://kms.evil.example",
  AWS_ENDPOINT_URL_IAM = "https://iam.evil.example", AWS_ENDPOINT_URL_STS = "https://sts.evil.example",
  AWS_ROLE_ARN = "arn:aws:iam::999999999999:role/r", AWS_WEB_IDENTITY_TOKEN_FILE = "/etc/token",
  AWS_CONTAINER_CREDENTIALS_FULL_URI = "http://169.254.170.23/v1", AWS_CONTAINER_CREDENTIALS_RELATIVE_URI = "/v2/x",
  AWS_CONTAINER_AUTHORIZATION_TOKEN = "real-secret-c", AWS_EC2_METADATA_SERVICE_ENDPOINT = "http://evil.example",
  AWS_EC2_METADATA_DISABLED = "false",
  AWS_CA_BUNDLE = "/etc/evil.pem", AWS_USE_FIPS_ENDPOINT = "true", AWS_NEW_AND_UNKNOWN = "x", VAULT_ADDR = "https://vault.evil.example",
  VAULT_TOKEN = "real-secret-d", VAULT_NAMESPACE = "admin", BAO_ADDR = "https://bao.evil.example", BAO_TOKEN = "real-secret-e",
  COCKROACH_SERVER = "https://cloud.evil.example", COCKROACH_API_KEY = "real-secret-f", COCKROACH_API_JWT = "real-secret-g",
  COCKROACH_VANITY_NAME = "evil", HTTP_PROXY = "http://evil.example:1", HTTPS_PROXY = "http://evil.example:1",
  ALL_PROXY = "http://evil.example:1", http_proxy = "http://evil.example:1", https_proxy = "http://evil.example:1", NO_PROXY = "x",
  no_proxy = "x", CMEK_SIM = "0",
}

local function inherited(more)
  local variables = { PATH = true, HOME = true, TMPDIR = true }
  for name, value in pairs(more or {}) do variables[name] = value end   -- order cannot be seen
  return variables
end

-- cmek sim with these words, in this environment beside PATH.
local function sim(words, more, input)
  return assert(process.run { argv = { cmek, "sim", table.unpack(words) }, environment = inherited(more), input = input, timeout = 30 })
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function shell(script) return "--", "sh", "-c", script end

-- The variables that a command sees, by name.
local function variables_of(options, more)
  local words = { table.unpack(options) }
  for _, word in ipairs { "--", "env" } do words[#words + 1] = word end
  local variables = {}
  for name, value in sim(words, more).output:gmatch "([^=\n]+)=([^\n]*)\n" do variables[name] = value end
  return variables
end

local CURL <const> = 'curl -s -H "Authorization: Bearer $COCKROACH_API_KEY" "$COCKROACH_SERVER/api/v1/organization"'

-- Environment -----------------------------------------------------------------------------------------------------------

test["a command sees the simulated services alone, whatever its environment was"] = function()
  local have = variables_of({}, HOSTILE)
  local url = have.COCKROACH_SERVER
  test.matches(url, "^http://127%.0%.0%.1:%d+$")
  local ours = {}
  for name, value in pairs(have) do   -- order cannot be seen
    if HOSTILE[name] ~= nil or require("sim.environment").service(name) then ours[name] = value end
  end
  test.equal(ours, {
    CMEK_SIM = "1", AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001",
    AWS_ENDPOINT_URL = url, AWS_REGION = "us-east-1", AWS_DEFAULT_REGION = "us-east-1", AWS_CONFIG_FILE = "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE = "/dev/null", AWS_EC2_METADATA_DISABLED = "true", COCKROACH_SERVER = url, VAULT_ADDR = url,
    COCKROACH_API_KEY = "CCDB1_SIMULATEDSIMULATED0001_simulatedsimulatedsimulatedsimulated0001",
    VAULT_TOKEN = "hvs.SIMULATEDCMEKROOTTOKEN01",
  })
end

test["what is neither scrubbed nor set is inherited"] = function()
  local have = variables_of({}, { EDITOR = "ed", CMEK_STATE_DIR = "/somewhere", AWSOME = "yes", PROXY_NAME = "kept" })
  test.equal({ have.EDITOR, have.CMEK_STATE_DIR, have.AWSOME, have.PROXY_NAME }, { "ed", "/somewhere", "yes", "kept" })
end

test["with --mixed the services that are not simulated keep their variables, secrets and proxies among them"] = function()
  local have = variables_of({ "--only", "cloud", "--mixed" }, HOSTILE)
  test.equal({ have.AWS_ENDPOINT_URL_KMS, have.AWS_SECRET_ACCESS_KEY, have.VAULT_TOKEN, have.HTTPS_PROXY },
    { "https://kms.evil.example", "real-secret-a", "real-secret-d", "http://evil.example:1" })
  test.equal({ have.COCKROACH_API_JWT, have.COCKROACH_API_KEY:sub(1, 15) }, { nil, "CCDB1_SIMULATED" })
  test.matches(have.COCKROACH_SERVER, "^http://127%.0%.0%.1:")
  test.equal(have.NO_PROXY, "x,127.0.0.1")
end

test["without --mixed a service that is not simulated is refused by name"] = function()
  local have = variables_of({ "--only", "cloud" }, HOSTILE)
  test.equal(have.AWS_ENDPOINT_URL, have.COCKROACH_SERVER)
  test.equal({ have.AWS_ENDPOINT_URL_KMS, have.VAULT_ADDR }, { nil, have.COCKROACH_SERVER })
  local ask = [[curl -s -w '%{http_code}\n' -d 'Action=GetCallerIdentity&Version=2011-06-15' "$AWS_ENDPOINT_URL/"]]
  local result = sim { "--only", "cloud", shell(ask) }
  test.equal(result.output, "this service is not simulated here\n404\n")
  result = sim { "--only", "aws", shell(CURL) }
  test.equal(result.output, "this service is not simulated here\n")
  local health = [[curl -s -o /dev/null -w '%{http_code}\n' "$VAULT_ADDR/v1/sys/health"]]
  test.equal(sim({ "--only", "aws", shell(health) }).output, "404\n")
  test.equal(sim({ shell(health) }).output, "200\n")
end

test["the Vault may be of another edition, or in another condition; a LIST arrives as one"] = function()
  local health = [[curl -s "$VAULT_ADDR/v1/sys/health" -w '%{http_code}\n']]
  local result = sim { "--vault-edition", "openbao", "--vault-condition", "sealed", shell(health) }
  test.contains(result.output, '"version":"2.7.2"')
  test.contains(result.output, "503\n")
  test.equal(variables_of({ "--vault-edition", "hcp" }, HOSTILE).VAULT_NAMESPACE, "admin")
  result = sim { "--only", "vault", shell [[curl -s -X LIST -H "X-Vault-Token: $VAULT_TOKEN" "$VAULT_ADDR/v1/sys/policies/acl"]] }
  test.contains(result.output, '"keys":["default","root"]')
end

-- Status and signals -------------------------------------------------------------------------------------------------------

test["the exit status is the command's, 128 and more when a signal ended it, 127 when there is no such command"] = function()
  test.equal(sim({ "--", "true" }).status, 0)
  test.equal(sim({ shell "exit 42" }).status, 42)
  test.equal(sim({ shell "kill -KILL $$" }).status, 137)
  local missing = sim { "--", "/nowhere/at/all" }
  test.equal(missing.status, 127)
  test.contains(missing.error_output, "/nowhere/at/all")
end

test["stdin, stdout and stderr are the command's own"] = function()
  local result = sim({ shell "cat; echo err >&2" }, nil, "typed")
  test.equal({ result.output, result.error_output }, { "typed", "err\n" })
end

-- Starts cmek sim, waits for the file, sends the signal, and gives its exit status.
local function interrupted(words, file, signal, more)
  local child <close> = assert(process.spawn { argv = { "sh", "-c", 'exec "$@" >"$OUT" 2>&1', "sh", cmek, "sim", table.unpack(words) },
    environment = inherited(more) })
  for _ = 1, 200 do
    local status = require("file").stat(file)
    if status and status.size > 0 then break end
    os.execute "sleep 0.05"
  end
  child:kill(signal)
  local status
  for _ = 1, 200 do
    status = child:poll()
    if status then break end
    os.execute "sleep 0.05"
  end
  return status
end

test["a signal goes on to the command, and its way of ending is told"] = function()
  local directory = test.directory()
  local ready = directory .. "/ready"
  local script = ("trap 'exit 5' TERM; echo >%s; sleep 20 & wait"):format(ready)
  test.equal(interrupted({ shell(script) }, ready, "SIGTERM", { OUT = directory .. "/out" }), 5)
  os.remove(ready)
  test.equal(interrupted({ shell(("echo >%s; exec sleep 20"):format(ready)) }, ready, "SIGINT", { OUT = directory .. "/out" }), 130)
end

test["alone it serves until a signal, and prints what to paste"] = function()
  local directory = test.directory()
  local port, out = directory .. "/port", directory .. "/out"
  test.equal(interrupted({ "--port-file", port, "--state", directory .. "/state" }, port, "SIGINT", { OUT = out }), 0)
  local text = read(out)
  test.contains(text, ("export AWS_ENDPOINT_URL='http://127.0.0.1:%d'\n"):format(tonumber(read(port))))
  test.contains(text, "unset AWS_PROFILE ")
  test.contains(text, "serving on 127.0.0.1:")
  test.truthy(json.decode(read(directory .. "/state")).cloud.organization, "the state was written")
end

test["what it prints, pasted, leads a shell to it"] = function()
  local directory = test.directory()
  local script = ([[%s sim --port-file $D/port >$D/exports 2>/dev/null & sim=$!
    while ! [ -s $D/port ] || ! grep -q COCKROACH_API_KEY $D/exports; do sleep 0.05; done
    . $D/exports; %s; echo " $CMEK_SIM ${AWS_PROFILE-none}"
    kill $sim; wait $sim; echo "status $?"]]):format(cmek, CURL)
  local result = assert(process.run { argv = { "sh", "-c", script }, timeout = 20,
    environment = inherited { D = directory, AWS_PROFILE = "production" } })
  test.matches(result.output, '^{.*"0f4be3a2%-6a1c%-4d5e%-9b7f%-2c8d1e6a7f90".*} 1 none\nstatus 0\n$')
end

-- Files ------------------------------------------------------------------------------------------------------------------------

test["the log has a line a request, with the design's fields"] = function()
  local directory = test.directory()
  local log = directory .. "/log"
  sim { "--log", log, shell(CURL .. '; curl -s "$COCKROACH_SERVER/api/v1/organization"') }
  local lines = {}
  for line in io.lines(log) do lines[#lines + 1] = assert(json.decode(line)) end
  test.equal(#lines, 2)
  for _, line in ipairs(lines) do
    for _, field in ipairs { "time", "service", "region", "operation", "account", "principal", "status", "code", "request_id", "write" } do
      test.truthy(line[field] ~= nil, field)
    end
    test.matches(line.time, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$")
  end
  test.equal({ lines[1].operation, lines[1].status, lines[2].status, lines[2].code }, { "GetOrganizationInfo", 200, 401, "UNAUTHENTICATED" })
end

test["the state has the design's shape, and a simulation goes on from it"] = function()
  local state = test.directory() .. "/state"
  local patch = [[curl -s -X PATCH -H "Authorization: Bearer $COCKROACH_API_KEY" -d ']]
    .. [[{"dedicated":{"region_nodes":{"us-east-1":5}}}' "$COCKROACH_SERVER/api/v1/clusters/5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4"]]
  sim { "--state", state, shell(patch) }
  local document = json.decode(read(state))
  test.truthy(document.aws["210987654321"].iam.roles and document.cloud.organization.id)
  test.equal({ document.cloud.clusters[2].name, document.cloud.clusters[2].regions[1].node_count }, { "orders-one", 5 })
  sim { "--state", state, "--", "true" }
  test.equal(json.decode(read(state)), document)
end

test["a file of clusters takes the place of the stock ones"] = function()
  local directory = test.directory()
  write(directory .. "/clusters", '[{"name":"payments","regions":["us-east-2"]}]')
  local list = [[curl -s -H "Authorization: Bearer $COCKROACH_API_KEY" "$COCKROACH_SERVER/api/v1/clusters"]]
  local answer = json.decode(sim({ "--clusters", directory .. "/clusters", shell(list) }).output)
  test.equal({ #answer.clusters, answer.clusters[1].name, answer.clusters[1].plan }, { 1, "payments", "ADVANCED" })
end

test["the same seed gives the same random numbers"] = function()
  local directory = test.directory()
  local function identifiers(seed)
    sim { "--seed", seed, "--log", directory .. "/log", shell(CURL) }
    return read(directory .. "/log"):match '"request_id":"([^"]+)"'
  end
  test.equal(identifiers "7", identifiers "7")
  test.truthy(identifiers "7" ~= identifiers "8")
end

test["answers wait for the latency"] = function()
  local result = sim { "--latency", "300", shell(CURL .. " -o /dev/null -w '%{time_total}'") }
  test.truthy(tonumber(result.output) >= 0.3, result.output)
end

-- The options for TLS with a certificate made for this test.
local function certified(directory)
  local made = os.execute(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
    .. "-keyout %s/key -out %s/cert 2>/dev/null"):format(directory, directory))
  if not made then test.skip "no openssl command" end
  return "--tls-cert", directory .. "/cert", "--tls-key", directory .. "/key"
end

test["it serves TLS, and its command trusts the certificate"] = function()
  local directory = test.directory()
  local cert, name, key, file = certified(directory)
  local result = sim { cert, name, key, file, shell(CURL .. "; echo $AWS_ENDPOINT_URL $AWS_CA_BUNDLE") }
  test.matches(result.output, '"exco".*https://127%.0%.0%.1:%d+ ' .. directory:gsub("%p", "%%%0") .. "/cert\n$")
end

test["without a bundle cmek trusts the directory of SSL_CERT_DIR, and nobody else"] = function()
  local directory = test.directory()
  local cert, name, key, file = certified(directory)
  write(directory .. "/call.lua", "print(cloud.organization().name)\n")
  local result = sim { cert, name, key, file, shell(([[
    unset AWS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE; export SSL_CERT_DIR=%s/trusted; mkdir $SSL_CERT_DIR
    %s exec %s/call.lua
    cp %s/cert $SSL_CERT_DIR/$(openssl x509 -noout -subject_hash -in %s/cert).0
    %s exec %s/call.lua]]):format(directory, cmek, directory, directory, directory, cmek, directory)) }
  test.equal(result.output, "Example Co\n")
  test.contains(result.error_output, "certificate")
end

test["with --enabling 0 a cluster is enabled when it is first looked at"] = function()
  local directory = test.directory()
  local log = directory .. "/log"
  local result = sim { "--enabling", "0", "--log", log, "--", "env", "CMEK_STATE_DIR=" .. directory, cmek, "run", "console", "--cluster",
    "orders-one", "--enable", "--yes", "--confirm", "orders-one" }
  test.equal(result.status, 0, result.error_output)
  local looks
  for line in io.lines(log) do
    local operation = assert(json.decode(line)).operation
    if operation == "EnableCMEKSpec" then looks = 0 end
    if looks and operation == "GetCMEKClusterInfo" then looks = looks + 1 end
  end
  test.equal(looks, 1)
end

-- Refusals --------------------------------------------------------------------------------------------------------------------

test["what is typed wrong is exit 2 with what would be right, and nothing runs"] = function()
  local directory = test.directory()
  write(directory .. "/text", "not json")
  write(directory .. "/clusters", '[{"name":"x"}]')
  write(directory .. "/object", '{"name":"x"}')
  write(directory .. "/odd", '{"aws":3}')
  for _, case in ipairs {
    { { "--latancy", "5" }, "did you mean '--latency'" },
    { { "--latency", "soon" }, "--latency wants a number of 0 or more, got 'soon'" },
    { { "--skew", "an hour" }, "--skew wants a number, got 'an hour'" },
    { { "--seed", "1.5" }, "--seed wants a whole number" },
    { { "--seed" }, "--seed wants N" },
    { { "--only", "azure" }, "aws, cloud, vault" },
    { { "--vault-edition", "x" }, "there are community, enterprise, hcp, openbao" },
    { { "--vault-condition", "x" }, "there are active, standby" },
    { { "--mixed" }, "--mixed needs --only" },
    { { "--tls-cert", "x" }, "go together" },
    { { "--tls-cert", "/etc/passwd", "--tls-key", "/etc/passwd" }, "cmek: serving: cannot serve TLS with certificate '/etc/passwd'" },
    { { "--clusters", directory .. "/object" }, "/object' is an object: [{" },
    { { "--state", directory .. "/odd" }, "/odd' is not one that cmek sim wrote: " },
    { { "true" }, "cmek sim -- COMMAND" },
    { { "--clusters", directory .. "/nowhere" }, directory .. "/nowhere" },
    { { "--clusters", directory .. "/text" }, "is not what it should be" },
    { { "--clusters", directory .. "/clusters" }, "field 'regions'" },
    { { "--state", directory .. "/text" }, "is not what it should be" },
  } do
    local words = { table.unpack(case[1]) }
    if words[1] ~= "true" then
      for _, word in ipairs { "--", "echo", "ran" } do words[#words + 1] = word end
    end
    if case[1][1] == "--seed" and #case[1] == 1 then words = { "--seed" } end
    local result = sim(words)
    test.contains(result.error_output, case[2])
    test.equal({ result.status, result.output }, { 2, "" })
  end
end

test["files that cannot be written are said before anything runs"] = function()
  for _, option in ipairs { "--log", "--port-file" } do
    local result = sim { option, "/proc/nowhere/file", "--", "echo", "ran" }
    test.equal({ result.status, result.output }, { 1, "" })
    test.contains(result.error_output, "/proc/nowhere/file")
  end
end

test["help lists the options"] = function()
  local result = sim { "--help" }
  test.equal(result.status, 0)
  for _, option in ipairs { "latency", "propagation", "clusters", "enabling", "skew", "only", "mixed", "seed", "log", "state", "port-file" } do
    test.contains(result.output, "--" .. option)
  end
end

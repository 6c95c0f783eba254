-- The door's guards, each with somebody who tries to get around it.

local door_module = require "door"
local journal = require "journal"
local secret = require "secret"
local task = require "task"
local world = require "sim.world"

--- A journal in memory; `disk.text` is what has been synced, `disk.broken` makes it fail.
local function memory()
  local disk = { text = "", queued = "", syncs = 0 }
  function disk:append(lines)
    if self.broken then return nil, self.broken end
    self.queued = self.queued .. lines
    return true
  end
  function disk:sync()
    if self.broken then return nil, self.broken end
    self.text, self.queued, self.syncs = self.text .. self.queued, "", self.syncs + 1
    return true
  end
  return disk
end

local CREDENTIALS = {
  access_key_id = "AKIASIMULATEDCMEK001",
  secret_access_key = secret.new("simulated/secret/not-a-real-one/00000001", "aws"),
}
local TOKEN = secret.new("not-a-real-cloud-key", "cloud")

--- A door in a world of its own. `seen` lists the requests that reached the services.
local function open(options)
  options = options or {}
  local seen = {}
  local here = world.new { seed = 1, handle = function(request)
    seen[#seen + 1] = request
    return options.answer and options.answer(request) or { status = 200, headers = {}, body = "" }
  end, network = options.network }
  local door = door_module.new { world = here, yes = options.yes ~= false, confirm = options.confirm }
  for service, url in pairs {
    kms = "https://kms.{region}.amazonaws.com", iam = "https://iam.amazonaws.com", sts = "https://sts.us-east-1.amazonaws.com",
    cloud = "https://cockroachlabs.cloud",
  } do
    door:endpoint(service, url, { signing_region = service ~= "kms" and "us-east-1" or nil })
  end
  door:region "us-east-1"
  door:seal()
  local disk = memory()
  if options.journal ~= false then door:record(journal.over(disk)) end
  if options.write then assert(door:permit_writes "write?") end
  local tasks = task.new(door)
  return door, seen, disk, function(fn) return tasks.run(fn) end
end

local function aws(operation, more)
  local request = { service = "kms", region = "us-east-1", operation = operation, credentials = CREDENTIALS, parameters = {} }
  for name, value in pairs(more or {}) do request[name] = value end
  return request
end

-- ---- effect ----

test["a door that was given no right to write refuses a write and lets a read pass"] = function()
  local door, seen, _, run = open()
  test.raises(function() run(function() door.aws.request(aws "CreateKey") end) end,
    "door: kms CreateKey is a write, and this command may only read")
  test.equal(#seen, 0)
  local response = run(function() return door.aws.request(aws "DescribeKey") end)
  test.equal(response.status, 200)
  test.equal(#seen, 1)
end

test["an operation that the table does not know is a write, also when its name begins like a read"] = function()
  local door, seen, _, run = open()
  for _, operation in ipairs { "ListAndDelete", "GetEverything", "describekey", "DescribeKey ", "" } do
    test.raises(function() run(function() door.aws.request(aws(operation)) end) end, "is a write")
  end
  test.equal(#seen, 0)
end

test["DryRun makes a read only as a top-level true of an operation that has it"] = function()
  local door, seen, _, run = open()
  local tries = {
    { "Encrypt", { DryRun = "true" } }, { "Encrypt", { DryRun = 1 } }, { "Encrypt", { EncryptionContext = { DryRun = true } } },
    { "CreateKey", { DryRun = true } }, { "PutKeyPolicy", { DryRun = true } }, { "ScheduleKeyDeletion", { DryRun = true } },
  }
  for _, try in ipairs(tries) do
    test.raises(function() run(function() door.aws.request(aws(try[1], { parameters = try[2] })) end) end, "this command may only read")
  end
  test.equal(#seen, 0)
  run(function() return door.aws.request(aws("Encrypt", { parameters = { DryRun = true, KeyId = "k" } })) end)
  test.contains(seen[1].body, '"DryRun":true')
end

test["a dry run is what C writes: no metatable and no function of a value can take it back or pretend it"] = function()
  local door, seen, _, run = open()
  local function try(parameters, words)
    test.raises(function() run(function() door.aws.request(aws("Encrypt", { parameters = parameters })) end) end, words)
  end
  local without = { KeyId = "k", Plaintext = "eA==" }
  try(setmetatable({ KeyId = "k", Plaintext = "eA==" }, { __index = { DryRun = true } }), "without a metatable")
  try(setmetatable({ DryRun = true }, { __json = function() return without end }), "without a metatable")
  local parameters = { DryRun = true, KeyId = "k", Plaintext = "eA==" }
  parameters.AContext = setmetatable({}, { __json = function() parameters.DryRun = nil return "x" end })
  run(function() return door.aws.request(aws("Encrypt", { parameters = parameters })) end)
  test.equal({ #seen, seen[1].body }, { 1, '{"AContext":{},"DryRun":true,"KeyId":"k","Plaintext":"eA=="}' })
end

test["a parameter cannot name another operation: what was judged a read does not leave as CreateRole"] = function()
  local door, seen, _, run = open()
  local function try(parameters)
    return run(function()
      return door.aws.request { service = "iam", region = "us-east-1", operation = "GetRole", credentials = CREDENTIALS, parameters = parameters }
    end)
  end
  for _, name in ipairs { "Action", "Version", "Action\0", "Action=CreateRole&A", "X-Amz-Security-Token", "", 1 } do
    test.raises(function() try { [name] = "CreateRole", RoleName = "r" } end, "door: iam GetRole takes no parameter '")
  end
  test.equal(#seen, 0)
  try { RoleName = "a&Action=CreateRole" }
  test.equal(seen[1].body, "Action=GetRole&Version=2010-05-08&RoleName=a%26Action%3DCreateRole")
end

test["the Cloud's reads are exact paths, and a path cannot pretend to be one"] = function()
  local door, seen, _, run = open()
  local function try(method, path)
    return function() run(function() door.cloud.request { method = method, path = path, token = TOKEN } end) end
  end
  for _, bad in ipairs {
    { "POST", "/api/v1/clusters/c1/cmek" }, { "DELETE", "/api/v1/clusters/c1" }, { "GET", "/api/v1/clusters/c1/../c2/delete" },
    { "GET", "/api/v1/clusters/c1/cmek/" }, { "get", "/api/v1/clusters" }, { "GET", "/api/v1/clusters/c1%2Fcmek" },
    { "GET", "/api/v1/clusters/" }, { "GET", "/api/v1/clusters/.." },
  } do
    test.raises(try(bad[1], bad[2]), "door: cloud")
  end
  test.equal(#seen, 0)
  try("GET", "/api/v1/clusters/c1/cmek")()
  test.equal(seen[1].target, "/api/v1/clusters/c1/cmek")
end

test["creating and updating does not permit what cannot be undone, and the typed name must be the cluster's"] = function()
  local door, seen, _, run = open { write = true, confirm = "order" }
  local function enable()
    run(function() door.cloud.request { method = "POST", path = "/api/v1/clusters/c1/cmek", token = TOKEN, body = {} } end)
  end
  test.raises(enable, "cloud EnableCMEKSpec is irreversible, and this command may only create and update")
  local permitted, reason = door:permit_irreversible("enable?", "orders")
  test.equal(permitted, nil)
  test.contains(reason, "not the cluster's name")
  test.raises(enable, "irreversible")
  test.equal(#seen, 0)
  local sure, passed, _, run_sure = open { write = true, confirm = "orders" }
  assert(sure:permit_irreversible("enable?", "orders"))
  run_sure(function() sure.cloud.request { method = "POST", path = "/api/v1/clusters/c1/cmek", token = TOKEN, body = {} } end)
  test.equal(#passed, 1)
end

test["no right to write lets a key or role be deleted: that takes the typed name, and --yes is no answer"] = function()
  local door, seen, _, run = open { write = true, confirm = "order" }
  local operations = { { "ScheduleKeyDeletion", {} }, { "DeleteRole", { service = "iam" } } }
  local function try(at, who, within)
    return function() within(function() return who.aws.request(aws(operations[at][1], operations[at][2])) end) end
  end
  for at in ipairs(operations) do test.raises(try(at, door, run), "is a deletion, and this command may only create and update") end
  local permitted, reason = door:permit_deletion("delete?", "orders")
  test.equal(permitted, nil)
  test.contains(reason, "not the cluster's name")
  for at in ipairs(operations) do test.raises(try(at, door, run), "is a deletion") end
  test.equal(#seen, 0)
  local nameless = open { write = true }
  permitted, reason = nameless:permit_deletion("delete?", "k-1", "the key's ID")
  test.equal(permitted, nil)
  test.contains(reason, "--confirm NAME, with the key's ID")
  local sure, passed, _, run_sure = open { confirm = "orders" }
  assert(sure:permit_deletion("delete?", "orders"))
  for at in ipairs(operations) do try(at, sure, run_sure)() end
  test.equal(#passed, 2)
  sure:read_only()
  test.equal({ sure:permit_deletion("delete?", "orders") }, { nil, "this command may not delete" })
  test.raises(try(1, sure, run_sure), "may only read")
end

test["without --yes and without a terminal nothing is permitted"] = function()
  local door = open { yes = false }
  local permitted, reason = door:permit_writes "write?"
  test.equal(permitted, nil)
  test.contains(reason, "--yes")
end

test["a right that was given up does not come back"] = function()
  local door, _, _, run = open { write = true }
  door:read_only()
  test.equal((door:permit_writes "write?"), nil)
  test.raises(function() run(function() door.aws.request(aws "CreateKey") end) end, "may only read")
end

test["session calls pass with the key that the credential code took, and with nothing else"] = function()
  local door, seen, disk, run = open()
  local key = door:session_key()
  test.equal(door:session_key(), nil)
  local function assume(session_key)
    return run(function()
      return door.aws.request { service = "sts", operation = "AssumeRole", region = "us-east-1", credentials = CREDENTIALS,
        parameters = { RoleArn = "arn:aws:iam::210987654321:role/a" }, session_key = session_key }
    end)
  end
  for _, forged in ipairs { true, "key", 1, {}, door, io.stdout } do
    test.raises(function() assume(forged) end, "for the credential code alone")
  end
  test.raises(function() assume(nil) end, "for the credential code alone")
  test.equal(#seen, 0)
  assume(key)
  test.equal(#seen, 1)
  test.contains(disk.text, '"operation":"AssumeRole"')
end

test["a recipe's services only shrink"] = function()
  local door, _, _, run = open()
  door:touches { "kms", "cloud" }
  local function list_roles() run(function() door.aws.request(aws("ListRoles", { service = "iam" })) end) end
  test.raises(list_roles, "the recipe does not say that it touches 'iam'")
  door:touches { "iam", "kms" }
  test.raises(list_roles, "touches 'iam'")
  run(function() return door.aws.request(aws "ListKeys") end)
end

test["of a service that is touched by single operations no other one passes, and a whole service is not won back"] = function()
  local door, _, _, run = open()
  door:touches { "kms", "iam.GetRole" }
  local function ask(operation, service) return function() run(function() door.aws.request(aws(operation, { service = service })) end) end end
  ask("GetRole", "iam")()
  test.raises(ask("ListRoles", "iam"), "does not say that it touches 'iam'")
  test.raises(ask("GetRoleX", "iam"), "may only read")   -- what the table does not know is a write
  door:touches { "kms.ListKeys", "iam", "iam.GetRole" }
  test.raises(ask("ListRoles", "iam"), "touches 'iam'")
  ask("GetRole", "iam")()
  test.raises(ask("ListAliases", "kms"), "touches 'kms'")
  ask("ListKeys", "kms")()
end

test["an effect can be asked for by name; what the table does not know is a write"] = function()
  local effect = require("door").effect
  test.equal({ effect("kms", "ListKeys"), effect("kms", "TagResource"), effect("sts", "AssumeRole"), effect("cloud", "EnableCMEKSpec"),
    effect("cloud", "UpdateCluster"), effect("kms", "ScheduleKeyDeletion") }, { "read", "write", "session", "irreversible", "irreversible",
    "deletion" })
  test.equal({ effect("kms", "ListEverything"), effect("ec2", "DescribeInstances") }, { "write", "write" })
  for _, nearly in ipairs { "listkeys", "ListKeys ", " ListKeys", "ListKeys\0", "ListKeys\n", "" } do test.equal(effect("kms", nearly), "write") end
end

-- ---- destination ----

test["after the seal no endpoint can be added, and none can be named in a request"] = function()
  local door, seen, _, run = open()
  test.raises(function() door:endpoint("kms", "https://evil.example") end, "sealed")
  test.raises(function() door:ca_bundle "/tmp/evil.pem" end, "sealed")
  test.raises(function() run(function() door.aws.request(aws("ListKeys", { url = "https://evil.example" })) end) end, "unknown field 'url'")
  test.raises(function() run(function() door.aws.request(aws("ListKeys", { region = "us-east-1.evil.example/" })) end) end, "is not open")
  test.raises(function() run(function() door.aws.request(aws("ListKeys", { region = "eu-west-1" })) end) end, "the region 'eu-west-1' is not open")
  test.equal(#seen, 0)
end

test["a region opens its own hosts and no others, and must be a word"] = function()
  local door, seen, _, run = open()
  for _, bad in ipairs { "", "eu west 1", "eu-west-1.evil.example", "eu-west-1/", "EU-WEST-1", "-x", "a@b", ("x"):rep(40) } do
    test.raises(function() door:region(bad) end, "no region")
  end
  door:region "eu-west-1"
  run(function() return door.aws.request(aws("ListKeys", { region = "eu-west-1" })) end)
  local hosts = {}
  for _, header in ipairs(seen[1].headers) do
    if header[1] == "Host" then hosts[#hosts + 1] = header[2] end
  end
  test.equal(hosts, { "kms.eu-west-1.amazonaws.com" })
end

test["an endpoint in clear, with a user, or with a query is refused"] = function()
  local door = door_module.new { world = world.new { seed = 1, handle = function() end } }
  for _, bad in ipairs {
    "http://kms.us-east-1.amazonaws.com", "https://a@b", "https://", "ftp://x", "https://x/?a", "https://x y", "http://127.0.0.1@evil.example",
  } do
    test.raises(function() door:endpoint("kms", bad) end, "the endpoint of kms")
  end
  door:endpoint("kms", "http://127.0.0.1:4599")
end

test["a secret is revealed to its audience alone"] = function()
  local door, seen, _, run = open()
  local token_of_aws = secret.new("some-session-token", "aws")
  for _, token in ipairs { token_of_aws, "a string" } do
    test.raises(function()
      run(function() door.cloud.request { path = "/api/v1/clusters", token = token } end)
    end, "must be a secret for the Cloud")
  end
  test.raises(function()
    run(function() door.aws.request(aws("ListKeys", { credentials = { access_key_id = "A", secret_access_key = TOKEN } })) end)
  end, "must be a secret for AWS")
  test.raises(function() run(function() door.aws.request(aws("ListKeys", { parameters = { Marker = TOKEN } })) end) end, "")
  test.equal(#seen, 0)
end

-- ---- journal ----

test["a write without a journal is refused"] = function()
  local door, seen, _, run = open { journal = false, write = true }
  test.raises(function() run(function() door.aws.request(aws "CreateKey") end) end, "needs a journal")
  test.equal(#seen, 0)
end

test["a write is on disk before it reaches the service, and its outcome follows"] = function()
  local disk, on_disk
  local door, _, memory_disk, run = open { write = true, answer = function()
    on_disk = disk.text
    return { status = 400, headers = { { "x-amzn-RequestId", "r-1" } }, body = '{"__type":"LimitExceededException"}' }
  end }
  disk = memory_disk
  run(function() return door.aws.request(aws("CreateAlias", { parameters = { AliasName = "alias/a", TargetKeyId = "k" }, attempt = 2 })) end)
  test.contains(on_disk, '"operation":"CreateAlias"')
  test.contains(on_disk, '"target":"alias/a"')
  test.contains(on_disk, '"attempt":2')
  door:note { kind = "end" }
  run(function() return door.aws.request(aws "EnableKey") end)
  test.contains(disk.text, '"code":"LimitExceededException"')
  test.contains(disk.text, '"request_id":"r-1"')
end

test["what cannot be written down does not leave"] = function()
  local door, seen, disk, run = open { write = true }
  disk.broken = "no space left on device"
  local response, message, kind = run(function() return door.aws.request(aws "CreateKey") end)
  test.equal(response, nil)
  test.contains(message, "no space left")
  test.equal(kind, "unsent")
  test.equal(#seen, 0)
  test.equal(run(function() return door.aws.request(aws "ListKeys") end).status, 200)
end

test["writes of one turn share one sync"] = function()
  local door, seen, disk = open { write = true }
  local tasks = task.new(door)
  tasks.run(function()
    tasks.map({ 1, 2, 3, 4 }, function() return door.aws.request(aws "CreateKey") end)
  end)
  test.equal(#seen, 4)
  test.equal(disk.syncs, 1)
end

-- ---- silence ----

test["a secret goes to no operation that would keep it where it can be read as a text, and to those that it is for it goes"] = function()
  local door, seen, _, run = open { write = true, answer = function() return { status = 200, headers = {}, body = "{}" } end }
  local material = secret.new("material-that-nobody-reads", "aws")
  local function send(operation, parameters, service)
    return pcall(run, function() return door.aws.request(aws(operation, { parameters = parameters, service = service })) end)
  end
  for _, case in ipairs { { "CreateKey", { Description = material } }, { "CreateKey", { Tags = { { TagKey = "a", TagValue = material } } } },
    { "CreateGrant", { Name = material } }, { "TagRole", { RoleName = "r", Tags = { { Key = "a", Value = material } } }, "iam" },
    { "GetRole", { RoleName = material }, "iam" } } do
    local ok, message = send(table.unpack(case))
    test.equal({ case[1], ok }, { case[1], false })
    test.contains(message, "takes no secret: it would be kept where it can be read")
  end
  test.equal(#seen, 0)
  test.equal({ (send("Encrypt", { KeyId = "k", Plaintext = material })), (send("ImportKeyMaterial", { KeyId = "k", ImportToken = material })) },
    { true, true })
  test.equal(#seen, 2)
end

test["no secret stands in the journal, also not one that an answer brought"] = function()
  local door, _, disk, run = open { answer = function()
    return { status = 200, headers = {}, body = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAX</AccessKeyId>"
      .. "<SecretAccessKey>needle-in-answer</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>" }
  end }
  local key = door:session_key()
  local response = run(function()
    return door.aws.request { service = "sts", operation = "AssumeRole", region = "us-east-1", credentials = CREDENTIALS, session_key = key }
  end)
  local arrived = response.body.Credentials.SecretAccessKey
  test.truthy(secret.is(arrived))
  test.equal(tostring(arrived), "****")
  door:note { kind = "note", text = "it says needle-in-answer and simulated/secret/not-a-real-one/00000001" }
  door:note { kind = "note", text = "control: plain words stay" }
  run(function()
    return door.aws.request { service = "sts", operation = "AssumeRole", region = "us-east-1", credentials = CREDENTIALS, session_key = key }
  end)
  test.contains(disk.text, "control: plain words stay")
  test.equal(disk.text:find("needle-in-answer", 1, true), nil)
  test.equal(disk.text:find("not-a-real-one", 1, true), nil)
  test.raises(function() door:note { kind = "note", value = arrived } end, "")
end

test["an unknown value does not leave, in whatever it is wrapped"] = function()
  local door, seen, _, run = open { write = true }
  local mark = utf8.char(0xE0C0) .. "ARN of role r" .. utf8.char(0xE0C1)
  for _, parameters in ipairs {
    { Policy = "x " .. mark }, { Tags = { { TagKey = "a", TagValue = mark } } }, { [mark] = "x" },
  } do
    test.raises(function() run(function() door.aws.request(aws("CreateKey", { parameters = parameters })) end) end, "not known before run")
  end
  test.equal(#seen, 0)
end

test["a shut door lets nothing pass"] = function()
  local door, seen, _, run = open { write = true }
  door:shut()
  test.raises(function() run(function() door.aws.request(aws "ListKeys") end) end, "door: shut")
  test.equal(#seen, 0)
end

test["a request outside a task raises"] = function()
  local door = open()
  test.raises(function() door.aws.request(aws "ListKeys") end, "outside a task")
end

test["an answer that is cut, not JSON, or HTML comes as text and says why it could not be read"] = function()
  for _, body in ipairs { '{"Keys":[', "<html>Internal Server Error</html>", "\255\254" } do
    local door, _, _, run = open { answer = function() return { status = 500, headers = {}, body = body } end }
    local response = run(function() return door.aws.request(aws "ListKeys") end)
    test.equal(response.body, nil)
    test.equal(response.text, body)
    test.truthy(response.fault)
  end
end

test["an unknown field of a request is refused by name"] = function()
  local door, _, _, run = open()
  test.raises(function() run(function() door.aws.request(aws("ListKeys", { paramters = {} })) end) end, "unknown field 'paramters'")
end

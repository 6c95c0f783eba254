-- What is behind a refusal: every known situation is produced, seen with its cause, evidence and next step, and mended by what is printed.
local explain = require "explain"
local faults = require "sim.faults"
local json = require "json"
local operator = dofile "tests/operator.lua"
local outside = dofile "tests/outside.lua"
local situations = dofile "tests/situations.lua"

local by_id = {}
for _, situation in ipairs(explain.list()) do by_id[situation.id] = situation end

-- A template as a pattern: facts stand for anything in the line.
local function pattern(template)
  return (template:gsub("%p", "%%%0"):gsub("%%{[%w%%_]-%%}", "[^\n]-"))
end

-- The text shows exactly this situation's words.
local function told(text, id)
  local situation = by_id[id] or { cause = "cmek knows no more of this than the service's own words", evidence = "kms CreateKey answered",
    next = "run this again; CloudTrail tells more of it" }
  for _, part in ipairs { { "cause", situation.cause }, { "evidence", situation.evidence }, { "next", situation.next } } do
    if not text:find(part[1] .. ": " .. pattern(part[2])) then error(("%s: no '%s: %s' in\n%s"):format(id, part[1], part[2], text), 2) end
  end
  if text:find("?", 1, true) and text:match "cause: [^\n]*%f[^%s]%?%f[%s]" then error(id .. ": a fact is missing: " .. text, 2) end
end

test["a file of situations that is asked for one service fits refusals of that one alone"] = function()
  local seen = {}
  for _, file in ipairs(explain.FILES) do
    for _, situation in ipairs(require(file[1])) do
      if situation.fits and file[2] then test.equal({ situation.id, situation.fits.service }, { situation.id, file[2] }) end
      seen[file[2] or "any"] = true
    end
  end
  test.equal(seen, { cloud = true, vault = true, none = true, any = true })
end

for _, case in ipairs(situations.CASES) do
  test["told from outside, and mended by the command as printed: " .. case[1]] = function()
    local result, options = situations.produce(case)
    test.truthy(result.status ~= 0, case[1] .. " ends well:\n" .. result.text)
    local id = case.or_else and not result.text:find(by_id[case[1]].cause, 1, true) and case.or_else or case[1]
    told(result.text, id)
    outside.plain(result.text)
    if case.printed == false then return end
    situations.follow(case, result, options, function(command) return command:find "^cmek " and not command:find "^cmek sim " end, case.mended)
  end
end

-- What takes the services' time, on a virtual clock --------------------------------------------------------------------------------

-- The words that end a run of console against services with this fault.
local function ended(fault, options)
  options = options or {}
  options.sim = options.sim or { faults = { faults.read(fault) } }
  local who = operator.open(options)
  local ok, report = pcall(operator.run, who, "console", { arguments = options.arguments })
  return ok and require("ui.result").failure(report.error) or tostring(report), who
end

test["what is only told after long waits: rates and troubles of the Cloud, a principal that KMS never knows, a lock that stays"] = function()
  for _, id in ipairs { "cloud.throttled", "cloud.trouble", "kms.principal-unknown" } do told(ended(id), id) end
  local text = ended(nil, { arguments = { enable = true },
    sim = { faults = { { kind = "error", service = "cloud", operation = "EnableCMEKSpec", code = "UNAVAILABLE", status = 503,
      message = "couldn't lock cluster" } } } })
  test.contains(text, "the Cloud has not taken the request after 120 min")
  told(text, "cluster.locked")
end

test["what no simulated service does: a proxy that wants a name, a connection that breaks, no libcurl, a clock that stays wrong"] = function()
  local function on_the_way(words, kind)
    return ended(nil, { sim = {}, network = function(_, request)
      if request.operation == "ListAliases" or (request.url or ""):find "kms" then return { [kind or "unsent"] = words } end
    end })
  end
  local cases = { ["way.proxy-login"] = "CONNECT tunnel failed, response 407", ["way.connection"] = "connect reset by peer",
    ["way.no-libcurl"] = "libcurl cannot be used: libcurl.so.4: no such file", ["way.refused"] = "Connection refused",
    ["way.no-http"] = "Received HTTP/0.9 when not allowed" }
  for id, words in require("sorted")(cases) do told(on_the_way(words), id) end
  told(ended "error service=kms operation=ListAliases code=InvalidSignatureException message=Signature expired: 20260101T000000Z is now earlier",
    "aws.clock")
end

test["a region that fails, one that uses another key, and a key that is gone are told by name"] = function()
  local fakes = dofile "tests/fakes.lua"
  local report = fakes.run(fakes.world { enable_fails = "key is in the wrong account" }, "console",
    { arguments = { enable = true }, confirm = "orders" })
  test.equal(report.error.situation, "cmek.enable-failed")
  told(explain.text(report.error), "cmek.enable-failed")
  local who = operator.open()
  operator.run(who, "console", { arguments = { enable = true } })
  local key = operator.key(who, "us-east-1")
  local function fault(uri)
    return operator.within(who, function(session)
      local context = require("engine.context").new { session = session, mode = "plan", run_id = "", listener = function() end }
      local cluster = session.cloud.find_cluster "orders"
      local _, _, found = require("engine.policy.access").fault(context, cluster, session.cloud.organization(), { { region = "us-east-1", key_spec = {
        uri = uri, auth_principal = operator.role(who).Arn } } })
      if not found then return "" end
      found[2].name = "orders"
      return explain.text(explain.tell(found[1], found[2]))
    end)
  end
  test.equal(fault(key.Arn), "")   -- the control
  told(fault((key.Arn:gsub("%x%x%x%x$", "0000"))), "access.key-missing")
  key.KeyState, key.Enabled = "PendingDeletion", false
  told(fault(key.Arn), "access.key-pending-deletion")
  local reason = ("the cluster uses %s with role %s in us-east-1 (ENABLED): enabling another key is a rotation, not an enabling"):format(key.Arn, "r")
  told(explain.text(require("engine.told").of({}, "cluster_cmek", { cluster = operator.CLUSTER }, {}, "enabled", reason)), "cmek.other-key")
end

-- All of them ------------------------------------------------------------------------------------------------------------------

local ELSEWHERE <const> = { "cloud.throttled", "cloud.trouble", "kms.principal-unknown", "cluster.locked", "way.proxy-login",
  "way.connection", "way.no-libcurl", "way.refused", "way.no-http", "aws.clock", "cmek.enable-failed", "cmek.other-key",
  "access.key-missing", "access.key-pending-deletion", "cloud.lost",   -- the last: tests/test_resource_cluster_cmek.lua
  "layout.other", "kms.no-replica",   -- tests/test_layout.lua, tests/test_replica.lua
  "cluster.shape", "cluster.not-grown", "cmek.add-failed",   -- tests/test_add_region.lua
  "vault.login-sts", "vault.login-server-id", "vault.mfa", "vault.wrapped",
  "vault.token-blind", "vault.denied", "vault.denied-request", "vault.standby", "vault.throttled", "vault.trouble", "vault.plain",
  "vault.client-certificate", "vault.broken",   -- tests/test_vault.lua
  "vault.name-taken", "vault.key-elsewhere", "vault.version-disabled", "vault.made-anew",   -- tests/test_vault_keymgmt_refused.lua
  "vault.locked-out",   -- tests/test_vault_keymgmt_keys.lua
  "cmek.not-enabled", "cmek.rotate-failed",   -- tests/test_rotate.lua
  "destroy.in-use", "destroy.unasked", "destroy.attached", "destroy.trusted" }   -- the last four: tests/test_destroy.lua

test["every situation that is known is produced by a sentence above, and there are more than thirty"] = function()
  local produced = { other = true }
  for _, case in ipairs(situations.CASES) do produced[case[1]] = true end
  for _, id in ipairs(ELSEWHERE) do produced[id] = true end
  for _, situation in ipairs(explain.list()) do test.truthy(produced[situation.id], situation.id .. " is produced nowhere") end
  test.truthy(#explain.list() > 30)
end

test["help errors lists each with its title, and shows one with its texts"] = function()
  local result = outside.simulated '"$CMEK" help errors; "$CMEK" help errors kms.lockout; "$CMEK" help errors kms.lokcout; echo $?'
  for _, situation in ipairs(explain.list()) do test.contains(result.output, situation.id) end
  test.contains(result.output, "cause: " .. by_id["kms.lockout"].cause)
  test.contains(result.output, "\n2\n")
end

test["under --json the error has cause, evidence, advice and commands; what goes well has none"] = function()
  local result = outside.simulated('"$CMEK" run console --cluster orders-one --yes --json', { sim = { "--fault", "kms.quota count=1" } })
  local document = json.decode(result.output).error
  test.equal({ document.situation, #document.commands }, { "kms.quota", 2 })
  test.matches(document.commands[2], "^cmek resume ")
  test.contains(document.next, document.advice)
  local well = outside.simulated '"$CMEK" run console --cluster orders-one --yes'
  test.equal({ well.status, well.text:find "cause: " }, { 0 })
end

test["a fault of the command line is of a kind or a situation, and what it cannot be is said"] = function()
  test.equal(faults.read "throttle service=kms count=2", { kind = "throttle", service = "kms", count = 2 })
  test.equal(faults.read("kms.quota count=1").code, "LimitExceededException")
  test.equal(faults.read("error code=X status=409 message=a b=c d").message, "a b=c d")
  local wrong = { { "nothing", "there is no fault 'nothing'" }, { "500 x=1", "a fault has no 'x'" }, { "500 count=many", "wants a number" } }
  for _, case in ipairs(wrong) do
    test.raises(function() faults.read(case[1]) end, case[2])
  end
end

--- policy.evaluate against iam-simulate (@cloud-copilot/iam-simulate, another author's evaluator of IAM and KMS policies):
--- random requests from a seed, both verdicts the same. Where they differ, a row of the table below must say why AWS is on
--- cmek's side, and show it: the peer, asked again with that rule written into the policies, must then agree.
---   cmek test tests/peers/evaluator.lua FOLDER [SEED [CASES]]     FOLDER holds node_modules
local json = require("json")
local policy = require("policy")
local generator = dofile("tests/peers/evaluator_cases.lua")

local folder, seed, count = ...
seed, count = math.tointeger(tonumber(seed or 1)), math.tointeger(tonumber(count or 5000))

-- Copies and looks -------------------------------------------------------------------------------------------------

local function copy(value)
  if type(value) ~= "table" then return value end
  local made = setmetatable({}, getmetatable(value))
  for name, inner in pairs(value) do made[name] = copy(inner) end
  return made
end

local function statements_of(document)
  if not document then return {} end
  return document.Statement.Effect and { document.Statement } or document.Statement
end

-- Every document of a case; set(document) puts another in its place.
local function each_document(case, visit)
  for _, place in ipairs { "resource_policy", "boundary", "session" } do
    if case[place] then visit(case[place], place) end
  end
  for _, document in ipairs(case.identity) do visit(document, "identity") end
  for _, level in ipairs(case.service_control) do
    for _, document in ipairs(level) do visit(document, "service_control") end
  end
end

local function each_statement(case, visit)
  each_document(case, function(document, place)
    for _, statement in ipairs(statements_of(document)) do visit(statement, place, document) end
  end)
end

local function each_condition(case, visit)
  each_statement(case, function(statement, place, document)
    for name, keys in pairs(statement.Condition or {}) do
      for key, wants in pairs(keys) do visit(name, key, wants, statement, place, document) end
    end
  end)
end

local function in_context(case, key)
  for name, value in pairs(case.context) do
    if name:lower() == key:lower() then return value, name end
  end
  return nil
end

local function any(case, each, test)
  local found = false
  each(case, function(...) found = found or test(...) end)
  return found
end

local everything = { Effect = "Allow", Action = "*", Resource = "*" }

local function with(document, statement)
  local list = json.array {}
  for _, one in ipairs(statements_of(document)) do list[#list + 1] = one end
  list[#list + 1] = statement
  return { Version = document and document.Version or "2012-10-17", Statement = list }
end

-- The table of differences -----------------------------------------------------------------------------------------

local function set_without_key(case, name, key)
  return name:find("^ForAnyValue:.*IfExists$") and in_context(case, key) == nil
end

local function empty_set(case, name, key)
  local have = in_context(case, key)
  return name:find("^For") ~= nil and type(have) == "table" and #have == 1 and have[1] == ""
end

local function list_of(wants) return type(wants) == "table" and wants or { wants } end

local function any_of(list, test)
  for _, one in ipairs(list) do
    if test(one) then return true end
  end
  return false
end

local function seconds(text) return type(text) == "string" and text:find("^%d%d%d%d%d%d%d%d%d+$") ~= nil end

local function as_date(text) return seconds(text) and os.date("!%Y-%m-%dT%H:%M:%SZ", tonumber(text)) or text end

local function map(list, change)
  local made = json.array {}
  for index, one in ipairs(list) do made[index] = change(one) end
  return made
end

local function of_seconds(case, name, key, wants)
  if not name:find("Date", 1, true) then return false end
  return any_of(list_of(wants), seconds) or seconds(in_context(case, key))
end

-- The two halves of a range of all addresses.
local halves = { ["0.0.0.0/0"] = { "0.0.0.0/1", "128.0.0.0/1" }, ["::/0"] = { "::/1", "8000::/1" } }

local function of_everything(_, name, _, wants)
  return name:find("IpAddress", 1, true) ~= nil and any_of(list_of(wants), function(want) return halves[want] end)
end

local function is_ipv6(text) return text:find(":", 1, true) ~= nil end

local function of_other_family(case, name, key, wants)
  local have = in_context(case, key)
  return name:find("^NotIpAddress") ~= nil and type(have) == "string"
    and any_of(list_of(wants), function(want) return is_ipv6(want) ~= is_ipv6(have) end)
end

-- A row about conditions that fit(case, name, key, wants) finds, each rewritten by change(case, name, key, wants, keys).
local function conditions(fit, change)
  return function(case)
    return any(case, each_condition, function(name, key, wants) return fit(case, name, key, wants) end)
  end, function(case)
    local found = {}
    each_condition(case, function(name, key, wants, statement)
      if fit(case, name, key, wants) then found[#found + 1] = { name, key, wants, statement.Condition[name] } end
    end)
    for _, one in ipairs(found) do change(case, table.unpack(one)) end
  end
end

local has_seconds, write_dates = conditions(of_seconds, function(case, _, key, wants, keys)
  keys[key] = map(list_of(wants), as_date)
  local have, spelled = in_context(case, key)
  if have then case.context[spelled] = as_date(have) end
end)

local has_everything, write_halves = conditions(of_everything, function(_, _, key, wants, keys)
  keys[key] = json.array {}
  for _, want in ipairs(list_of(wants)) do
    for _, half in ipairs(halves[want] or { want }) do table.insert(keys[key], half) end
  end
end)

local has_other_family, write_family = conditions(of_other_family, function(case, _, key, wants, keys)
  local have, own = in_context(case, key), json.array {}
  for _, want in ipairs(list_of(wants)) do
    if is_ipv6(want) == is_ipv6(have) then own[#own + 1] = want end
  end
  keys[key] = #own > 0 and own or nil
end)

local has_set_without_key, write_no_condition = conditions(function(case, name, key) return set_without_key(case, name, key) end,
  function(_, _, key, _, keys) keys[key] = nil end)

-- Is the caller one whom NotPrincipal leaves alone beyond doubt? True for statements without one.
local function spared(case, statement)
  if not statement.NotPrincipal then return true end
  local named = {}
  for _, name in ipairs(list_of(statement.NotPrincipal.AWS)) do named[name] = true end
  local who = case.who
  return named[who.arn] and named[who.role_arn or who.arn] and named["arn:aws:iam::" .. who.account .. ":root"] and not case.boundary
end

local function old_variables(visit)
  return function(case)
    local found = {}
    each_condition(case, function(name, key, wants, statement, _, document)
      if not document.Version and table.concat(list_of(wants), " "):find("${", 1, true) then
        found[#found + 1] = { wants, statement.Condition[name], key }
      end
    end)
    return visit(found)
  end
end

local has_old_variable = old_variables(function(found) return #found > 0 end)

-- ${$} is a dollar sign, so that the peer reads what stands there.
local write_literal = old_variables(function(found)
  for _, one in ipairs(found) do
    one[2][one[3]] = map(list_of(one[1]), function(text) return (text:gsub("%${", "${$}{")) end)
  end
end)

-- Each row: `aws` decides; `applies` finds the rule's traces in a case; `written` is the same case with the rule written
-- out, on which the peer must agree with cmek's verdict on the case as it was.
local rows = {
  { name = "conditions on kms:EncryptionContext:KEY, which iam-simulate does not know",
    aws = "kms:EncryptionContext:context-key: control access to a KMS key based on the encryption context in a request for a cryptographic "
      .. "operation. (KMS Developer Guide, Condition keys)",
    applies = function(case)
      return case.context["kms:EncryptionContext:app"] ~= nil
        or any(case, each_condition, function(_, key) return key:lower() == "kms:encryptioncontext:app" end)
    end,
    written = function(case)
      case.context["aws:PrincipalTag/context"], case.context["kms:EncryptionContext:app"] = case.context["kms:EncryptionContext:app"], nil
      each_statement(case, function(statement)
        for _, keys in pairs(statement.Condition or {}) do
          for _, key in ipairs { "kms:EncryptionContext:app", "kms:encryptioncontext:app" } do
            if keys[key] ~= nil then keys["aws:PrincipalTag/context"], keys[key] = keys[key], nil end
          end
        end
      end)
    end },
  { name = "a session policy and a grant to the session's ARN",
    aws = "Permissions granted directly to a session are not limited by an implicit deny in an identity-based policy, a permissions boundary, "
      .. "or session policy. (IAM User Guide, Policy evaluation logic, IAM role session)",
    applies = function(case, mine)
      return case.session ~= nil and case.who.account == case.resource_account and mine.verdict == "allowed"
        and not mine.statement.policy:find("^identity")
    end,
    written = function(case) case.session = with(case.session, everything) end },
  { name = "the account's root user needs no identity policy",
    aws = "By default, all requests are implicitly denied with the exception of the AWS account root user, which has full access. (IAM User Guide)",
    applies = function(case) return case.who.kind == "root" and case.kind == "key" end,
    written = function(case) case.identity = json.array { with(case.identity[1], everything), case.identity[2] } end },
  { name = "root users assume no roles",
    aws = "STS: AccessDenied, Roles may not be assumed by root accounts.",
    applies = function(case) return case.who.kind == "root" and case.kind == "role" end,
    written = function(case) case.resource_policy = { Version = "2012-10-17", Statement = { Effect = "Deny", Principal = "*",
      Action = "sts:*" } } end },
  { name = "ForAnyValue with IfExists, and no such key",
    aws = "You can add IfExists to the end of any condition operator name except the Null condition. If the key is not present, evaluate the "
      .. "condition element as true. (IAM User Guide, Condition operators)",
    applies = has_set_without_key, written = write_no_condition },
  { name = "a date in seconds against a date in ISO 8601",
    aws = "You must specify date/time values with one of the W3C implementations of the ISO 8601 date formats or in epoch (UNIX) time. (IAM User "
      .. "Guide, Date condition operators)",
    applies = has_seconds, written = write_dates },
  { name = "the range of all addresses",
    aws = "The value must be in the standard CIDR format. (IAM User Guide, IP address condition operators; RFC 4632: a prefix of 0 is every address)",
    applies = has_everything, written = write_halves },
  { name = "NotIpAddress with a range of the other family",
    aws = "NotIpAddress: All IP addresses except the specified IP address or range. (IAM User Guide, IP address condition operators)",
    applies = has_other_family, written = write_family },
  { name = "a variable in a policy without Version",
    aws = "If you don't include the Version element and set it to an appropriate version date, variables like ${aws:username} are treated as literal "
      .. "strings in the policy. (IAM User Guide, Variables and tags)",
    applies = has_old_variable, written = write_literal },
  { name = "ForAllValues of an empty text",
    aws = "ForAllValues also returns true if the key values resolve to an empty data set, such as an empty string. (IAM User Guide, Conditions with "
      .. "multiple context keys or values)",
    applies = function(case) return any(case, each_condition, function(name, key) return empty_set(case, name, key) end) end,
    written = function(case)
      local empty = {}
      each_condition(case, function(name, key)
        if empty_set(case, name, key) then empty[select(2, in_context(case, key))] = true end
      end)
      for name in pairs(empty) do case.context[name] = nil end
    end },
  { name = "a key statement without Resource",
    aws = "If either of the required Resource or Action elements are missing from a key policy statement, the policy statement has no effect. "
      .. "(KMS API Reference, PutKeyPolicy)",
    applies = function(case)
      return case.kind == "key" and any(case, each_statement, function(statement, place)
        return place == "resource_policy" and not statement.Resource and not statement.NotResource
      end)
    end,
    written = function(case)
      each_statement(case, function(statement, place)
        if place == "resource_policy" and not statement.Resource and not statement.NotResource then statement.Resource = "arn:aws:kms:::nothing" end
      end)
    end },
  { name = "NotPrincipal denies who is not named with account and role, and always who has a boundary",
    aws = "NotPrincipal denies access to all principals except the principal specified. You must also specify the account ARN of the not-denied "
      .. "principal. The NotPrincipal element with a Deny effect will always deny any IAM principal that has a permissions boundary policy attached. "
      .. "(IAM User Guide, NotPrincipal)",
    applies = function(case) return any(case, each_statement, function(statement) return not spared(case, statement) end) end,
    written = function(case)
      each_statement(case, function(statement)
        if not spared(case, statement) then statement.NotPrincipal, statement.Principal = nil, "*" end
      end)
    end },
}

-- What leaves cmek's verdict unknown, where the peer takes a side; any side is then fine.
local doubts = {
  { name = "many values without a set operator",
    aws = "Multivalued context keys require a condition set operator. (IAM User Guide, Single-valued vs. multivalued context keys; what happens "
      .. "without one is not said)",
    applies = function(case)
      return any(case, each_condition, function(name, key) return not name:find("^For") and name ~= "Null" and type(in_context(case,
        key)) == "table" end)
    end },
  { name = "NotPrincipal names a part of the caller's session, role and account",
    aws = "When you use NotPrincipal, you must also specify the account ARN of the not-denied principal. Otherwise, the policy might deny access to "
      .. "the entire account containing the principal. (IAM User Guide, NotPrincipal)",
    applies = function(case) return any(case, each_statement, function(statement) return statement.NotPrincipal ~= nil end) end },
  { name = "an ARN operator with a pattern that has not six components",
    aws = "Each of the six colon-delimited components of the ARN is checked separately. (IAM User Guide, ARN condition operators; what fewer do "
      .. "is not said)",
    applies = function(case)
      return any(case, each_condition, function(name, _, wants)
        return any_of(list_of(wants), function(want) return name:find("Arn", 1, true) and not want:find("^arn:.*:.*:.*:.*:") end)
      end)
    end },
  { name = "a variable without a value",
    aws = "If AWS cannot resolve a variable, this might cause the entire statement to be invalid. (IAM User Guide, Variables and tags)",
    applies = function(case)
      return any(case, each_condition, function(_, _, wants)
        return (type(wants) == "table" and table.concat(wants, " ") or wants):find("${aws:", 1, true) ~= nil
      end)
    end },
}

-- Both evaluators --------------------------------------------------------------------------------------------------

local function ours(case)
  return policy.evaluate {
    principal = { arn = case.who.arn, account = case.who.account, kind = case.who.kind, role_arn = case.who.role_arn },
    action = case.action, resource = case.resource, resource_account = case.resource_account, resource_kind = case.kind, context = case.context,
    identity = case.identity, resource_policy = case.resource_policy, boundary = case.boundary, session = case.session and { case.session },
    service_control = case.service_control,
  }
end

local function as_line(case)
  return json.encode {
    principal = case.who.arn, action = case.action, resource = case.resource, resource_account = case.resource_account, context = case.context,
    identity = json.array(case.identity), resource_policy = case.resource_policy, boundary = case.boundary, session = case.session,
    service_control = json.array(case.service_control),
  }
end

-- The peer's answers, in the order of the cases.
local function theirs(cases)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  for _, case in ipairs(cases) do file:write(as_line(case), "\n") end
  file:close()
  local pipe = assert(io.popen(("node tests/peers/evaluator.mjs '%s' '%s'"):format(folder, path)))
  local answers = {}
  for line in pipe:lines() do answers[#answers + 1] = assert(json.decode(line)) end
  local done = pipe:close()
  os.remove(path)
  assert(done and #answers == #cases, ("iam-simulate gave %d answers for %d cases"):format(#answers, #cases))
  return answers
end

-- The run ----------------------------------------------------------------------------------------------------------

local passed, failed, used = 0, 0, {}

local function report(index, case, mine, peer, what)
  failed = failed + 1
  if failed <= 5 then
    print(("FAILED case %d of seed %d: %s\n  cmek: %s (%s)\n  iam-simulate: %s\n  %s"):format(index, seed, what, mine.verdict, mine.text,
      peer.said, as_line(case)))
  end
end

local function note(row) used[row.name] = (used[row.name] or 0) + 1 end

local function explained_doubt(case)
  for _, row in ipairs(doubts) do
    if row.applies(case) then
      note(row)
      return true
    end
  end
end

-- The case with every rule that has left traces in it written out.
local function written_out(case, mine)
  local made, any_row = copy(case), false
  local applied = {}
  for _, row in ipairs(rows) do
    if row.applies(made, mine) then
      row.written(made)
      any_row, applied[#applied + 1] = true, row
    end
  end
  return any_row and made, applied
end

if not folder then error("usage: cmek test tests/peers/evaluator.lua FOLDER [SEED [CASES]]", 0) end
generator.seed(seed)
local cases = {}
for index = 1, count do cases[index] = generator.case() end
local answers = theirs(cases)

local tally, again, waiting = { allowed = 0, denied = 0, unknown = 0 }, {}, {}
for index, case in ipairs(cases) do
  local mine, peer = ours(case), answers[index]
  tally[mine.verdict] = tally[mine.verdict] + 1
  if peer.verdict == "error" then
    report(index, case, mine, peer, "iam-simulate refuses the policies")
  elseif mine.verdict == peer.verdict and #peer.ignored == 0 then
    passed = passed + 1
  elseif mine.verdict == "unknown" then
    if explained_doubt(case) then passed = passed + 1 else report(index, case, mine, peer, "a doubt that the table does not know") end
  else
    local made, applied = written_out(case, mine)
    if made then
      again[#again + 1] = made
      waiting[#again] = { index = index, case = case, mine = mine, peer = peer, rows = applied }
    else
      report(index, case, mine, peer, "a difference that the table does not know")
    end
  end
end

for place, peer in ipairs(#again > 0 and theirs(again) or {}) do
  local one = waiting[place]
  if #peer.ignored > 0 then
    report(one.index, one.case, one.mine, peer, "iam-simulate knows no such key for the action: " .. table.concat(peer.ignored, " "))
  elseif peer.verdict == one.mine.verdict then
    passed = passed + 1
    for _, row in ipairs(one.rows) do note(row) end
  else
    report(one.index, one.case, one.mine, one.peer, "a difference that the table's rows do not explain")
  end
end

print(("iam-simulate, seed %d: %d allowed, %d denied, %d unknown; %d asked again with a rule written out"):format(
  seed, tally.allowed, tally.denied, tally.unknown, #again))
for _, list in ipairs { rows, doubts } do
  for _, row in ipairs(list) do print(("%6d  %s"):format(used[row.name] or 0, row.name)) end
end
for _, row in ipairs(count >= 5000 and rows or {}) do
  if not used[row.name] then
    failed = failed + 1
    print("FAILED no case shows this difference any more: " .. row.name)
  end
end
if tally.allowed * 10 < count then
  failed = failed + 1
  print("FAILED fewer than one in ten is allowed: such cases prove little")
end
print(("%d passed, %d failed"):format(passed, failed))
return failed > 0 and 1 or 0

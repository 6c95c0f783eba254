-- A recipe of a file: what is shown of it before it runs, and what --trust lets it do.
local crypto = require "crypto"
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

local HEAD <const> = 'return { api = 1, summary = "x", args = { { "cluster", "which" } }, touches = { "cloud", "iam" }, run = function(arg)\n'
local ROLE <const> = [[
  local cluster = read("cluster", arg.cluster)
  ensure("role", { cluster = cluster, trust = policy.cross_account { account_id = cluster.account_id, external_id = "x" } })]]

-- Runs a shell command beside a recipe $D/mine.lua whose run has this body.
local function with(body, command, directory)
  directory = directory or test.directory()
  local text = HEAD .. body .. "\nend }\n"
  assert(file.write(directory .. "/mine.lua", text))
  return outside.simulated("cd $D; " .. command, { directory = directory }), crypto.hex(crypto.sha256(text)), directory
end

test["a recipe of a file shows its path, its hash and what it touches in the plan, and a stock one does not"] = function()
  local result, hash, directory = with(ROLE, "$CMEK plan mine.lua --cluster orders; $CMEK plan ./mine.lua --cluster orders --json >plan.json")
  test.contains(result.output, ("\nrecipe %s/mine.lua, sha256 %s, touches cloud, iam\n"):format(directory, hash))
  test.equal(json.decode(file.read(directory .. "/plan.json")).run.source,
    { path = directory .. "/mine.lua", hash = hash, touches = { "cloud", "iam" }, trusted = false })
  local stock = outside.simulated "$CMEK plan console --cluster orders; $CMEK plan console --cluster orders --json"
  test.truthy(not stock.output:find("sha256", 1, true))
  test.truthy(not stock.output:find('"source"', 1, true))
end

test["the hash is of the files beside it as well, which are named, and a plan of another text of theirs is refused"] = function()
  local directory = test.directory()
  assert(file.write(directory .. "/part.lua", "return { text = 'one' }"))
  local recipe = 'local part = require "part"\nreturn { api = 1, summary = "x", args = {}, touches = {}, run = function() say(part.text) end }\n'
  assert(file.write(directory .. "/mine.lua", recipe))
  local result = outside.simulated("cd $D; cat mine.lua part.lua | sha256sum; $CMEK plan ./mine.lua --out p", { directory = directory })
  test.contains(result.output, ("/mine.lua with part.lua, sha256 %s, touches nothing\n"):format(result.output:match "^%x+"))
  assert(file.write(directory .. "/part.lua", "return { text = 'two' }"))
  result = outside.simulated("cd $D; $CMEK run --plan p --yes", { directory = directory })
  test.truthy(result.status ~= 0, result.text)
  test.contains(result.errors, "mine.lua")
end

test["the question names the file, its hash and what it touches"] = function()
  local who = dofile "tests/operator.lua"
  local asked
  local directory = test.directory()
  assert(file.write(directory .. "/mine.lua", HEAD .. ROLE .. "\nend }\n"))
  local operator = who.open {}
  local permit = operator.door.permit_writes
  local door = setmetatable({ permit_writes = function(_, question)
    asked = question
    return permit(operator.door, question)
  end }, { __index = function(_, name)
    return function(_, ...) return operator.door[name](operator.door, ...) end
  end })
  who.run(setmetatable({ door = door }, { __index = operator }), directory .. "/mine.lua")
  test.matches(asked, "^Create 1, change 0, delete 0 with .*/mine%.lua %(sha256 %x+, touches cloud, iam%)%?$")
end

test["without --trust a recipe has no files; with it it has, and the journal, plan and runs say so"] = function()
  local body = [[
  say(file.read("/dev/null") == "" and "read" or "no")
  counted = 1
  say(tostring(pcall(error, "x")) .. load("return counted")())
]] .. ROLE
  local refused, _, directory = with(body, "$CMEK plan mine.lua --cluster orders")
  test.equal(refused.status, 1)
  test.contains(refused.errors, "'file' is unknown here")
  local result = with(body, [[$CMEK run mine.lua --cluster orders --trust --yes &&
    $CMEK runs show $(basename state/simulated-runs/*.jsonl .jsonl)]], directory)
  test.equal({ result.status, result.errors:match "cmek: [^\n]*" }, { 0 })
  test.contains(result.text, "read\n")
  test.contains(result.text, "touches cloud, iam; trusted: without the sandbox\n")
  test.contains(result.output, ", trusted: without the sandbox\n")
end

test["trust does not reach the door: neither it nor what makes one can be had, and what is not touched stays refused"] = function()
  for _, name in ipairs { "door", "session", "operation", "http", "aws", "journal", "secret", "embedded", "engine" } do
    local result = with(('  require "%s"'):format(name), "$CMEK plan mine.lua --cluster orders --trust")
    test.contains(result.errors, ("there is no module '%s'"):format(name))
    result = with(('  load([[require "%s"]])()'):format(name), "$CMEK plan mine.lua --cluster orders --trust")
    test.contains(result.errors, ("there is no module '%s'"):format(name))
  end
  local result = with("  return kms.list_keys { region = 'us-east-1' }", "$CMEK plan mine.lua --cluster orders --trust")
  test.contains(result.errors, "'kms' is a service that touches does not name")
  test.equal(result:writes(), 0)
end

test["a run that was trusted is resumed so, but not with another text of the recipe"] = function()
  local body = ROLE .. '\n  if not file.exists(arg.cluster .. "-done") then error "not yet" end'
  local first, _, directory = with(body, "$CMEK run mine.lua --cluster orders --trust --yes --json >run.json")
  test.equal(first.status, 1)   -- the plan has found the mistake
  body = ROLE .. '\n  local role = read("role", { cluster = cluster })\n'
    .. '  if type(role.arn) == "string" and not file.exists "done" then error "not yet" end'
  first = with(body, "$CMEK run mine.lua --cluster orders --trust --yes --json >run.json", directory)
  test.equal(first.status, 5)
  local other = with(body .. " ", "$CMEK resume --yes", directory)
  test.equal(other.status, 2)
  test.contains(other.errors, "has changed since it was trusted")
  test.equal(with(body, "touch done; $CMEK resume --yes", directory).status, 0)
end

test["a stock recipe needs no trust, and that is said"] = function()
  local result = outside.simulated "$CMEK plan console --cluster orders --trust"
  test.equal(result.status, 2)
  test.contains(result.errors, "--trust is for a recipe in a file")
end

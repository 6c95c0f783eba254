-- One history: a world, the simulated services in it, bad luck, colleagues and operators, and a story that these play. All of it
-- from a seed.

local hand = dofile "tests/torture/hand.lua"
local json = require "json"
local names = require "names"
local network = dofile "tests/torture/network.lua"
local pairs_of = dofile "tests/pairs.lua"
local program = dofile "tests/torture/program.lua"
local random = require "sim.random"
local stories = dofile "tests/torture/stories.lua"
local sim = require "sim"
local vault = dofile "tests/torture/vault.lua"
local witness = dofile "tests/torture/witness.lua"
local world = require "sim.world"

local Scene = {}
Scene.__index = Scene

local M = {}

local ACCOUNT <const> = "210987654321"
local CLUSTER <const> = "orders"
local STRANGER <const> = "orders-one"
local FAULTS_MAX <const> = 900      -- seconds of bad luck
local COMMANDS_MAX <const> = 40     -- of one operator, before it is given up
local CRASHES_MAX <const> = 3       -- of one operator
local ADMIN <const> = { Version = "2012-10-17", Statement = { { Effect = "Allow", Action = "*", Resource = "*" } } }
local TRUST <const> = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"sts:AssumeRole"}]}'

--- A line of the history.
function Scene:say(format, ...)
  self.history[#self.history + 1] = ("%9.3f  %s"):format(self.world.now - self.started, format:format(...))
end

-- ---- the services ----

local function cluster_of(self, name)
  for _, cluster in ipairs(self.simulation.state.cloud.clusters) do
    if cluster.name == name then return cluster end
  end
  error("no cluster " .. name)
end

local function regions_of(cluster)
  local list = {}
  for _, region in ipairs(cluster.regions) do list[#list + 1] = region.name end
  table.sort(list)
  return list
end

-- Does the policy deny the role what CMEK needs? Read plainly: any Deny that names the role.
local function denied(policy, role_arn)
  for _, statement in ipairs(json.decode(policy).Statement) do
    local principal = type(statement.Principal) == "table" and statement.Principal.AWS
    if statement.Effect == "Deny" and principal == role_arn then return true end
  end
  return false
end

-- The Cloud took a specification: none of its keys may deny the role at this moment.
local function judge_enabling(self)
  local document = self.simulation:document()
  for _, region in ipairs(self.regions) do
    local place = document.aws[ACCOUNT].kms[region]
    for _, key in ipairs(place and place.keys or {}) do
      for _, role in ipairs(document.aws[ACCOUNT].iam.roles) do
        if denied(key.Policy, role.Arn) then table.insert(self.wrongly_enabled, ("%s %s"):format(region, key.KeyId)) end
      end
    end
  end
end

local function open_services(self, options)
  local chance = random.new(options.seed ~ 0x5EED)
  self.simulation = sim.new {
    now = function() return self.world.now end,
    random = function(count) return chance:bytes(count) end, rsa_generate = pairs_of.size,
    propagation = self.chance:chance(0.5) and 15 * self.chance:uniform() or 0,
    index_lag = self.chance:chance(0.5) and 120 * self.chance:uniform() or 0,
    stale = function()
      if self.colleague or self.world.now >= self.faults_until or not chance:chance(self.stale_rate) then return 0 end
      return 60 * chance:uniform()
    end,
  }
  self.simulation.on_request = function(entry)
    self:say("%s %s %s -> %s %s", entry.service, entry.operation, entry.region ~= json.null and entry.region or "-", entry.status,
      entry.code ~= json.null and entry.code or "")
    if entry.operation == "EnableCMEKSpec" and entry.status == 200 then judge_enabling(self) end
    self.witness:see(entry)
  end
end

-- ---- colleagues ----

-- Colleagues read before they write, and see things as they are.
local function call(self, service, operation, region, parameters)
  self.colleague = true
  local answer = self.simulation:call {
    principal = { arn = ("arn:aws:iam::%s:user/colleague"):format(ACCOUNT), account = ACCOUNT, kind = "user", identity = { ADMIN } },
    service = service, operation = operation, region = region, parameters = parameters,
  }
  self.colleague = false
  return answer
end

-- What was there before and is nobody's business: another cluster's key and role, and a key without tags.
local function seed_strangers(self)
  local stranger = cluster_of(self, STRANGER)
  local region = self.regions[1]
  local made = call(self, "kms", "CreateKey", region, { Tags = { { TagKey = names.TAG_CLUSTER, TagValue = stranger.id } } })
  call(self, "kms", "CreateAlias", region, { AliasName = names.alias(stranger, 1), TargetKeyId = made.KeyMetadata.KeyId })
  local plain = call(self, "kms", "CreateKey", region, { Description = "a colleague's" })
  call(self, "iam", "CreateRole", nil, { RoleName = names.role(stranger), AssumeRolePolicyDocument = TRUST })
  self.stranger_keys = { made.KeyMetadata.KeyId, plain.KeyMetadata.KeyId }
end

local function strangers(self)
  local list = {}
  local aws = self.simulation:document().aws[ACCOUNT]
  for _, key in ipairs(aws.kms[self.regions[1]].keys) do
    for _, id in ipairs(self.stranger_keys) do
      if key.KeyId == id then list[#list + 1] = { name = id, text = json.encode(key) } end
    end
  end
  for _, role in ipairs(aws.iam.roles) do
    if role.RoleName == names.role(cluster_of(self, STRANGER)) then list[#list + 1] = { name = role.RoleName, text = json.encode(role) } end
  end
  return list
end

-- The key that holds the alias of the generation that is asked for in a region now.
local function claimed(self, region)
  local place = self.simulation.state.aws[ACCOUNT].kms[region]
  for _, alias in ipairs(place and place.aliases or {}) do
    if alias.AliasName == names.alias(self.cluster, self.generation) then return alias.TargetKeyId end
  end
end

local function change_policy(self, region, change)
  local id = claimed(self, region)
  local found = id and call(self, "kms", "GetKeyPolicy", region, { KeyId = id, PolicyName = "default" })
  if not found then return nil end
  local policy = json.decode(found.Policy)
  change(policy.Statement)
  local done = call(self, "kms", "PutKeyPolicy", region, { KeyId = id, PolicyName = "default", Policy = json.encode(policy) })
  return done and id
end

-- Adds a statement of theirs and takes an action away from ours, so that cmek has to write the policy again.
local function meddle(self, region)
  local sid = "Colleague " .. region
  local key = change_policy(self, region, function(statements)
    for _, statement in ipairs(statements) do
      if statement.Sid == "Allow use of the key for CMEK" and type(statement.Action) == "table" then table.remove(statement.Action) end
    end
    table.insert(statements, { Sid = sid, Effect = "Allow", Principal = { AWS = ("arn:aws:iam::%s:root"):format(ACCOUNT) },
      Action = "kms:DescribeKey", Resource = "*" })
  end)
  if key then
    self:say("a colleague changes the policy in %s", region)
    table.insert(self.foreign, { region = region, sid = sid, key = key })
  end
end

-- Denies the role the key for a time.
local function deny(self, region)
  local role = ("arn:aws:iam::%s:role/%s"):format(ACCOUNT, names.role(self.cluster))
  local key = change_policy(self, region, function(statements)
    table.insert(statements, { Sid = "Freeze", Effect = "Deny", Principal = { AWS = role }, Action = "kms:*", Resource = "*" })
  end)
  if not key then return end
  self:say("a colleague denies the role the key in %s", region)
  self.world:after(200, function()
    self:say("the colleague takes it back")
    change_policy(self, region, function(statements)
      for at = #statements, 1, -1 do
        if statements[at].Sid == "Freeze" then table.remove(statements, at) end
      end
    end)
  end)
end

-- Colleagues act as soon as there is something to act on.
local function watch(self, region, act, tries)
  self.world:after(0.3, function()
    if claimed(self, region) then return act(self, region) end
    if tries > 0 then watch(self, region, act, tries - 1) end
  end)
end

local function invite_colleagues(self)
  for _, region in ipairs(self.regions) do
    if self.chance:chance(0.2) then watch(self, region, meddle, 200) end
    if self.chance:chance(0.15) then watch(self, region, deny, 200) end
  end
end

-- ---- operators ----

local ENVIRONMENT <const> = {
  AWS_ACCESS_KEY_ID = "AKIASIMULATEDCMEK001", AWS_SECRET_ACCESS_KEY = "simulated/secret/not-a-real-one/00000001",
  AWS_REGION = "us-east-1", AWS_CONFIG_FILE = "/dev/null", AWS_SHARED_CREDENTIALS_FILE = "/dev/null",
}

-- Raised where a history ends in what must not be.
local Broken = { __name = "torture.Broken" }

--- Ends the history: an invariant does not hold.
function Scene.broken(_, invariant, detail) error(setmetatable({ invariant = invariant, detail = tostring(detail) }, Broken), 0) end

--- Somebody more.
---@param options { name: string, goal: string, arguments: table? }
function Scene:operator(options)
  local operator = program.new(self, options)
  table.insert(self.operators, operator)
  if self.vault then self.vault:give_token(operator) end
  return operator
end

--- Waits, in an operator's program.
---@param seconds number
function Scene:sleep(seconds)
  local door = require("door").new { world = self.world }
  require("task").new(door).run(function() door.clock.sleep(seconds) end)
end

-- After a crash, and until it is quiet: a resume of what is open, then the same once more, which finds nothing to do. False when it
-- did not come to rest: what one operator left half destroyed keeps another waiting.
local function recover(operator, crashed)
  local word = program.next_word(operator, crashed) or operator.goal
  for _ = 1, COMMANDS_MAX do
    program.command(operator, word)
    if word == operator.goal and (operator.status == 0 and not operator.adopted or program.kept(operator)) then return true end
    word = program.next_word(operator, false) or operator.goal
  end
  return false
end

-- Runs a program of the operator's; it may crash within so many seconds, and be taken up again after a while, which may crash as well.
local function start(self, operator, body, horizon, crashes)
  local program_in_world = self.world:operate(body)
  if self.calm or crashes == 0 or not self.chance:chance(0.6) then return end
  self.world:after(self.chance:uniform() ^ 2 * (crashes == CRASHES_MAX and horizon or 400), function()
    if program_in_world.done then return end
    self.world:crash(program_in_world)
    program.crash(operator, self.chance)
    operator.crashed = true
    if self.machines_are_lost then program.lose(operator) end
    if not self.chance:chance(0.5) then return end
    local back_at = self.world.now + 90 * self.chance:uniform()
    start(self, operator, function()
      while self.world.now < back_at do coroutine.yield(back_at) end
      operator.crashed = false
      recover(operator, true)
    end, horizon, crashes - 1)
  end)
end

-- Runs the operators' programs until all have ended.
local function together(self, operators, begin, body)
  self.world.operators = {}
  for _, operator in ipairs(operators) do begin(operator, function() body(operator) end) end
  local ok, raised = pcall(self.world.run, self.world)
  if not ok then self:broken("the program ends", raised) end
  self.rested_at = math.floor(self.world.now)
  for _, ended in ipairs(self.world.operators) do
    if not ended.crashed and not ended.ok then
      if getmetatable(ended.result) == Broken then error(ended.result, 0) end
      self:broken("no error of its own", ended.result)
    end
  end
end

--- The operators' days while luck is bad: commands until nothing is left to do, or a crash.
---@param horizon number                            seconds within which one may crash
---@param delays table<torture.Operator, number>?  seconds before one begins
function Scene:live(operators, horizon, delays)
  together(self, operators, function(operator, body) start(self, operator, body, horizon, CRASHES_MAX) end, function(operator)
    if delays and delays[operator] then self:sleep(delays[operator]) end
    local word = operator.goal == "run" and self.chance:chance(0.3) and "plan" or operator.goal
    if operator.copies and program.copy(operator) then word = "resume" end
    for _ = 1, COMMANDS_MAX do
      program.command(operator, word)
      word = word == "plan" and "run" or program.next_word(operator, false)
      if not word then return end
      self:sleep(5)
    end
  end)
end

--- What recovery does for each of them, with nothing in its way.
---@param wait number?  seconds before it begins
function Scene:recover(operators, wait)
  together(self, operators, function(_, body) self.world:operate(body) end, function(operator)
    local crashed = operator.crashed
    operator.crashed = false
    if wait then self:sleep(wait) end
    if not recover(operator, crashed) then self:broken("it comes to rest", json.encode(operator.report.error or {})) end
  end)
end

--- One command of somebody, with nothing in its way.
---@return integer status, table report
function Scene:alone(operator, word)
  together(self, { operator }, function(_, body) self.world:operate(body) end, function() program.command(operator, word) end)
  return operator.status, operator.report
end

--- What is still on its way arrives.
function Scene:drain()
  while self.world:step() do end   -- nothing more
end

--- A history that has not begun.
---@param options { seed: integer, calm: boolean?, recipe: string?, story: string? }  calm: without faults, crashes and colleagues; recipe: that
---  makes the keys, console; story: of stories.lua, one by chance
function M.new(options)
  local self = setmetatable({ history = {}, foreign = {}, wrongly_enabled = {}, operators = {}, cluster_name = CLUSTER, account = ACCOUNT,
    recipe = options.recipe or "console", arguments = {}, generation = 1, lost_runs = {}, wanted_story = options.story }, Scene)
  self.chance = random.new(options.seed)
  self.calm = options.calm
  self.turn = random.new(options.seed ~ 0xAD07)   -- what kind of history it is, apart from the chance of its events
  self.faults_until = math.huge
  self.stale_rate = 0
  self.world = world.new { seed = options.seed ~ 0xC0DE, handle = function(request) return self.simulation:handle(request) end,
    network = function(...) return self.network and self.network(...) end }
  self.started = self.world.now
  self.witness = witness.new(self)
  open_services(self, options)
  self.cluster = cluster_of(self, CLUSTER)
  self.regions = regions_of(self.cluster)
  self.environment = setmetatable({ COCKROACH_API_KEY = require("sim.cloud").KEYS[1].secret }, { __index = ENVIRONMENT })
  if vault.serves(self.recipe) then self.vault = vault.open(self) end
  return self
end

--- The cluster's CMEK is there and made by hand: to be adopted.
function Scene:set_up_by_hand()
  self.adopted = hand.set_up { simulation = self.simulation, world = self.world, cluster = self.cluster, environment = self.environment,
    account = ACCOUNT, call = function(...) return call(self, ...) end }
  for _, key in ipairs(self.adopted.keys) do table.insert(self.foreign, { region = key.region, sid = hand.SID, key = key.id }) end
end

--- From here on luck is bad.
function Scene:bad_luck()
  if self.calm then return end
  local now = self.world.now
  self.faults_until = now + FAULTS_MAX * self.chance:uniform()
  self.stale_rate = 0.3 * self.chance:uniform()
  self.network = network.new { chance = random.new(self.chance:bits()), rate = 0.15 * self.chance:uniform(),
    until_time = function() return self.faults_until end }
  if self.vault then self.vault:bad_luck() end
end

--- Luck is good again.
function Scene:good_luck()
  self.faults_until = self.world.now
  if self.vault then self.vault:good_luck() end
  self:say("the faults end")
end

function Scene:colleagues()
  if not self.calm then invite_colleagues(self) end
end

--- A colleague does something to the key that holds the alias in a region.
function Scene:as_colleague(service, operation, region, parameters) return call(self, service, operation, region, parameters) end

function Scene:claimed(region) return claimed(self, region) end

function Scene:cluster_of(name) return cluster_of(self, name) end

--- Regions that the cluster is to have from now on: REGION=NODES.
function Scene:grown(list)
  local set, all = {}, {}
  for _, region in ipairs(self.all_regions or self.regions) do set[region] = true end
  for _, text in ipairs(list) do set[text:match "^[^=]+"] = true end
  for region in require("sorted")(set) do all[#all + 1] = region end
  self.all_regions = all   -- strangers are in the regions from before
end

--- What the Cloud was asked for late is done.
function Scene:let_cloud_work()
  self.world.now = self.world.now + 600
  require("sim.cloud").settle(self.simulation)
end

-- Everything has come to rest.
local function rest_of(self)
  local document = self.simulation:document()
  local rest = { aws = document.aws[ACCOUNT], account = ACCOUNT, regions = self.all_regions or self.regions, generation = self.generation,
    organization = document.cloud.organization.id, foreign = self.foreign, wrongly_enabled = self.wrongly_enabled,
    witness = self.witness, journals = {}, lost = {}, strangers = {},
    secrets = { ENVIRONMENT.AWS_SECRET_ACCESS_KEY, self.environment.COCKROACH_API_KEY } }
  if self.vault then
    rest.vault = self.vault:rest()
    table.move(self.vault:all_secrets(rest.vault), 1, 10000, #rest.secrets + 1, rest.secrets)
  end
  for _, cluster in ipairs(document.cloud.clusters) do
    if cluster.name == CLUSTER then rest.cluster = cluster end
  end
  rest.account_id = rest.cluster.account_id
  for _, role in ipairs(rest.aws.iam.roles) do
    for _, tag in ipairs(role.Tags or {}) do
      if tag.Key == names.TAG_CLUSTER and tag.Value == rest.cluster.id then rest.role, rest.role_arn = role, role.Arn end
    end
  end
  local output = {}
  for _, operator in ipairs(self.operators) do
    for _, disk in ipairs(operator.disks) do table.insert(rest.journals, disk.text) end
    for _, disk in ipairs(operator.lost) do table.insert(rest.lost, disk.text) end
    for _, line in ipairs(operator.output) do output[#output + 1] = line end
  end
  rest.output = table.concat(output, "\n")
  local after = strangers(self)
  for index, thing in ipairs(self.before) do
    rest.strangers[index] = { name = thing.name, before = thing.text, after = after[index] and after[index].text or "gone" }
  end
  return rest
end

--- Ends the history with the first of these invariants that does not hold; one that cannot be judged because an earlier one is
--- broken does not hold either.
---@param list table[]  of tests/torture/invariants.lua
function Scene:judge(list)
  local rest = rest_of(self)
  for _, invariant in ipairs(list) do
    local _, wrong = pcall(invariant[2], rest)
    if wrong then self:broken(invariant[1], wrong) end
  end
end

--- Runs the history to its end.
---@return string? invariant   the name of what does not hold
---@return string? detail
function Scene:run()
  seed_strangers(self)
  self.before = strangers(self)
  local story = stories.choose(self)
  self:say("the story: %s", story.name)
  local ok, raised = pcall(story.play, self)
  if ok then return nil end
  if getmetatable(raised) ~= Broken then error(raised, 0) end
  return raised.invariant, raised.detail
end

return M

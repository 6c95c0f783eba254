-- What the sentences about keys of several AWS accounts share: an operator whose profile `security` leads to the other account.
local file = require "file"
local names = require "names"
local operators = dofile "tests/operator.lua"

local M = { OWN = operators.ACCOUNT, OTHER = operators.OTHER_ACCOUNT, operators = operators,
  BY_PROFILE = 'return { ["us-east-1"] = { }, ["us-west-2"] = { }, ["eu-west-1"] = { profile = "security" } }' }

--- An operator whose profile `security` has the keys of the other account, and who may assume a role there. Options as of an operator.
function M.open(options)
  options = options or {}
  local config = test.directory() .. "/config"
  local probe = require("sim.state").USERS[2]
  assert(file.write(config, ("[profile security]\naws_access_key_id = %s\naws_secret_access_key = %s\n"):format(probe.access_key_id,
    probe.secret_access_key)))
  options.environment = options.environment or {}
  options.environment.AWS_CONFIG_FILE = config
  return operators.open(options)
end

--- A layout's file.
function M.written(text)
  local path = test.directory() .. "/layout.lua"
  assert(file.write(path, text))
  return path
end

--- Somebody of the other account, who may do everything there.
function M.theirs(who)
  local hand = operators.beside(who, { who = require("sim.state").USERS[2] })
  hand.door:permit_writes "?"
  for _, region in ipairs { "us-east-1", "us-west-2", "eu-west-1" } do hand.door:region(region) end
  return hand
end

--- The key of a generation, in an account.
function M.key_in(who, account, region, generation)
  local place = (who.simulation.state.aws[account] or { kms = {} }).kms[region] or { aliases = {}, keys = {} }
  for _, alias in ipairs(place.aliases) do
    for _, key in ipairs(place.keys) do
      if alias.AliasName == names.alias(operators.CLUSTER, generation) and key.KeyId == alias.TargetKeyId then return key end
    end
  end
end

--- What was warned of in the last run.
function M.warned(who)
  local list = {}
  for _, event in ipairs(who.events) do list[#list + 1] = event.kind == "warning" and event.text or nil end
  return table.concat(list, "\n")
end

--- The keys of other accounts that the cluster's role may use.
function M.allowed(who)
  local document = operators.within(who, function(session)
    return session.iam.get_role_policy { RoleName = names.role(operators.CLUSTER), PolicyName = names.USE_POLICY }.PolicyDocument
  end)
  return require("json").decode(document).Statement[1].Resource
end

return M

--- A key that a cluster's role is kept from: its policy has cmek's own Deny. Nothing else of the key or of its policy changes.
local named = require "engine.cluster.named"
local revocation = require "engine.policy.revocation"
local statement = require "policy.revocation"
local time = require "time"

local M = {}

M.kind = "revoked_key"
M.way_back = "cmek run restore"   -- destroy says so
M.own = true   -- verify: is it there, is it denied

M.checks = { { id = "revoked_key.exists", severity = "high" }, { id = "revoked_key.as_wanted", severity = "high" } }

--- What it may call, by service.
M.actions = require("resource.actions").revoked_key

---@param want { cluster: table, region: string, arn: string, roles: string[], elsewhere: string[]? }  roles: those that are kept out;
---  elsewhere: keys that are left to the accounts that they are of
function M.defaults() end

function M.name(want) return want.arn:match "[^/]+$" end
function M.region(want) return want.region end

-- Reading ----------------------------------------------------------------------------------------------------------

--- The key and its policy; something with `refused` stands for one that is not ours to change.
function M.find(context, want)
  if context.mode ~= "verify" then
    local root = context.root or context
    root:begin("named", function() return named.read(root) end)
  end
  local have = revocation.find(context, want)
  have.grants = have.policy and revocation.grants(context, want) or {}
  return have
end

-- Judging ----------------------------------------------------------------------------------------------------------

-- Whether there is anything that could be denied.
local function out_of_reach(have) return have.gone or have.cut_off or have.elsewhere end

-- Whoever is the role has nothing left to look with afterwards.
local function own_role(context, want)
  local session = context:identity().arn:match ":assumed%-role/([^/]+)/"
  for _, role in ipairs(want.roles) do
    if session and role:match "[^/]+$" == session then
      return ("the credentials are of %s itself, which is to be kept from the key: use others (--profile)"):format(role)
    end
  end
end

--- Why the key is not touched; nil when its policy can be put, or has the Deny.
---@return string? reason, string? check
function M.refusal(context, want, have)
  if have.refused then return have.refused, "unreadable" end
  local others = revocation.others(context, want.cluster, { want.arn, table.unpack(want.roles) })
  if others then return others, "shared" end
  if out_of_reach(have) or have.denied then return nil end
  local reason = own_role(context, want)
  if reason then return reason end
  return revocation.unputtable(context, want, have.policy, statement.with(have.policy, want.roles)), "policy"
end

--- The statement that it lacks.
function M.differences(want, have)
  if have.refused then return { { check = "as_wanted", field = "key", have = have.refused, want = want.arn } } end
  if out_of_reach(have) or have.denied then return {} end
  return { { check = "as_wanted", field = ("policy.Statement[%s]"):format(statement.SID), have = statement.words(have.statement),
    want = statement.words(statement.statement(want.roles)) } }
end

--- What is worth a word before a cluster loses it.
function M.warnings(want, have)
  local list = {}
  local function say(text, ...) list[#list + 1] = { check = "as_wanted", field = "key", text = text:format(...) } end
  if have.elsewhere then
    say("%s is left to account %s, as --elsewhere says: its policy has to have %s", want.arn, have.elsewhere,
      require("policy.document").statement_json(statement.statement(want.roles)))
  elseif have.gone then
    say("KMS has no key %s (any more): nobody can use it, so there is nothing to deny", want.arn)
  elseif have.cut_off then
    say("%s is gone, and the policy of %s still names it by its ID, so KMS takes no new policy: nobody can use the key by that role as it is",
      table.concat(want.roles, " and "), want.arn)
  elseif have.metadata.DeletionDate then
    say("%s is to be deleted at %s, and what it encrypts is lost then: cancel that (aws kms cancel-key-deletion --region %s --key-id %s)",
      want.arn, time.text(have.metadata.DeletionDate), want.region, want.arn)
  elseif have.state ~= "Enabled" then
    say("%s is %s already", want.arn, have.state)
  end
  for _, grant in ipairs(have.grants or {}) do
    say("a grant lets %s use %s, beside its policy, and a Deny for the role does not touch it: aws kms revoke-grant --region %s --key-id %s "
      .. "--grant-id %s", grant.who, want.arn, want.region, want.arn, grant.id)
  end
  return list
end

function M.pending() return nil end

--- The rights that it takes.
---@return engine.Need[]
function M.needs(context, want, have) return revocation.needs(context, want, have) end

--- What the recipe gets.
function M.result(want) return { region = want.region, arn = want.arn, roles = want.roles, elsewhere = want.elsewhere,
  account = want.account } end

-- Changing ---------------------------------------------------------------------------------------------------------

--- Puts the Deny beside what the policy has at that moment.
function M.update(context, want, have, step)
  step.arn = want.arn
  local what = ("keeping the role from %s"):format(want.arn)
  revocation.change(context, want, { what = what,
    done = function(policy) return statement.denies(policy, want.roles) end,
    change = function(policy) return statement.with(policy, want.roles) end,
    guard = function()
      local others = revocation.others(context, want.cluster, { want.arn, table.unpack(want.roles) }, true)
      if others then context:refuse { service = "cloud", region = want.region, what = what, message = "since the plan was made: " .. others } end
    end,
  })
  have.denied = true
  return have
end

return M

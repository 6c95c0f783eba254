--- A role that was made by hand and by which the cluster uses its keys. Adopting it gives it the cluster's tags; nothing else changes.
local failure = require "engine.failure"
local named = require "engine.cluster.named"
local names = require "names"
local policies = require "policy"
local role = require "resource.role"

local M = {}

M.kind = "adopted_role"
M.own = true   -- verify: is it there, is it adopted

M.checks = { { id = "adopted_role.exists", severity = "high" }, { id = "adopted_role.as_wanted", severity = "medium" } }

--- What it may call, by service.
M.actions = require("resource.actions").adopted_role

--- Fills in what was left out.
---@param want { cluster: table, arn: string, trust: table|string }  trust: what is told when it is not so; it is not changed
---@param context engine.Context
function M.defaults(want, context)
  want.name = want.arn
  role.defaults(want, context)
end

function M.name(want) return want.name end
function M.region() return nil end

--- The role; something with `refused` stands for one that is not to be found.
function M.find(context, want)
  context:begin("named", function() return named.read(context) end)
  local have = role.find(context, want)
  local wrong = role.misnamed(context, want, have)
  return wrong and { refused = wrong } or have
end

--- Why the role is not adopted; nil when it can be, or is.
function M.refusal(context, want, have)
  if have.refused then return have.refused end
  local owner = have.tags[names.TAG_CLUSTER]
  if have.unreadable.tags or owner and owner ~= want.cluster.id then return (role.foreign(context, want, have)) end
  local others = context:once("named"):by_others(have.arn, want.cluster)
  return others and ("cluster %s uses it as well, and one tag names one cluster: cmek looks after roles of one cluster, so it is left as it is")
    :format(others)
end

--- The tags that it lacks.
function M.differences(want, have)
  if have.refused then return { { check = "as_wanted", field = "role", have = have.refused, want = want.arn } } end
  local list, tags = {}, have.tags
  local function differ(name, wanted) list[#list + 1] = { check = "tags", field = "tags." .. name, have = tags[name], want = wanted } end
  if tags[names.TAG_CLUSTER] ~= want.cluster.id then differ(names.TAG_CLUSTER, want.cluster.id) end
  if tags[names.TAG_RUN] == nil then differ(names.TAG_RUN, want.run) end
  return list
end

--- A trust policy that is not as cmek's own would be: told, and left as it is.
function M.warnings(want, have)
  local list = role.warnings(want, have)
  for _, difference in ipairs(policies.differences(want.trust, have.trust)) do
    list[#list + 1] = { check = "trust", field = difference.field,
      text = ("the trust of role %s differs from what CockroachDB needs in %s: adopting leaves it, cmek run console puts it right"):format(
        want.name, difference.field) }
  end
  return list
end

function M.pending() return nil end

--- The rights that adopting it takes.
---@return engine.Need[]
function M.needs(_, _, have) return { { action = "iam:TagRole", resource = have.arn } } end

--- What the recipe gets.
function M.result(want) return { name = want.name, arn = want.arn } end

--- Tags it.
function M.update(context, want, have, step)
  step.arn = have.arn
  local now, list = role.look(context, want.name), {}
  local reason = now and M.refusal(context, want, now)
  if reason then context:refuse { service = "iam", what = "adopting the role " .. want.name, message = reason } end
  for i, difference in ipairs(M.differences(want, now or have)) do
    list[i] = { Key = difference.field:match "^tags%.(.*)$", Value = difference.want }
  end
  if #list > 0 then
    context:write(function() return context.session.iam.tag_role { RoleName = want.name, Tags = list } end)
  end
  local adopted = context:poll {
    reason = ("waiting until IAM shows the tags of role %s"):format(want.name), bound = context.LAG,
    check = function()
      local seen = role.look(context, want.name)
      return seen and #M.differences(want, seen) == 0 and seen or nil
    end,
  }
  if adopted then return adopted end
  failure.raise { code = "not_ready", service = "iam", what = "adopting the role " .. want.name,
    message = ("IAM does not show its tags after %d s"):format(context.LAG) }
end

return M

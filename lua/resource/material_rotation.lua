--- The material of a key in use, rotated by KMS on demand: newer than what the Cloud has used. Once is enough, however often it is asked for.
local cmek = require "engine.cluster.cmek"
local failure = require "engine.failure"
local keys = require "engine.key.keys"
local refusal = require "refusal"
local time = require "time"

local M = {}

M.kind = "material_rotation"

--- What it may call, by service.
M.actions = require("resource.actions").material_rotation

--- Verify asks nothing of it.
M.checks = {}

---@param want { cluster: table, region: string, arn: string }
function M.defaults(want)
  if type(want.arn) ~= "string" then error("material_rotation: field 'arn' is that of the key in use", 0) end
end

function M.name(want) return want.arn end
function M.region(want) return want.region end
function M.foresee() end

--- The key, when its material was rotated last, and when the Cloud took it.
function M.find(context, want)
  local key = keys.find(context, want.region, want.arn)
  if not key then return { refused = "KMS shows no such key" } end
  local last, refused, on_demand = keys.last_rotation(context, key)
  return { arn = want.arn, key = key, last = last, on_demand = on_demand, untold = refused and refusal.line(refused),
    taken = cmek.taken_at(context:cmek(want.cluster), want.region, want.arn) or 0 }
end

local LIMIT <const> = 25   -- rotations on demand in a key's life

local function is_new(have) return (have.last or 0) > have.taken end

--- Why KMS does not rotate it; nil when it does.
---@return string? reason
function M.refusal(_, _, have)
  if have.refused then return have.refused end
  if (have.key.metadata.Origin or "AWS_KMS") ~= "AWS_KMS" then
    return ("%s has material that was imported, of which KMS makes no other: leave --rewrap and --on-demand out, and the region gets a new key")
      :format(have.arn)
  end
  if have.untold then return ("when %s was rotated cannot be seen (%s): allow kms:ListKeyRotations on it"):format(have.arn, have.untold) end
  if have.on_demand >= LIMIT and not is_new(have) then
    return ("KMS has rotated %s on demand %d times, which is as often as it does in a key's life: --rewrap without --on-demand takes what KMS's own "
      .. "rotation has made, and cmek run rotate without --rewrap gives the cluster new keys"):format(have.arn, have.on_demand)
  end
end

function M.differences(_, have)
  if is_new(have) then return {} end
  return { { check = "material", field = "material", have = have.last and "rotated " .. time.text(have.last) or "never rotated",
    want = "newer than what the Cloud has used since " .. time.text(have.taken) } }
end

function M.warnings() return {} end
function M.pending() return nil end
function M.result(want) return { region = want.region, arn = want.arn } end

--- The rights that it takes.
---@return engine.Need[]
function M.needs(_, want, have)
  if have.refused or is_new(have) then return {} end
  return { { action = "kms:RotateKeyOnDemand", resource = have.arn, policy = have.key.policy, region = want.region } }
end

--- Asks KMS, which rotates on demand only so often in a key's life: what became of a lost answer is looked up, and nothing is asked twice.
function M.update(context, want, have)
  local _, primary = keys.is_replica(have.key)
  local _, refused = context:try({ uncertain = true, ConflictException = true }, function()
    return context:write(function()
      return context.session.kms.rotate_key_on_demand { region = not primary and want.region or nil, KeyId = primary or want.arn }
    end)
  end)
  local now = context:poll {
    reason = ("waiting until KMS has rotated the key in %s"):format(want.region), bound = context.LAG,
    check = function()
      local seen = M.find(context, want)
      return not seen.refused and is_new(seen) and seen or nil
    end,
  }
  if now then return now end
  if refused then error(refused, 0) end
  failure.raise { code = "not_ready", service = "kms", operation = "RotateKeyOnDemand", region = want.region,
    what = "rotating the material of " .. want.arn, message = ("KMS does not show a new rotation after %d s"):format(context.LAG) }
end

return M

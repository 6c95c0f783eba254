--- A secrets engine that is mounted in Vault. One that cmek mounts says so in its description, and for which cluster.
local failure = require "engine.failure"
local json = require "json"
local names = require "names"

local M = {}

M.kind = "vault_mount"

--- What it may call, by service.
M.actions = require("resource.actions").vault_mount

--- The checks of verify, in order.
M.checks = {
  { id = "vault_mount.exists", severity = "high", text = "the engine that is asked for is mounted" },
  { id = "vault_mount.type", severity = "high", text = "it is of the type that is asked for" },
}

---@param want { path: string, type: string, cluster: table? }  cluster: that it is mounted for
function M.defaults(want) assert(want.path and want.type, "vault_mount: it has a path and a type") end

function M.name(want) return want.path .. "/" end
function M.region() return nil end
function M.foresee() end

-- What Vault answers about a path where nothing is mounted, or where the token may do nothing.
local function unseen(refused) return refused.kind == "refused" and (refused.status == 403 or refused.status == 404 or refused.status == 400) end

--- The engine that is mounted there; nil when none is seen.
---@param context engine.Context
---@param want table
---@return table? have, Refusal? refused
function M.find(context, want)
  local have, refused = context:try(unseen, function() return context.session.vault.inspect_mount { path = want.path } or false end)
  return have or nil, refused
end

-- Why the token cannot mount it; nil when it can.
local function forbidden(context, want)
  local path, may = "sys/mounts/" .. want.path, {}
  for _, capability in ipairs(context.session.vault.read_capabilities { paths = json.array { path } }[path] or {}) do may[capability] = true end
  if may.root or not may.deny and (may.create or may.update) then return nil end
  return ("the token of Vault may not mount an engine at %s/: add to its policy: path \"%s\" { capabilities = [\"create\", \"update\"] }"):format(
    want.path, path)
end

function M.refusal(context, want, have)
  if not have then return forbidden(context, want) end
  if have.type ~= want.type then
    return ("the engine at %s/ is of type %s, and %s is wanted: choose another path (--vault-mount)"):format(want.path, tostring(have.type),
      want.type)
  end
end

function M.differences() return {} end
function M.warnings() return {} end
function M.pending() return nil end
function M.result(want) return { path = want.path, type = want.type } end

--- Mounts the engine. Somebody who was faster has done the same; what is there decides.
function M.create(context, want)
  local _, refused = context:try(function(raised) return context.uncertain(raised) or tostring(raised.message):find "already in use" end, function()
    return context:write(function()
      return context.session.vault.enable_mount { path = want.path, type = want.type,
        description = want.cluster and names.mount_description(want.cluster) or nil }
    end)
  end)
  local have = context:poll {
    reason = ("waiting until Vault shows the engine at %s/"):format(want.path), bound = 60,
    check = function() return (M.find(context, want)) end,
  }
  if not have then
    if refused then error(refused, 0) end
    failure.raise { code = "not_ready", service = "vault", what = ("mounting %s/"):format(want.path),
      message = "Vault does not show the engine after 60 s" }
  end
  if have.type ~= want.type then
    context:refuse { service = "vault", what = ("mounting %s/"):format(want.path), message = "by now an engine of type " .. have.type .. " is there" }
  end
  return have
end

return M

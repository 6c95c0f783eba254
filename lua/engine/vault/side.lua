--- Taking back what is in Vault: whether it can be asked, what is in an engine, and what of it goes. A Vault that cannot be asked keeps nobody
--- from taking back what is in AWS: what is there stays, and that is said.
local capabilities = require "engine.vault.capabilities"
local failure = require "engine.failure"
local mend = require "engine.mend"
local names = require "names"
local provenance = require "engine.key.provenance"
local refusal = require "refusal"

local M = {}

-- Whether it can be asked --------------------------------------------------------------------------------------------

-- Why Vault gives no answer; nil when it does. Its first request with the token shows whether there is one.
local function closed(context, path)
  local vault = context.session.vault
  local ok, raised = pcall(function()
    local status = vault.read_seal_status()
    if status.initialized == false then return "Vault is not initialized" end
    if status.sealed then return "Vault is sealed" end
    local _, refused = context:try(function(one) return one.kind == "refused" end, function() return vault.inspect_mount { path = path } end)
    if refused and refused.kind == "credentials" then error(refused, 0) end
  end)
  if ok then return raised end
  if not refusal.is(raised) or raised.kind == "stopped" then error(raised, 0) end
  return refusal.line(raised)
end

--- Whether Vault cannot be asked, which was said then.
---@param context engine.Context
---@return boolean
function M.is_closed(context) return context.vault_closed == true end

--- Begins the destroying of what a recipe has in Vault: whether Vault can be asked, the engine, and what imports have left in it.
---@param engine table
---@param cluster table
---@param path string
---@param kind string  the engine's type
function M.begin(engine, cluster, path, kind)
  local context, destroy = engine.context, require "engine.pass.destroy"
  engine.vault_path = path
  local reason = closed(context, path)
  if reason then
    context.vault_closed = true
    context:warn(("what is in Vault is left as it is, since that cannot be seen (%s); when it can: %s"):format(reason, mend.cmek(engine, "destroy")))
    return
  end
  destroy.collect(engine, engine:resource "vault_mount", { cluster = cluster, path = path, type = kind })
  if kind == "transit" then
    destroy.collect(engine, engine:resource "transit_key", { cluster = cluster, mount = path, name = "tmp-*", temporary = true })
  end
end

-- What is there ------------------------------------------------------------------------------------------------------

-- Names that an engine lists; nil and why where it may not be asked for them.
local function listed(context, path, list)
  local answer, refused = context:try(function(raised) return raised.kind == "refused" and (raised.status == 403 or raised.status == 404) end, list)
  if refused and refused.status == 404 then return {} end   -- there is no engine
  if refused then
    local line = capabilities.policy({ { path = path, "list" } })
    return nil, ("%s: add to the policy of the token: %s"):format(refusal.line(refused), line)
  end
  return type(answer) == "table" and answer.keys or {}
end

--- The names of the keys of a transit engine; nil where they may not be listed, which is said.
---@param context engine.Context
---@param mount string
---@return string[]?
function M.list(context, mount)
  local list, why = listed(context, mount .. "/keys", function() return context.session.vault.transit_list_keys { mount = mount } end)
  if not list then context:warn(("whether imports have left anything in %s/ cannot be seen (%s)"):format(mount, why)) end
  return list
end

-- What an engine of each type has, by path.
local CONTENTS <const> = {
  transit = { { "keys", "transit_list_keys" } },
  keymgmt = { { "key", "keymgmt_list_keys" }, { "kms", "keymgmt_list_providers" } },
}

--- All that is in an engine, as paths; nil where it cannot be seen.
---@param context engine.Context
---@param want { path: string, type: string }
---@return string[]?
function M.contents(context, want)
  local paths = {}
  for _, entry in ipairs(CONTENTS[want.type] or {}) do
    local list = listed(context, want.path .. "/" .. entry[1], function() return context.session.vault[entry[2]] { mount = want.path } end)
    if not list then return nil end
    for _, name in ipairs(list) do paths[#paths + 1] = ("%s/%s/%s"):format(want.path, entry[1], name) end
  end
  return CONTENTS[want.type] and paths or nil
end

--- A thing as Vault shows it; nil when there is none, and, which is said, when it cannot be seen.
---@param context engine.Context
---@param want table
---@param name string
---@param find fun(): table?
---@return table?
function M.read(context, want, name, find)
  if M.is_closed(context) then return nil end
  local have, refused = context:try(function(raised) return raised.kind ~= "stopped" end, function() return find() or false end)
  if refused then
    context:warn(("whether %s is there cannot be seen (%s): it is left as it is"):format(name, refusal.line(refused)), want.region)
  end
  return have or nil
end

-- What goes ----------------------------------------------------------------------------------------------------------

--- The paths of what this destroying deletes.
---@param engine table
---@return table<string, true>
function M.going(engine)
  local set = {}
  for _, step in ipairs(engine.steps) do
    if step.action == "delete" and step.deletion.path then set[step.deletion.path(step.want)] = true end
  end
  return set
end

local SETTLE <const> = 60   -- seconds until Vault shows what it has deleted

--- Deletes a thing until Vault shows it no more. An answer that was lost is looked up; a refusal counts when the thing is still there.
---@param context engine.Context
---@param options { name: string, region: string?, bound: number?, find: (fun(): any), guard: fun(), ask: fun(), definite: (fun(refused): any)? }
---  guard: raises what forbids it; definite: whether a refusal has an end although its status says that nobody knows
---@return Refusal? refused
function M.delete(context, options)
  local refused
  local bound = options.bound or SETTLE
  local gone = context:poll {
    reason = ("waiting until Vault has deleted %s"):format(options.name), bound = bound,
    check = function()
      if not options.find() then return true end
      options.guard()
      local _, why = context:try(function(raised) return raised.kind ~= "stopped" end, function() return context:write(options.ask) end)
      refused = why and (not context.uncertain(why) or options.definite and options.definite(why)) and why or nil
      if not options.find() then return true end
      if refused then return false end
    end,
  }
  if gone or refused then return not gone and refused or nil end
  failure.raise { code = "not_ready", service = "vault", region = options.region, what = "deleting " .. options.name,
    message = ("Vault still shows it after %d s"):format(bound) }
end

--- Tells of keys whose material is from another engine than the one that is looked at, or from one where none is: what is there stays.
---@param engine table
function M.tell_elsewhere(engine)
  for _, step in ipairs(engine.steps) do
    local source = step.action == "delete" and type(step.have) == "table" and step.have.tags and step.have.tags[names.TAG_MATERIAL]
    local mount = source and source:match "^(.+)/[^/]+$"
    if mount and mount ~= engine.vault_path then
      local words = { provenance.recipe(source, provenance.is_distributed(engine.context:aliases(step.region), source)) }
      engine.context:warn(("the material of keys is from the engine at %s/ in Vault, and what is there stays; this takes it away: %s"):format(mount,
        mend.own(engine, "destroy", words[1], "--cluster", engine.cluster.name, table.unpack(words, 2))))
    end
  end
end

--- Refuses the steps that the token of Vault may not do, with the lines that its policy lacks.
---@param engine table
function M.judge(engine)
  local needs = {}
  for _, step in ipairs(engine.steps) do
    for _, need in ipairs(step.action == "delete" and step.deletion.capabilities and step.deletion.capabilities(step.want, step.have) or {}) do
      need.step = step
      needs[#needs + 1] = need
    end
  end
  for _, need in ipairs(capabilities.lacking(engine.context, needs)) do
    local step = need.step
    if step.action == "refuse" then
      step.reason = step.reason .. "\n" .. capabilities.policy({ need }, step.want.cluster)
    else
      step.action, step.irreversible = "refuse", nil
      step.reason = ("the token of Vault lacks %s: add to its policy:\n%s"):format(need.lacks, capabilities.policy({ need }, step.want.cluster))
    end
  end
end

return M

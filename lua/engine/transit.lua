--- What Vault must offer before anything is made with transit: it is open, the engine is there, and the token may do what it will be asked.
local capabilities = require "engine.capabilities"
local explain = require "explain"
local failure = require "engine.failure"
local names = require "names"
local refusal = require "refusal"

local M = {}

--- The checks that verify makes before it looks at anything in Vault.
M.checks = {
  { id = "vault.open", severity = "high", text = "Vault can be asked, and is not sealed" },
  { id = "vault.mount", severity = "high", text = "the transit engine is where it is looked for" },
}

-- What each way does with the paths below the mount, region by region.
local function wanted(cluster, regions, mount, form)
  local list = {}
  local function need(path, ...) list[#list + 1] = { path = mount .. "/" .. path, ... } end
  for _, region in ipairs(form == "exportable" and regions or cluster.regions or {}) do
    if form == "wrapped" then
      local key = names.temporary(cluster, region.name, "x")
      need(("keys/%s/import"):format(key), "create", "update")
      need(("datakey/wrapped/%s"):format(key), "create", "update")
      need(("keys/%s/config"):format(key), "create", "update")
      need(("keys/%s"):format(key), "delete")
    else
      local key = names.vault_key(cluster, region.name)
      need(("keys/%s"):format(key), "create", "update", "read")
      need(("export/encryption-key/%s/1"):format(key), "read")
    end
  end
  return list
end

local function refuse(engine, id, fields)
  engine:found { id = id, severity = "high", object = "Vault", have = fields.message, want = M.checks[id == "vault.open" and 1 or 2].text,
    text = fields.next }
  if engine.mode == "verify" then return false end
  fields.code, fields.service = "precondition", "vault"
  failure.raise(fields)
end

-- In verify a Vault that cannot be asked leaves its checks open; what is in AWS is looked at all the same.
local function seal_status(engine)
  local ok, status = pcall(engine.session.vault.read_seal_status)
  if ok then return status end
  if engine.mode ~= "verify" or not refusal.is(status) then error(status, 0) end
  engine:found { id = "vault.open", severity = "unknown", object = "Vault", have = refusal.line(status), text = status.next }
end

local function check_open(engine)
  local status = seal_status(engine)
  if not status then return false end
  local words = status.initialized == false and "Vault is not initialized" or status.sealed and "Vault is sealed"
  if words then
    local here = engine.session.vault_client and engine.session.vault_client.settings or {}
    return refuse(engine, "vault.open", explain.tell(status.initialized == false and "vault.uninitialised" or "vault.sealed",
      { address = here.address, words = words, attempts = 1, source_of_address = here.source }, { what = "checking Vault", message = words }))
  end
  engine:checked_as { id = "vault.open", object = "Vault", result = "ok", text = status.version }
  return true
end

local function check_mount(engine, mount, mounts)
  local found, refused = require("resource.vault_mount").find(engine.context, { path = mount })
  if mounts and not found and engine.mode ~= "verify" then return true end   -- the recipe does it
  local words = refused and ("there is no engine at %s/, or the token may do nothing below it (%s)"):format(mount, refusal.line(refused))
    or not found and ("there is no engine at %s/"):format(mount)
    or found.type ~= "transit" and ("the engine at %s/ is of type %s, and transit is needed"):format(mount, tostring(found.type))
  if words then
    return refuse(engine, "vault.mount", { what = "looking for the transit engine", message = words,
      next = ("vault secrets enable -path=%s transit, or let cmek do it: --enable-engine; or name where it is: --vault-mount PATH"):format(mount) })
  end
  engine:checked_as { id = "vault.mount", object = mount .. "/", result = "ok" }
  return true
end

-- What the token lacks is told all at once, as lines for its policy.
local function check_capabilities(engine, cluster, mount, form)
  local short, lacks = capabilities.lacking(engine.context,
    wanted(cluster, engine.layout and engine.layout:origins(), mount, form)), {}
  for i, need in ipairs(short) do lacks[i] = need.lacks end
  engine:checked_as { id = "vault.capabilities", object = mount .. "/", result = #short > 0 and "finding" or "ok" }
  if #short == 0 then return end
  failure.raise { code = "precondition", service = "vault", operation = "ReadCapabilities", what = "checking what the token of Vault may do",
    message = "its policies lack " .. table.concat(lacks, "; "), next = "add to its policy:\n" .. capabilities.policy(short, cluster) }
end

--- Checks Vault before anything is made; in verify what is wrong is a finding, and what needs Vault is unknown.
---@param engine table
---@param cluster table
---@param options { transit: string, form: "exportable"|"wrapped", mounts: boolean? }  mounts: the recipe mounts the engine
function M.check(engine, cluster, options)
  if engine.mode == "destroy" then return require("engine.vault_side").begin(engine, cluster, options.transit, "transit") end
  local sound = check_open(engine) and check_mount(engine, options.transit, options.mounts)
  if sound and engine.mode ~= "verify" then check_capabilities(engine, cluster, options.transit, options.form) end
end

return M

--- A KMS provider of Vault's key management engine: the way from Vault to AWS KMS in one region, with credentials that Vault never shows again.
local aws_keys = require "vault.aws_keys"
local failure = require "engine.failure"
local in_vault = require "engine.vault.in_vault"
local keymgmt = require "engine.vault.keymgmt"

local M = {}

M.kind = "vault_provider"

--- What it may call, by service.
M.actions = require("resource.actions").vault_provider

--- The checks of verify, in order.
M.checks = {
  { id = "vault_provider.exists", severity = "high", text = "Vault has a way to KMS in the region: a provider of the region's name" },
  { id = "vault_provider.kind", severity = "high", text = "it leads to AWS KMS" },
  { id = "vault_provider.region", severity = "high", text = "in this region" },
  { id = "vault_provider.credentials", severity = "medium", text = "its credentials (always unknown: Vault shows none)" },
}

--- Fills in what was left out.
---@param want { cluster: table, region: string, mount: string?, name: string?, credentials: string?, update: boolean?, principal: string? }
---  credentials: where they are from, as lua/vault/aws_keys.lua has it; update: sends them again; principal: ARN of whose they are
---@param context engine.Context
function M.defaults(want, context)
  want.mount = want.mount or "keymgmt"
  want.name = want.name or keymgmt.provider_name(context, want)
  want.credentials = want.credentials or aws_keys.SERVER
end

function M.name(want) return ("%s/kms/%s"):format(want.mount, want.name) end
function M.region(want) return want.region end
function M.foresee() end

-- Whose the credentials are ----------------------------------------------------------------------------------------

-- What a key policy names: of a session its role, with its path.
local function lasting(context, who)
  local partition, account, role = who.arn:match "^arn:([^:]+):sts::(%d+):assumed%-role/([^/]+)/"
  if not role then return who.arn end
  local found = context:try(function(refused) return refused.kind == "refused" end, function()
    return context.session.iam.find_role { RoleName = role } or false
  end)
  return found and found.Arn or ("arn:%s:iam::%s:role/%s"):format(partition, account, role)
end

-- Keys are made in the account of these credentials, and cmek has to set their policies with its own.
local function known_principal(context, source)
  local who = aws_keys.identity(context.session, source)
  if not who then return false end
  local account = context:identity().account
  if who.account ~= account then
    failure.raise { code = "precondition", service = "vault", what = "checking the AWS credentials for Vault",
      message = ("those of %s are of account %s, where Vault would make the keys, and cmek's are of %s"):format(aws_keys.words(source),
        who.account, account), next = "give Vault credentials of the same account (--provider-credentials)" }
  end
  return lasting(context, who)
end

-- ARN of whose the credentials are; nil where nobody can say.
local function principal(context, want)
  if want.principal then return want.principal end
  if want.credentials == aws_keys.SERVER or context.mode == "destroy" then return nil end
  local function ask() return context:once("credentials " .. want.credentials, function() return known_principal(context, want.credentials) end) end
  if context.mode ~= "verify" then return ask() or nil end
  local ok, arn = pcall(ask)   -- who verifies need not have them
  return ok and arn or nil
end

-- Reading ----------------------------------------------------------------------------------------------------------

local UNSEEN <const> = "Vault shows no credentials of its providers, so whether those are as asked for is not known: --update-credentials sends "
  .. "them again"

--- The provider as Vault shows it; nil when there is none.
---@param context engine.Context
---@param want table
---@return table?
function M.find(context, want)
  want.of = principal(context, want)
  local have = in_vault.look(context, "keymgmt_read_provider", { mount = want.mount, name = want.name })
  if have and not want.update and (context.mode == "plan" or context.mode == "run") then context:warn(UNSEEN) end
  return have
end

--- Why the provider of our name is none for this region; nil when it is.
---@return string? reason
function M.refusal(_, want, have)
  if not have then return nil end
  if want.update and want.credentials == aws_keys.SERVER then
    return "credentials that Vault was given cannot be taken back by a request without any: name new ones (--provider-credentials)"
  end
  local field = have.provider ~= keymgmt.PROVIDER and "provider" or have.key_collection ~= want.region and "key_collection"
  if not field then return nil end
  return ("%s in Vault has our name, and its %s is %s where %s is wanted, which cannot be changed: if nobody uses it, vault delete %s; else name "
    .. "another mount (--vault-mount)"):format(M.name(want), field, tostring(have[field]),
    field == "provider" and keymgmt.PROVIDER or want.region, M.name(want))
end

function M.differences(want)
  if not want.update then return {} end
  return { { check = "credentials", field = "credentials", have = "not shown by Vault", want = "those of " .. aws_keys.words(want.credentials) } }
end

function M.warnings() return {} end
function M.pending() return nil end

--- What the recipe gets; principal: ARN of whose the credentials are, where that is known.
---@return { mount: string, name: string, region: string, principal: string? }
function M.result(want) return { mount = want.mount, name = want.name, region = want.region, principal = want.of or want.principal } end

--- Takes over what the plan found out.
function M.again(want, planned) want.of = planned.of end

-- Changing ---------------------------------------------------------------------------------------------------------

local function body(context, want)
  return { mount = want.mount, name = want.name, provider = keymgmt.PROVIDER, key_collection = want.region,
    credentials = aws_keys.for_vault(context.session, want.credentials) }
end

--- Makes it. Somebody who was faster has made the same; what is there decides.
function M.create(context, want)
  local what = "making " .. M.name(want)
  local lost = in_vault.write(context, "keymgmt_write_provider", body(context, want))
  local have = in_vault.settle(context, { what = what, region = want.region, lost = lost, check = function()
    return in_vault.look(context, "keymgmt_read_provider", { mount = want.mount, name = want.name })
  end })
  local wrong = M.refusal(context, want, have)
  if wrong then context:refuse { service = "vault", region = want.region, what = what, message = wrong } end
  return have
end

--- Sends the credentials again. Nothing that could be read tells whether they have arrived.
function M.update(context, want, have)
  local lost = in_vault.write(context, "keymgmt_write_provider", body(context, want))
  if not lost then return have end
  failure.raise { code = "not_ready", service = "vault", region = want.region, what = "sending credentials to " .. M.name(want),
    message = ("whether Vault has taken them is not known (%s), and Vault does not show them"):format(require("refusal").line(lost)),
    next = "run this again with --update-credentials: sending the same twice does no harm" }
end

return M

--- The AWS credentials that a Vault gets for its work in KMS, where it is not to use its own: from a profile, the environment, a file, or a
--- KV engine. They come as secrets for whoever is asked for them: Vault, which keeps them, or AWS, which tells whose they are.
local kv = require "vault.kv"
local profiles = require "aws.profile"
local refusal = require "refusal"
local secret = require "secret"

local M = {}

--- What an argument says that gives nothing to Vault: the server's own identity.
M.SERVER = "server"

-- The names of an ID, a key and a token, as Vault's keymgmt, AWS's files and AWS's environment spell them.
local SPELLINGS <const> = {
  { "access_key", "secret_key", "session_token" },
  { "aws_access_key_id", "aws_secret_access_key", "aws_session_token" },
  { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" },
  { "AccessKeyId", "SecretAccessKey", "SessionToken" },
}

local function fail(message, next_step)
  refusal.raise { kind = "credentials", exit = "credentials", what = "reading the AWS credentials for Vault", message = message, next = next_step }
end

local function as_secret(value, audience)
  if value == nil or secret.is(value) and secret.length(value) > 0 then return value end
  if type(value) == "string" and value ~= "" then return secret.new(value, audience) end
end

-- An ID, a key and perhaps a token of a table, in whichever spelling it has them; raises when one of the first two is not there.
local function of_table(values, audience, where, names)
  local spellings = names and { names } or SPELLINGS
  for _, spelling in ipairs(spellings) do
    local id, key = as_secret(values[spelling[1]], audience), as_secret(values[spelling[2]], audience)
    if id and key then return { id = id, key = key, token = spelling[3] and as_secret(values[spelling[3]], audience) } end
    if id or key then fail(("%s has '%s' and no '%s'"):format(where, spelling[id and 1 or 2], spelling[id and 2 or 1])) end
  end
  fail(("%s has no '%s' and '%s'"):format(where, spellings[1][1], spellings[1][2]))
end

-- Sources ----------------------------------------------------------------------------------------------------------

local sources = {}

-- One variable, or what it refers to in Vault.
local function variable(session, name, audience)
  local value = session.environment.secret(name, audience)
  local reference = value and secret.is(value) and secret.reference(value)
  return reference and kv.fetch(session.vault_client, reference, name, audience) or value
end

function sources.environment(session, _, audience)
  local values = {}
  for _, name in ipairs(SPELLINGS[3]) do values[name] = variable(session, name, audience) end
  return of_table(values, audience, "the environment", SPELLINGS[3])
end

-- Keys that stand in the profile themselves: what a role, a sign-in or a program gives ends after hours, and Vault's work does not.
function sources.profile(session, name, audience)
  local profile = profiles.load({ environment = session.environment, audience = audience }):profile(name, "--provider-credentials")
  if not profile:text "aws_access_key_id" then
    fail(("the AWS profile '%s' has no keys of its own, and those that it leads to end after hours: Vault needs keys that last"):format(name),
      "name a profile with aws_access_key_id and aws_secret_access_key, or let Vault use its server's identity (--provider-credentials server)")
  end
  return of_table({ access_key = profile:text "aws_access_key_id", secret_key = profile:secret "aws_secret_access_key",
    session_token = profile:secret "aws_session_token" }, audience, ("the AWS profile '%s'"):format(name))
end

-- The lines of an INI file as one table, whatever their section.
local function of_lines(path, names, audience)
  local values, file = {}, require "file"
  local lines, message = file.lines(path, names, audience)
  if not lines then fail(message) end
  for _, line in ipairs(lines) do
    local name, value
    if type(line) == "table" then name, value = line.name, line.value else name, value = line:match "^%s*([%w_]+)%s*=%s*(.-)%s*$" end
    if name and values[name] ~= nil then fail(("'%s' has '%s' twice: write one set of keys into a file"):format(path, name)) end
    if name then values[name] = value end
  end
  return values
end

function sources.file(_, path, audience)
  local file, names = require "file", {}
  local stat, message = file.stat(path)
  if not stat then fail(message, "check --provider-credentials: file:PATH, from where cmek runs") end
  if stat.kind == "file" and stat.mode & 0x3F ~= 0 then
    fail(("others than its owner may read or write '%s' (mode %04o), which holds credentials"):format(path, stat.mode),
      "chmod 600 " .. require("quote")(path))
  end
  for _, spelling in ipairs(SPELLINGS) do table.move(spelling, 1, 3, #names + 1, names) end
  local values = file.json(path, names, audience)
  if type(values) ~= "table" or next(values) == nil then values = of_lines(path, names, audience) end
  return of_table(values, audience, ("'%s'"):format(path))
end

-- An entry of KV, whose fields have the usual names, or those behind the mark: vault:kv/data/aws#id,key.
function sources.vault(session, place, audience)
  local path, fields = place:match "^([^#]+)#(.+)$"
  local mount, under = (path or place):match "^([^#]-)/data/([^#]+)$"
  if not mount then fail(("'vault:%s' is no entry of KV version 2, which is like vault:kv/data/PATH"):format(place)) end
  local names = {}
  for name in (fields or ""):gmatch "[^,]+" do names[#names + 1] = name end
  if fields and (#names < 2 or #names > 3) then
    fail(("'vault:%s' names %d field(s): an ID and a key are wanted, and perhaps a token (#access_key,secret_key)"):format(place, #names))
  end
  local answer = session.vault_client:call { operation = "KvRead", method = "GET", mount = mount, path = "data/" .. under, safe = true,
    session = true, audience = audience }
  local kept = answer and answer.data
  if type(kept) ~= "table" then fail(("there is nothing at %s/data/%s"):format(mount, under), ("vault kv get -mount=%s %s"):format(mount, under)) end
  return of_table(kept, audience, ("what is kept at %s/data/%s"):format(mount, under), fields and names)
end

-- The value --------------------------------------------------------------------------------------------------------

local function split(source)
  local kind, rest = source:match "^(%a+):(.+)$"
  return sources[kind or source], rest
end

--- Whether a text names a source of credentials: "server", "environment", "profile:NAME", "file:PATH", "vault:MOUNT/data/PATH".
---@param text string
---@return boolean
function M.known(text)
  if text == M.SERVER or text == "environment" then return true end
  local kind, rest = text:match "^(%a+):(.+)$"
  return kind ~= nil and kind ~= "environment" and sources[kind] ~= nil and (kind ~= "vault" or rest:find "^[^#]+/data/[^#]+" ~= nil)
end

--- A source for people.
---@param source string
---@return string
function M.words(source)
  local kind, rest = source:match "^(%a+):(.+)$"
  if source == M.SERVER then return "the Vault server's own identity" end
  return kind == "profile" and ("profile '%s'"):format(rest) or kind == "file" and ("file '%s'"):format(rest) or kind == "vault" and source
    or "the environment"
end

--- The credentials as Vault's keymgmt takes them; nil for the server's own. In a task.
---@param session Session
---@param source string
---@return { access_key: userdata, secret_key: userdata, session_token: userdata? }?
function M.for_vault(session, source)
  if source == M.SERVER then return nil end
  local fetch, rest = split(source)
  local keys = fetch(session, rest, "vault")
  return { access_key = keys.id, secret_key = keys.key, session_token = keys.token }
end

--- Whose they are, as AWS says; nil for the server's own, which nobody can ask about. In a task.
---@param session Session
---@param source string
---@return { account: string, arn: string }?
function M.identity(session, source)
  if source == M.SERVER then return nil end
  local fetch, rest = split(source)
  local keys = fetch(session, rest, "aws")
  local id = secret.access_key_id(keys.id)
  if not id then fail(("what %s has as access key ID is none of AWS's"):format(M.words(source))) end
  local ok, answer = pcall(session.identity_of, session, { access_key_id = id, secret_access_key = keys.key, session_token = keys.token,
    source = M.words(source) })
  if ok then return answer end
  if refusal.is(answer) and answer.exit == "credentials" then   -- whoami would show cmek's own
    answer.what, answer.commands = "checking the AWS credentials for Vault", {}
    answer.advice = ("set those of %s anew, or name others (--provider-credentials)"):format(M.words(source))
    answer.next = answer.advice
  end
  error(answer, 0)
end

return M

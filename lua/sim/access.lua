--- May CockroachDB use this key? The cluster's account assumes the role with the organization's ID as external ID and uses the
--- key, as the service does when a CMEK specification is posted, and again when it takes effect.
--- Everything is asked of the simulated STS and KMS by their own operations, so a wrong policy fails as in life.
local json = require "json"

local M = {}

-- Who comes from CockroachDB's side: a role of the cluster's account, which may assume whatever lets it.
local function principal(cluster)
  local name = "crl-kms-user-" .. cluster.id:sub(-12)
  return {
    kind = "session", account = cluster.account_id, unique_id = "AROACOCKROACHSIMULATE",
    arn = ("arn:aws:sts::%s:assumed-role/%s/cmek"):format(cluster.account_id, name),
    role_arn = ("arn:aws:iam::%s:role/%s"):format(cluster.account_id, name),
    identity = { { Version = "2012-10-17", Statement = json.array { { Effect = "Allow", Action = "sts:AssumeRole", Resource = "*" } } } },
  }
end

local function assume(simulation, cluster, role)
  local answer, refusal = simulation:call { principal = principal(cluster), service = "sts", operation = "AssumeRole",
    parameters = { RoleArn = role, RoleSessionName = "cockroachdb-cmek", ExternalId = simulation.state.cloud.organization.id } }
  return answer and answer.Credentials.AccessKeyId, refusal
end

local PROBE <const> = "Y21law=="   -- base64, as the wire has it

-- What CockroachDB does with a key, and what of it has to be so. Each step gets the answers so far.
local STEPS <const> = {
  { "DescribeKey", function(key) return { KeyId = key } end },
  { "Encrypt", function(key) return { KeyId = key, Plaintext = PROBE } end },
  { "Decrypt", function(key, answers) return { KeyId = key, CiphertextBlob = answers.Encrypt.CiphertextBlob } end },
  { "GenerateDataKey", function(key) return { KeyId = key, KeySpec = "AES_256" } end },
  { "ReEncrypt", function(key, answers) return { DestinationKeyId = key, CiphertextBlob = answers.Encrypt.CiphertextBlob } end },
}

local function wrong_kind(metadata)
  if metadata.KeyUsage ~= "ENCRYPT_DECRYPT" then return ("the key's usage is %s, not ENCRYPT_DECRYPT"):format(metadata.KeyUsage) end
  if metadata.KeySpec ~= "SYMMETRIC_DEFAULT" then return ("the key's spec is %s, not SYMMETRIC_DEFAULT"):format(metadata.KeySpec) end
  if metadata.KeyState ~= "Enabled" then return ("the key is in state %s"):format(metadata.KeyState) end
end

local function use(simulation, session, key)
  local answers = {}
  for _, step in ipairs(STEPS) do
    local operation, parameters = step[1], step[2]
    local answer, refusal = simulation:call { session = session, service = "kms", region = key:match "^arn:aws:kms:([^:]+):",
      operation = operation, parameters = parameters(key, answers) }
    if not answer then return nil, ("%s: %s: %s"):format(operation, refusal.code, refusal.message or "") end
    local wrong = operation == "DescribeKey" and wrong_kind(answer.KeyMetadata)
    if wrong then return nil, wrong end
    answers[operation] = answer
  end
  return true
end

local function check(simulation, cluster, spec)
  local session, refusal = assume(simulation, cluster, spec.auth_principal)
  if not session then
    return nil, ("the role %s cannot be assumed: %s"):format(spec.auth_principal, refusal.message or refusal.code)
  end
  local ok, message = use(simulation, session, spec.uri)
  simulation.state._sessions[session] = nil
  return ok, message
end

--- Whether the cluster can use the key of a specification now. A simulation that does not hold the keys asks whoever does,
--- through its `check_access`; without one, and for other clouds, everything passes.
---@param simulation table
---@param cluster table
---@param spec { type: string, uri: string, auth_principal: string }
---@return true|nil ok, string? message what stands in the way
function M.check(simulation, cluster, spec)
  if spec.type ~= "AWS_KMS" then return true end
  if simulation.check_access then return simulation.check_access(simulation, cluster, spec) end
  if not simulation:serves "aws" then return true end
  return check(simulation, cluster, spec)
end

return M

--- The names that carry a cluster: its role, its keys' aliases, its tags.
---@class names.Cluster
---@field id string     UUID
---@field name string

local M = {}

local ROLE_MAX <const> = 64     -- characters of an IAM role's name
local PREFIX <const> = "crdb-cmek"

--- The tags that say whose a thing is.
M.TAG_CLUSTER, M.TAG_REGION, M.TAG_RUN, M.TAG_ATTEMPT, M.TAG_STATE = "cmek:cluster", "cmek:region", "cmek:run", "cmek:attempt", "cmek:state"

--- The tag that says where a key's imported material is from.
M.TAG_MATERIAL = "cmek:material"

--- The name of the inline policy by which a role may use keys of other accounts.
M.USE_POLICY = "crdb-cmek-kms"

--- The value of cmek:state of a key whose alias another key has.
M.LOST_RACE = "lost-race"

--- The value of cmek:state of a key that cmek was told to delete.
M.RETIRED = "retired"

--- The last 12 characters of a cluster's UUID, which CockroachDB uses in its names as well.
---@param cluster names.Cluster
---@return string
function M.last12(cluster)
  if type(cluster) ~= "table" or type(cluster.id) ~= "string" or type(cluster.name) ~= "string" then
    error('names are a cluster\'s, as read("cluster", …) gives it', 0)
  end
  return cluster.id:sub(-12)
end

-- "orders-0f2c6e9d41b7": what both IAM and KMS allow in a name, no longer than `max`.
local function stem(cluster, max)
  local tail = "-" .. M.last12(cluster)
  return cluster.name:gsub("[^%w_-]", "-"):sub(1, max - #tail) .. tail
end

--- The name of a cluster's role: crdb-cmek-<name>-<last 12 of its UUID>.
---@param cluster names.Cluster
---@return string
function M.role(cluster)
  return PREFIX .. "-" .. stem(cluster, ROLE_MAX - #PREFIX - 1)
end

--- The alias of a cluster's key of one generation: alias/crdb-cmek-<name>-<last12>-g<N>.
---@param cluster names.Cluster
---@param generation integer?  1 when absent
---@return string
function M.alias(cluster, generation)
  return ("alias/%s-%s-g%d"):format(PREFIX, stem(cluster, ROLE_MAX), generation or 1)
end

--- The name in Vault of a cluster's key of one region: crdb-cmek-<name>-<last12>-<region>. Its versions are the generations.
---@param cluster names.Cluster
---@param region string
---@return string
function M.vault_key(cluster, region) return ("%s-%s-%s"):format(PREFIX, stem(cluster, ROLE_MAX), region) end

--- The name in Vault of a key that lasts as long as an import.
---@param cluster names.Cluster
---@param region string
---@param id string  of its own
---@return string
function M.temporary(cluster, region, id) return ("tmp-%s-%s-%s"):format(M.last12(cluster), region, id) end

--- The description of an engine that cmek mounts in Vault for a cluster, by which it is known as that later.
---@param cluster names.Cluster
---@return string
function M.mount_description(cluster) return ("cmek: for CockroachDB cluster %s (%s)"):format(cluster.name, cluster.id) end

--- The UUID of the cluster that cmek mounted an engine for; nil when somebody else mounted it.
---@param description string?
---@return string?
function M.mounted_for(description) return tostring(description):match "^cmek: for CockroachDB cluster .* %((%x+%-%x+%-%x+%-%x+%-%x+)%)$" end

--- The name in Vault of the entry that says who rotates a cluster's keys: rotation-of-<name>-<last12>.
---@param cluster names.Cluster
---@return string
function M.rotation(cluster) return "rotation-of-" .. stem(cluster, ROLE_MAX) end

--- The generation that an alias of this cluster stands for; nil when it is none of them.
---@param cluster names.Cluster
---@param alias string
---@return integer?
function M.generation(cluster, alias)
  local head = M.alias(cluster, 1):sub(1, -2)
  if alias:sub(1, #head) ~= head then return nil end
  return math.tointeger(alias:sub(#head + 1):match "^[1-9]%d*$")
end

return M

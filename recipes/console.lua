--- The vendor page's Step 1 and Step 2 option A: a cross-account role, and a key in every region of the cluster.
return {
  api     = 1,
  summary = "Create the cross-account role and a KMS key per region, directly in AWS",
  args    = {
    { "cluster",  "name, UUID or console URL of the cluster" },
    { "layout",   "which key each region uses: own, shared, replica, or a file (cmek help layouts); default: own", optional = true },
    { "role",     "name of the IAM role, or ARN of one; default: crdb-cmek, the cluster's name and the end of its UUID", like = "role",
      default = names.role },
    { "key",      "ARN of a key that is there, for its region; where none is named, one is made", list = true },
    { "admin",    "ARN that administers the keys; default: the account", list = true, like = "principal" },
    { "rotation", "days between automatic rotations", type = "integer", default = 365, min = 90, max = 2560 },
    { "enable",   "enable CMEK with these keys at the end, which cannot be undone", type = "boolean" },

    -- What a company may want of everything that is made.
    { "tag",                  "a tag of the role and the keys", list = true, like = "tag" },
    { "role_path",            "the role's path, which cannot be changed later", optional = true, like = "path" },
    { "permissions_boundary", "the policy that bounds the role", optional = true, like = "policy" },
    { "multi_region_key",     "make multi-Region keys, which AWS can replicate; a key keeps its kind", type = "boolean" },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)
    local map = layout(cluster, arg.layout)   -- which key and which role each region uses

    -- Step 1. The role that CockroachDB Cloud assumes. It gets no permissions: the key's policy grants them.
    local roles = map:roles(function(name, account)
      return ensure("role", { cluster = cluster, name = name or arg.role, account = account, path = arg.role_path, tags = arg.tag,
        boundary = arg.permissions_boundary, trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
    end)

    -- Step 2, option A. A symmetric key in each region, for this role to use and this account to administer. The layout may want one key
    -- for all of them, or replicas: "the same key for all your cluster regions, a different key per region, or any mapping".
    local keys = map:keys(roles, function(key)
      return ensure(key.kind, { cluster = cluster, region = key.region, serves = key.serves, primary = key.primary, arn = key.arn or arg.key,
        rotation = arg.rotation, tags = arg.tag, multi_region = key.multi_region or arg.multi_region_key,
        account = key.account, policy = policy.cmek { role = key.role, admins = arg.admin, account = key.account } })
    end)

    -- "After you have provisioned the cross-account IAM role and CMEK key, return to Enabling CMEK."
    local specs = handover(cluster, roles, keys)
    if arg.enable then
      ensure("cluster_cmek", { cluster = cluster, region_specs = specs.region_specs })
    end
    return specs
  end,
}

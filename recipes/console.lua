--- The vendor page's Step 1 and Step 2 option A: a cross-account role, and a key in every region of the cluster.
return {
  api     = 1,
  summary = "Create the cross-account role and a KMS key per region, directly in AWS",
  args    = {
    { "cluster",  "name, UUID or console URL of the cluster" },
    { "role",     "name of the IAM role, or ARN of one; default: crdb-cmek, the cluster's name and the end of its UUID", default = names.role },
    { "key",      "ARN of a key that is there, for its region; where none is named, one is made", list = true },
    { "admin",    "ARN that administers the keys; default: the account", list = true },
    { "rotation", "days between automatic rotations", type = "integer", default = 365, min = 90, max = 2560 },
    { "enable",   "enable CMEK with these keys at the end, which cannot be undone", type = "boolean" },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)

    -- Step 1. The role that CockroachDB Cloud assumes. It gets no permissions: the key's policy grants them.
    local role = ensure("role", { cluster = cluster, name = arg.role,
      trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })

    -- Step 2, option A. A symmetric key in each region, for this role to use and this account to administer.
    local keys = task.map(cluster.regions, function(region)
      return ensure("key", { cluster = cluster, region = region.name, arn = arg.key, rotation = arg.rotation,
        policy = policy.cmek { role = role.arn, admins = arg.admin } })
    end)

    -- "After you have provisioned the cross-account IAM role and CMEK key, return to Enabling CMEK."
    local specs = handover(cluster, role, keys)
    if arg.enable then
      ensure("cluster_cmek", { cluster = cluster, region_specs = specs.region_specs })
    end
    return specs
  end,
}

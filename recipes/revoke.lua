--- Break-glass: "revoke access to the CMEK". The cluster's role is kept from every key first, then CockroachDB Cloud is told.
--- The page takes the grant away; an explicit Deny holds against every other statement and grant, and leaves them as they are for the way back.
return {
  api     = 1,
  summary = "Take its keys from a cluster at once: a full outage, which support alone can end (break-glass)",
  args    = {
    { "cluster",   "name, UUID or console URL of the cluster" },
    { "drill",     "check that it could be done now, and change nothing", type = "boolean" },
    { "reach",     "profile, ARN of a role to assume, or file of a layout, that leads to another account with keys of the cluster", list = true },
    { "elsewhere", "ARN of a key of an account that nothing leads to: its policy is changed there", list = true },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    cloud.organization()
    local cluster = read("cluster", arg.cluster)

    -- Data files and backups rest on past keys as well, and a replica of a multi-Region key has a policy of its own.
    local all = read("every_key", { cluster = cluster, reach = arg.reach })

    -- In AWS: a Deny in every policy, for each role that the cluster has or had. Nodes that run keep what they have decrypted, so this alone
    -- stops nothing at once.
    local keys = task.map(all.keys, function(key)
      return ensure("revoked_key", { cluster = cluster, region = key.region, arn = key.arn, roles = all.roles, account = key.account,
        elsewhere = arg.elsewhere })
    end)

    -- In the Cloud: PATCH { "action": "REVOKE" }. The cluster restarts and cannot start.
    ensure("revoked_cluster", { cluster = cluster, keys = keys, roles = all.roles })
  end,
}

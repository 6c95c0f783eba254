--- The way back from `revoke`: the cluster's role is let to every key again, by taking out of each policy the one statement that `revoke` put.
return {
  api     = 1,
  summary = "Let a cluster to its keys again after a revocation; support then brings it up",
  args    = {
    { "cluster",   "name, UUID or console URL of the cluster" },
    { "reach",     "profile, ARN of a role to assume, or file of a layout, that leads to another account with keys of the cluster", list = true },
    { "elsewhere", "ARN of a key of an account that nothing leads to: its policy is changed there", list = true },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    cloud.organization()
    local cluster = read("cluster", arg.cluster)

    -- Every key, as for the revocation: current and past ones, and replicas.
    local all = read("every_key", { cluster = cluster, reach = arg.reach })
    local keys = task.map(all.keys, function(key)
      return ensure("restored_key", { cluster = cluster, region = key.region, arn = key.arn, roles = key.roles, account = key.account,
        elsewhere = arg.elsewhere })
    end)

    -- "Contact support": what the Cloud keeps revoked, and the text that they need.
    ensure("restored_cluster", { cluster = cluster, keys = keys, roles = all.roles })
  end,
}

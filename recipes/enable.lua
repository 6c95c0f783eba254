--- Enabling CMEK for a cluster whose role and keys are there: every region at once, then waiting until each uses its key.
return {
  api     = 1,
  summary = "Enable CMEK with the cluster's role and keys, which cannot be undone",
  args    = {
    { "cluster", "name, UUID or console URL of the cluster" },
    { "layout",  "which key each region uses, as it was made: own, shared, replica, or a file; default: own", optional = true },
    { "role",    "name of the IAM role, or its ARN; default: crdb-cmek, the cluster's name and the end of its UUID", default = names.role },
    { "key",     "ARN of a region's key, where it is not the one that has the cluster's alias", list = true },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    local cluster = read("cluster", arg.cluster)
    preflight(cluster)
    local map = layout(cluster, arg.layout)   -- which key and which role each region uses

    -- The role and the keys that the recipe `console` made.
    local roles = map:roles(function(name, account)
      return read("role", { cluster = cluster, name = name or arg.role, account = account })
    end)
    local keys = map:keys(roles, function(key)
      return read("key", { cluster = cluster, region = key.region, serves = key.serves, arn = key.arn or arg.key, account = key.account })
    end)

    -- "Every region must be listed": one request for all of them, then the Cloud works through them one by one.
    local specs = handover(cluster, roles, keys)
    ensure("cluster_cmek", { cluster = cluster, region_specs = specs.region_specs })
    return specs
  end,
}

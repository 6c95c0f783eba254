--- Enabling CMEK for a cluster whose role and keys are there: every region at once, then waiting until each uses its key.
return {
  api     = 1,
  summary = "Enable CMEK with the cluster's role and keys, which cannot be undone",
  args    = {
    { "cluster", "name, UUID or console URL of the cluster" },
    { "role",    "name of the IAM role, or its ARN; default: crdb-cmek, the cluster's name and the end of its UUID", default = names.role },
    { "key",     "ARN of a region's key, where it is not the one that has the cluster's alias", list = true },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    local cluster = read("cluster", arg.cluster)
    preflight(cluster)

    -- The role and the keys that the recipe `console` made.
    local role = read("role", { cluster = cluster, name = arg.role })
    local keys = task.map(cluster.regions, function(region)
      return read("key", { cluster = cluster, region = region.name, arn = arg.key })
    end)

    -- "Every region must be listed": one request for all of them, then the Cloud works through them one by one.
    local specs = handover(cluster, role, keys)
    ensure("cluster_cmek", { cluster = cluster, region_specs = specs.region_specs })
    return specs
  end,
}

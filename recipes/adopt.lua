--- A cluster whose CMEK was set up by hand: its role and keys get the cluster's tags and aliases, so that cmek looks after them.
return {
  api     = 1,
  summary = "Take over the role and keys that a cluster uses: tags and aliases, nothing else of them changes",
  args    = {
    { "cluster", "name, UUID or console URL of the cluster" },
  },
  touches = { "cloud", "iam", "kms" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)

    -- What CockroachDB Cloud uses now: a role, and a key for every region.
    local used = read("in_use", cluster)

    -- The page's Step 1 was done by hand. Its trust is compared and told; the recipe `console` puts it right.
    local role = ensure("adopted_role", { cluster = cluster, arn = used.role,
      trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })

    -- So was Step 2. A key that already says whose it is, or that several clusters share, is left alone.
    local keys = task.map(used.keys, function(key)
      return ensure("adopted_key", { cluster = cluster, region = key.region, arn = key.arn, status = key.status })
    end)

    -- From here on these are the role and the keys of the recipe `console`, which says what of them differs.
    go_on("console", { cluster = arg.cluster, role = used.role, key = used.arns })
    return handover(cluster, role, keys)
  end,
}

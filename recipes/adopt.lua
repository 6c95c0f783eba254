--- A cluster whose CMEK was set up by hand: its role and keys get the cluster's tags and aliases, so that cmek looks after them.
return {
  api     = 1,
  summary = "Take over the role and keys that a cluster uses: tags and aliases, nothing else of them changes",
  args    = {
    { "cluster",     "name, UUID or console URL of the cluster" },
    { "vault_mount", "where Vault's key management is, which may have made the keys; asked where a Vault is configured", like = "mount",
      default = "keymgmt" },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)

    -- What CockroachDB Cloud uses now: a role, and a key for every region.
    local used = read("in_use", cluster)

    -- The page's Step 1 was done by hand. Its trust is compared and told; the recipe `console` puts it right.
    local role = ensure("adopted_role", { cluster = cluster, arn = used.role,
      trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })

    -- So was Step 2, whether KMS, a person or Vault brought the material. A key that already says whose it is, or that several clusters
    -- share, is left alone.
    local keys = task.map(used.keys, function(key)
      return ensure("adopted_key", { cluster = cluster, region = key.region, serves = key.serves, arn = key.arn, status = key.status,
        vault_mount = arg.vault_mount })
    end)

    -- From here on these are the role and the keys of the recipe `console`, which says what of them differs.
    go_on("console", { cluster = arg.cluster, layout = used.layout, role = used.role, key = used.arns })
    return handover(cluster, role, keys)
  end,
}

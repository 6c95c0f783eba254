--- A cluster whose CMEK was set up by hand: its role and keys get the cluster's tags and aliases, so that cmek looks after them.
return {
  api     = 1,
  summary = "Take over the roles and keys that a cluster uses: tags and aliases, nothing else of them changes",
  args    = {
    { "cluster",     "name, UUID or console URL of the cluster" },
    { "reach",       "profile, ARN of a role to assume, or file of a layout, that leads to another account with keys of the cluster", list = true },
    { "save_layout", "file for the mapping of regions to keys and roles that is in use, as --layout takes it", optional = true },
    { "vault_mount", "where Vault's key management is, which may have made the keys; asked where a Vault is configured", like = "mount",
      default = "keymgmt" },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    preflight(cluster)

    -- What CockroachDB Cloud uses now: for every region a key and a role, "a key and IAM role combination per region".
    local used = read("in_use", { cluster = cluster, reach = arg.reach })

    -- The page's Step 1 was done by hand. Its trust is compared and told; the recipe `console` puts it right.
    task.map(used.roles, function(role)
      return ensure("adopted_role", { cluster = cluster, arn = role.arn, account = role.account,
        trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
    end)

    -- So was Step 2, whether KMS, a person or Vault brought the material. A key that already says whose it is, or that several clusters
    -- share, is left alone.
    task.map(used.keys, function(key)
      return ensure("adopted_key", { cluster = cluster, region = key.region, serves = key.serves, arn = key.arn, status = key.status,
        vault_mount = arg.vault_mount, account = key.account })
    end)

    -- From here on these are the roles and the keys of the recipe `console`, which says what of them differs.
    local on = used.going_on
    go_on("console", { cluster = arg.cluster, layout = arg.save_layout or on.layout, role = on.role, key = not arg.save_layout and on.key or nil },
      arg.save_layout and { path = arg.save_layout, text = used.mapping })
    return handover(cluster, used.roles[1] or {}, used.pairs)
  end,
}

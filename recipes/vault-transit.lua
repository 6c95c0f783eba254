--- The vendor page's Step 1 and Step 2 option B, for any Vault: key material that is made in Vault's transit engine, imported into a KMS key
--- in every region of the cluster. Needs no Vault Enterprise; OpenBao will do.
return {
  api     = 1,
  summary = "Create the cross-account role and a KMS key per region, with key material made in any Vault or OpenBao (transit)",
  args    = {
    { "cluster",     "name, UUID or console URL of the cluster" },
    { "vault_mount", "where the transit engine is mounted, or is to be", like = "mount", default = "transit" },
    { "form",        "exportable: Vault keeps the material, which can be imported again; wrapped: Vault makes it and keeps no copy",
      choices = { "exportable", "wrapped" }, default = "exportable" },
    { "layout",      "which key each region uses: own, shared, replica, or a file (cmek help layouts); default: own", optional = true },
    { "role",        "name of the IAM role, or ARN of one; default: crdb-cmek, the cluster's name and the end of its UUID", like = "role",
      default = names.role },
    { "admin",       "ARN that administers the keys; default: the account", list = true, like = "principal" },
    { "enable",      "enable CMEK with these keys at the end, which cannot be undone", type = "boolean" },

    -- What a company may want of everything that is made.
    { "tag",                  "a tag of the role and the keys", list = true, like = "tag" },
    { "role_path",            "the role's path, which cannot be changed later", optional = true, like = "path" },
    { "permissions_boundary", "the policy that bounds the role", optional = true, like = "policy" },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    local map = layout(cluster, arg.layout)
    preflight(cluster, { transit = arg.vault_mount, form = arg.form })

    -- Step 1. The role that CockroachDB Cloud assumes. It gets no permissions: the key's policy grants them.
    local roles = map:roles(function(name, account)
      return ensure("role", { cluster = cluster, name = name or arg.role, account = account, path = arg.role_path, tags = arg.tag,
        boundary = arg.permissions_boundary, trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
    end)

    -- Step 2, option B. "Enable the secrets engine", once for all regions.
    ensure("vault_mount", { cluster = cluster, path = arg.vault_mount, type = "transit" })

    -- In each region key material that is born in Vault, and a KMS key that it is imported into, for good. A replica is given the
    -- material of its primary.
    local keys = map:keys(roles, function(key)
      local material = { form = arg.form, mount = arg.vault_mount }
      if arg.form == "exportable" and key.kind == "key" then
        material = ensure("transit_key", { cluster = cluster, region = key.region, mount = arg.vault_mount })
      end
      return ensure(key.kind, { cluster = cluster, region = key.region, serves = key.serves, primary = key.primary, arn = key.arn,
        material = material, multi_region = key.multi_region, tags = arg.tag,
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

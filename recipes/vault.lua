--- The vendor page's Step 1 and Step 2 option B: keys that are made in Vault, and which Vault's key management engine puts into AWS KMS.
--- For Vault Enterprise and HCP; with any other Vault, and with OpenBao, the recipe vault-transit does it.
return {
  api     = 1,
  summary = "Create the cross-account role and a KMS key per region, made and kept by Vault Enterprise or HCP (key management engine)",
  args    = {
    { "cluster",     "name, UUID or console URL of the cluster" },
    { "vault_mount", "where the key management engine is mounted, or is to be", like = "mount", default = "keymgmt" },
    { "provider_credentials", "AWS credentials that Vault gets: server (its server's own), environment, profile:NAME, file:PATH, vault:kv/data/PATH",
      like = "credentials", default = "server" },
    { "update_credentials", "send these credentials again, to providers that are there", type = "boolean" },
    { "layout",      "which key each region uses: own, shared, or a file (cmek help layouts); default: own", optional = true },
    { "role",        "name of the IAM role, or ARN of one; default: crdb-cmek, the cluster's name and the end of its UUID", like = "role",
      default = names.role },
    { "admin",       "ARN that administers the keys; default: the account", list = true, like = "principal" },
    { "vault_principal", "ARN of whom Vault is in AWS, which with --admin keeps its rights to the keys; default: whose the credentials are",
      optional = true, like = "principal" },
    { "enable",      "enable CMEK with these keys at the end, which cannot be undone", type = "boolean" },

    -- What a company may want of everything that is made.
    { "tag",                  "a tag of the role and the keys", list = true, like = "tag" },
    { "role_path",            "the role's path, which cannot be changed later", optional = true, like = "path" },
    { "permissions_boundary", "the policy that bounds the role", optional = true, like = "policy" },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local org, cluster = cloud.organization(), read("cluster", arg.cluster)
    local map = layout(cluster, arg.layout, { replicas = "Vault's key management makes each key in its own region",
      accounts = "a provider of Vault's is of one account", existing = "Vault makes each key itself" })
    preflight(cluster, { keymgmt = arg.vault_mount })

    -- Step 1. The role that CockroachDB Cloud assumes. It gets no permissions: the key's policy grants them.
    local roles = map:roles(function(name, account)
      return ensure("role", { cluster = cluster, name = name or arg.role, account = account, path = arg.role_path, tags = arg.tag,
        boundary = arg.permissions_boundary, trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
    end)

    -- Step 2, option B. "Enable the KMS secrets engine", once for all regions.
    ensure("vault_mount", { cluster = cluster, path = arg.vault_mount, type = "keymgmt" })

    local keys = map:keys(roles, function(key)
      -- "Connect Vault to your AWS account by creating a KMS provider entry." A provider is of one region.
      local provider = ensure("vault_provider", { cluster = cluster, region = key.region, mount = arg.vault_mount,
        credentials = arg.provider_credentials, update = arg.update_credentials, principal = arg.vault_principal })

      -- "Create an encryption key in Vault." One for each region, since a key may sit in one provider alone.
      local born = ensure("vault_key", { cluster = cluster, region = key.region, mount = arg.vault_mount, type = "aes256-gcm96" })

      -- "Propagate the key to your KMS service."
      local material = ensure("vault_distribution", { cluster = cluster, region = key.region, serves = key.serves, provider = provider, key = born,
        purpose = "encrypt,decrypt", protection = "hsm" })

      -- "Select your key. Set the permissions policy for your key with the crdb-cmek-kms IAM policy." Vault keeps its own rights to it.
      return ensure("key", { cluster = cluster, region = key.region, serves = key.serves, material = material, tags = arg.tag,
        policy = policy.cmek { role = key.role, admins = arg.admin, vault = provider.principal } })
    end)

    -- "After you have provisioned the IAM role and KMS key in AWS, return to Enabling CMEK."
    local specs = handover(cluster, roles, keys)
    if arg.enable then
      ensure("cluster_cmek", { cluster = cluster, region_specs = specs.region_specs })
    end
    return specs
  end,
}

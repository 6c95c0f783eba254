--- A cluster with CMEK grows: a key in each new region first, for the role that the cluster uses, then the cluster is asked for the regions
--- with their keys, then both are waited for.
return {
  api     = 1,
  summary = "Add regions to a cluster that has CMEK, each with a key of its own; their nodes are paid for",
  args    = {
    { "cluster",  "name, UUID or console URL of the cluster" },
    { "add",      "a new region and its number of nodes, at least 3", list = true, required = true, like = "region_nodes" },
    { "key",      "ARN of a key that is there, for a new region; where none is named, one is made like the others", list = true },
    { "role",     "ARN or name of the role of the new regions, where the cluster has several", optional = true, like = "role" },
    { "reach",    "profile, ARN of a role to assume, or file of a layout, that leads to another account with keys of the cluster", list = true },
    { "admin",    "ARN that administers the keys; default: the account", list = true, like = "principal" },
    { "rotation", "days between automatic rotations, where KMS makes the keys", type = "integer", default = 365, min = 90, max = 2560 },
    { "tag",      "a tag of the keys", list = true, like = "tag" },

    -- Where Vault's key management makes the keys, as of the recipe `vault`.
    { "provider_credentials", "AWS credentials that Vault gets for the new regions: server (its server's own), environment, profile:NAME, file:PATH, "
      .. "vault:kv/data/PATH", like = "credentials", default = "server" },
    { "vault_principal", "ARN of whom Vault is in AWS, which with --admin keeps its rights to the keys; default: whose the credentials are",
      optional = true, like = "principal" },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local cluster = read("cluster", arg.cluster)
    preflight(cluster, { add = arg.add })

    -- What is asked for, held against what the cluster has: its role, and the form of its keys, which the new ones share.
    local growth = read("growth", { cluster = cluster, add = arg.add, key = arg.key, role = arg.role, reach = arg.reach })
    local role = growth.look(function(arn, account) return read("role", { cluster = cluster, name = arn, account = account }) end)

    -- Keys first: the Cloud tries each before it takes the request. Where the others are replicas of one key, so are the new ones.
    local material = growth.material
    local keys = growth.keys(role, function(region)
      if growth.key then return { region = region.name, arn = growth.key } end   -- all regions share one
      local from, provider = material, {}
      if material and material.form == "exportable" and not growth.primary then
        from = ensure("transit_key", { cluster = growth.cluster, region = region.name, mount = material.mount })
      elseif material and material.form == "distributed" then   -- which Vault puts into KMS itself
        provider = ensure("vault_provider", { cluster = growth.cluster, region = region.name, mount = material.mount,
          credentials = arg.provider_credentials, principal = arg.vault_principal })
        local born = ensure("vault_key", { cluster = growth.cluster, region = region.name, mount = material.mount, type = "aes256-gcm96" })
        from = ensure("vault_distribution", { cluster = growth.cluster, region = region.name, provider = provider, key = born,
          purpose = "encrypt,decrypt", protection = "hsm", account = growth.account })
      end
      return ensure(growth.primary and "replica" or "key", { cluster = growth.cluster, region = region.name, arn = arg.key,
        primary = growth.primary, material = from, rotation = not material and arg.rotation or nil, multi_region = growth.multi_region,
        tags = arg.tag, account = growth.account,
        policy = policy.cmek { role = role.arn, admins = arg.admin, vault = provider.principal, account = growth.account } })
    end)

    -- All regions with their nodes, and the keys of the new ones alone: "if a CMEK spec is provided for an existing region, the request
    -- is invalid". The Cloud works for about half an hour a region, then it gives them their keys.
    local specs = handover(cluster, role, keys)
    ensure("cluster_regions", { cluster = cluster, regions = growth.regions, region_specs = specs.region_specs })
    return specs
  end,
}

--- The vendor page's "Rotate a CMEK key": the next generation of the keys that a cluster uses, given to the Cloud; or the same keys again, for
--- which the vendor's page says: CockroachDB does not follow a rotation of KMS's by itself.
return {
  api     = 1,
  summary = "Give a cluster with CMEK the next keys; the old ones stay enabled, and needed",
  args    = {
    { "cluster",  "name, UUID or console URL of the cluster" },
    { "to",       "the generation to rotate to; default: the next one, or the one that a rotation was begun to and not finished", type = "integer",
      min = 2, optional = true },
    { "only",     "a region of the cluster to rotate; default: all of them", list = true },
    { "rewrap",   "no new keys: the same ones anew, with the material that KMS has by now", type = "boolean" },
    { "on_demand", "with --rewrap: KMS rotates the material of each key first", type = "boolean" },
    { "rotation", "days between KMS's own rotations of a new key; default: as the key in use", type = "integer", optional = true, min = 90,
      max = 2560 },

    -- Keys and roles of other AWS accounts.
    { "reach",    "profile, ARN of a role to assume, or file of a layout, that leads to another account with keys of the cluster", list = true },
    { "key",      "ARN of the next key of a region whose key is of an account that nothing leads to", list = true },

    -- One operator at a time, where there is a store of Vault's to write it down in.
    { "lock",      "a folder of a KV engine of version 2 for the lock, vault:MOUNT/data/PATH; default, for keys from Vault: vault:secret/data/cmek",
      optional = true },
    { "take_over", "the run that has the lock and is given up: this one goes on in its place", optional = true },
  },
  touches = { "cloud", "iam", "kms", "vault" },

  run = function(arg)
    local cluster = read("cluster", arg.cluster)
    preflight(cluster)

    -- What the Cloud says is in use, and what comes after it. Policy, tags and kind of the keys move forward; the roles stay.
    local due = read("rotation", { cluster = cluster, to = arg.to, only = arg.only, rewrap = arg.rewrap, on_demand = arg.on_demand,
      lock = arg.lock, reach = arg.reach, key = arg.key })
    local roles = due.roles(function(arn, account) return read("role", { cluster = cluster, name = arn, account = account }) end)

    if due.lock then
      ensure("rotation_lock", { cluster = cluster, mount = due.lock.mount, path = due.lock.path, take_over = arg.take_over })
    end

    -- A new key in each region. The one in use is neither changed nor disabled: what it has encrypted needs it.
    -- Where the material comes from Vault, it makes the next: version N of its key is that of generation N.
    local keys = due.keys(roles, function(key)
      local material, of = key.material, key.kind == "key" and key.material and key.material.form   -- a replica has its primary's
      if arg.on_demand and key.kind == "key" then
        ensure("material_rotation", { cluster = cluster, region = key.region, arn = key.arn, account = key.account })
      end
      if of == "exportable" then
        material = ensure("transit_key", { cluster = cluster, region = key.region, mount = material.mount, name = material.name,
          version = key.generation })
      elseif of == "distributed" then   -- which Vault puts into KMS itself
        local born = ensure("vault_key", { cluster = cluster, region = key.region, mount = material.mount, name = material.name,
          version = key.generation })
        material = ensure("vault_distribution", { cluster = cluster, region = key.region, provider = { name = material.provider }, key = born,
          version = key.generation, account = key.account })
      end
      return ensure(key.kind, { cluster = cluster, region = key.region, serves = key.serves, primary = key.primary, generation = key.generation,
        rotation = arg.rotation and key.kind == "key" and arg.rotation or key.rotation, material = material, tags = key.tags,
        multi_region = key.multi_region, policy = key.policy, inherits = key.inherits, account = key.account })
    end)

    -- "Only the regions to rotate" are listed: one request, then the Cloud works through them.
    local specs = handover(cluster, roles, keys)
    ensure("cmek_rotation", { cluster = cluster, region_specs = specs.region_specs, used = due.used, rewrap = arg.rewrap })
    for _, text in ipairs(due.needed) do say(text) end
    return specs
  end,
}

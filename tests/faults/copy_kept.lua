--- A planted fault: a transit key is made also where nobody is to keep a copy of the material.
return {
  recipe = "vault-transit", module = "engine.key.material", invariants = { "one key of Vault's per region, or none" }, shows = true, seed = 5,
  patch = function(real)
    local fill = real.fill
    function real.fill(context, want, id)
      context.session.vault.transit_create_key { mount = want.material.mount, name = require("names").vault_key(want.cluster, want.region) }
      return fill(context, want, id)
    end
    return real
  end,
}

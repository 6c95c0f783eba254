--- A planted fault: the alias is claimed before the key has its material, so for a time who has the alias cannot be used.
return {
  recipe = "vault-transit", module = "engine.key.material",
  invariants = { "no alias without material" }, shows = true, seed = 1,
  patch = function(real)
    local fill = real.fill
    function real.fill(context, want, id)
      require("engine.key.claim").claim(context, want.region, want.alias, id:match "[^/]+$")
      return fill(context, want, id)
    end
    return real
  end,
}

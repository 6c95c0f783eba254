--- A planted fault: what KMS keys have their material from a transit key is not asked before that goes.
return {
  recipe = "vault-transit", module = "engine.vault.holders", invariants = { "nothing goes from Vault that is needed" }, story = "destroy", seed = 4,
  patch = function(real)
    function real.of() return {} end
    return real
  end,
}

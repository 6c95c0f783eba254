--- A planted fault: nobody looks what is in an engine before it is unmounted.
return {
  recipe = "vault-transit", module = "engine.vault.side", invariants = { "nothing goes from Vault that is needed" }, story = "destroy", seed = 36,
  patch = function(real)
    function real.contents() return {} end
    return real
  end,
}

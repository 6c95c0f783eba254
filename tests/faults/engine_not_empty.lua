--- A planted fault: nobody looks what is in an engine before it is unmounted.
return {
  module = "engine.vault_side", invariants = { "nothing goes from Vault that is needed" }, story = "destroy", seed = 27,
  patch = function(real)
    function real.contents() return {} end
    return real
  end,
}

--- A planted fault: resume does not know the temporary keys that the run has left in Vault.
return {
  recipe = "vault-transit", module = "engine.temporary", invariants = { "no temporary key is left in Vault unsaid" }, story = "enable", seed = 14,
  patch = function(real)
    function real.left() return {} end
    return real
  end,
}

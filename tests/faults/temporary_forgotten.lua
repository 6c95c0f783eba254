--- A planted fault: resume does not know the temporary keys that the run has left in Vault.
return {
  recipe = "vault-transit", module = "engine.vault.temporary", story = "enable", seed = 14,
  invariants = { "no temporary key is left in Vault unsaid" },
  patch = function(real)
    function real.left() return {} end
    return real
  end,
}

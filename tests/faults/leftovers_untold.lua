--- A planted fault: what a distribution that failed has left in KMS is told to nobody.
return {
  recipe = "vault", module = "engine.vault.leftovers", invariants = { "what Vault left in KMS is told" }, story = "rotate", seed = 12,
  patch = function(real)
    function real.tell() end
    return real
  end,
}

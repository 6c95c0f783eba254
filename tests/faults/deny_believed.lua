--- A planted fault: a Deny that was sent is believed to stand, whatever KMS shows.
return {
  module = "policy.revocation", invariants = { "the Cloud is told after every key denies the role", "a revoked cluster is kept from every key" },
  story = "revoke", shows = true,
  patch = function(real)
    local sent, with, denies = {}, real.with, real.denies
    function real.with(policy, roles)
      local changed = with(policy, roles)
      sent[real.without(changed)] = true
      return changed
    end
    function real.denies(policy, roles) return denies(policy, roles) or sent[real.without(policy)] == true end
    return real
  end,
}

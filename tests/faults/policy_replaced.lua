--- A planted fault: a policy is put whole, and the statements of others go.
return {
  module = "policy", invariants = { "statements of others survive" }, seed = 14,
  patch = function(real)
    local changed = {}
    for name, value in pairs(real) do changed[name] = value end
    function changed.merge(want) return want end
    return changed
  end,
}

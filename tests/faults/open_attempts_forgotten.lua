--- A planted fault: resume does not look up the attempts that the journal leaves open.
return {
  module = "engine.key.attempt", invariants = { "every other key is quarantined and named in a journal" }, seed = 2,
  patch = function(real)
    return { new = function(context) return real.new(context, {}) end }
  end,
}

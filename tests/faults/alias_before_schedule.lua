--- A planted fault: the alias is released before the key is scheduled, so that nothing leads to a key whose destroying was cut short.
return {
  module = "resource.delete.key", invariants = { "every other key is quarantined and named in a journal" }, seed = 123,
  patch = function(real)
    local delete, finish = real.delete, real.finish
    function real.delete(context, want, have, guard)
      guard()
      finish(context, want, have)
      return delete(context, want, have, guard)
    end
    return real
  end,
}

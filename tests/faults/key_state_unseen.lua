--- A planted fault: verify takes every key for enabled.
return {
  module = "resource.check.key", invariants = { "verify finds exactly what is wrong" }, seed = 5,
  patch = function(real)
    local inspect = real.inspect
    function real.inspect(engine, list, want, have, mode)
      local changed = have and setmetatable({ state = "Enabled" }, { __index = have })
      return inspect(engine, list, want, changed, mode)
    end
    return real
  end,
}

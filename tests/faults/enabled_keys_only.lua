--- A planted fault: the guard looks at keys that are ENABLED, and at no other status.
return {
  module = "engine.cluster.named", seed = 11,
  invariants = { "nothing that is named is scheduled or deleted", "nothing that is named is left scheduled" },
  patch = function(real)
    local changed = {}
    for name, value in pairs(real) do changed[name] = value end
    function changed.read(context)
      local named = real.read(context)
      for arn, uses in pairs(named.uses) do
        local enabled = {}
        for _, use in ipairs(uses) do
          if use.text:find ", ENABLED$" then enabled[#enabled + 1] = use end
        end
        named.uses[arn] = #enabled > 0 and enabled or nil
      end
      return named
    end
    return changed
  end,
}

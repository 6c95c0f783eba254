--- A planted fault: what the Cloud names is not asked before keys are scheduled and the role goes.
return {
  module = "engine.cluster.named", invariants = { "nothing that is named is scheduled or deleted" }, seed = 14,
  patch = function(real)
    local changed = {}
    for name, value in pairs(real) do changed[name] = value end
    function changed.read(context)
      local session = setmetatable({ cloud = setmetatable({ clusters = function() return {} end }, { __index = context.session.cloud }) },
        { __index = context.session })
      return real.read(setmetatable({ session = session }, { __index = context }))
    end
    return changed
  end,
}

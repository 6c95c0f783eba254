--- A planted fault: things go in the order in which they were made, the role before its keys.
return {
  module = "engine.pass.destroy", invariants = { "the role goes after the keys" }, seed = 4,
  patch = function(real)
    local changed = {}
    for name, value in pairs(real) do changed[name] = value end
    function changed.run(engine, pass)
      return real.run(engine, function()
        pass()
        if engine.first_asked then engine.first_asked.role = math.huge end   -- what was asked for last goes first
      end)
    end
    return changed
  end,
}

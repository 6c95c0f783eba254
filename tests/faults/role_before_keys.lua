--- A planted fault: things go in the order in which they were made, the role before its keys.
return {
  module = "engine.destroy", invariants = { "the role goes after the keys" },
  patch = function(real)
    local changed = {}
    for name, value in pairs(real) do changed[name] = value end
    function changed.run(engine, pass)
      return real.run(engine, function()
        pass()
        local last = table.remove(engine.steps, 1)   -- the role: what is last in the list goes first
        if last then table.insert(engine.steps, last) end
      end)
    end
    return changed
  end,
}

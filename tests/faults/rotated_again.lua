--- A planted fault: a key that came by a rotation a moment ago is rotated again by whoever comes next.
return {
  recipe = "vault-transit", module = "engine.cluster.rotation", invariants = { "no generation that nobody asked for" }, story = "rotate",
  shows = true, seed = 1,
  patch = function(real)
    local read = real.read
    function real.read(engine, options)
      local clock = engine.context.clock
      local later = setmetatable({ now = function() return clock.now() + 7 * 86400 end }, { __index = clock })
      local context = setmetatable({ clock = later }, { __index = engine.context })
      return read(setmetatable({ context = context }, { __index = engine }), options)
    end
    return real
  end,
}

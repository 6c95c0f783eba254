--- A planted fault: an import is believed to have been made, whatever became of its answer.
return {
  recipe = "vault-transit", module = "engine.key.material", invariants = { "no alias without material" }, story = "enable", seed = 64,
  patch = function(real)
    local fill = real.fill
    function real.fill(context, want, id)
      local hasty = setmetatable({ poll = function(_, options)
        if options.reason:find "shows the material" then return true end
        return context:poll(options)
      end }, { __index = context })
      return fill(hasty, want, id)
    end
    return real
  end,
}

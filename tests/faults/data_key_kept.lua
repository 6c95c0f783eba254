--- A planted fault: one wrapped data key is taken for every import.
return {
  recipe = "vault-transit", module = "vault.operations", invariants = { "no two keys have the same material" }, shows = true, seed = 10,
  patch = function(real)
    local functions = real.functions
    function real.functions(call)
      local all, first = functions(call), nil
      local give = all.transit_wrapped_data_key
      function all.transit_wrapped_data_key(given)
        first = first or give(given)
        return first
      end
      return all
    end
    return real
  end,
}

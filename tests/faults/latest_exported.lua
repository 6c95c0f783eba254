--- A planted fault: the newest version of a transit key is imported, and not the one of the key's generation.
return {
  recipe = "vault-transit", module = "vault.operations", invariants = { "material is the version that its tag names" }, story = "enable", seed = 3,
  patch = function(real)
    local functions = real.functions
    function real.functions(call)
      local all = functions(call)
      local export = all.transit_export
      function all.transit_export(given)
        local answer = export { mount = given.mount, name = given.name, version = "latest" }
        return { keys = { [given.version] = select(2, next(answer.keys)) } }
      end
      return all
    end
    return real
  end,
}

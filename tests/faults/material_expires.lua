--- A planted fault: material is imported that expires, and nobody looks whether it does.
local IN_SUMMER <const> = 1814400000   -- 2027-07-01

return {
  recipe = "vault-transit", module = "engine.key.material", invariants = { "claimed keys have their material for good" }, shows = true, seed = 3,
  patch = function(real)
    local fill = real.fill
    function real.differences() return {} end
    function real.refusal() return nil end
    function real.fill(context, want, id)
      local kms = context.session.kms
      local changed = setmetatable({
        import_key_material = function(given)
          given.ExpirationModel, given.ValidTo = "KEY_MATERIAL_EXPIRES", IN_SUMMER
          return kms.import_key_material(given)
        end,
        describe_key = function(given)
          local answer = kms.describe_key(given)
          answer.KeyMetadata.ExpirationModel = nil
          return answer
        end,
      }, { __index = kms })
      local session = setmetatable({ kms = changed }, { __index = context.session })
      return fill(setmetatable({ session = session }, { __index = context }), want, id)
    end
    return real
  end,
}

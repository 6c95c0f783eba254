--- A planted fault: a rotation ends with the old keys disabled, as if nothing needed them any more.
return {
  recipe = "vault-transit", module = "resource.cmek_rotation", story = "rotate", shows = true,
  invariants = { "the keys from before a rotation stay enabled" }, seed = 1,
  patch = function(real)
    local update = real.update
    function real.update(context, want, have, step)
      local done = update(context, want, have, step)
      for region, arn in require("sorted")(want.used) do context.session.kms.disable_key { region = region, KeyId = arn } end
      return done
    end
    real.actions.kms[#real.actions.kms + 1] = "DisableKey"
    return real
  end,
}

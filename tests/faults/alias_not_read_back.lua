--- A planted fault: whoever asked for the alias believes to have it; nobody reads it back.
return {
  module = "engine.key.claim",
  invariants = { "every other key is quarantined and named in a journal", "CMEK enabled with those keys", "it comes to rest" }, seed = 1,
  patch = function(real)
    function real.claim(context, region, alias, id)
      context:try({ AlreadyExistsException = true, NotFoundException = true, KMSInvalidStateException = true, uncertain = true }, function()
        return context:write(function()
          return context.session.kms.create_alias { region = region, AliasName = alias, TargetKeyId = id }
        end)
      end)
      return id
    end
    return real
  end,
}

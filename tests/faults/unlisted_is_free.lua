--- A planted fault: an alias that ListAliases does not show is taken for free, and so for ours once it was asked for.
return {
  module = "engine.key.claim",
  invariants = { "every other key is quarantined and named in a journal", "CMEK enabled with those keys", "it comes to rest" }, seed = 12,
  patch = function(real)
    function real.claim(context, region, alias, id)
      context:try({ AlreadyExistsException = true, NotFoundException = true, KMSInvalidStateException = true, uncertain = true }, function()
        return context:write(function()
          return context.session.kms.create_alias { region = region, AliasName = alias, TargetKeyId = id }
        end)
      end)
      return real.holder(context, region, alias) or id
    end
    return real
  end,
}

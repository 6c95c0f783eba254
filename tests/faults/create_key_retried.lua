--- A planted fault: CreateKey is sent again when its answer was lost.
return {
  module = "aws.call", invariants = { "every other key is quarantined and named in a journal" }, seed = 8,
  patch = function(real)
    return { new = function(options)
      local caller = real.new(options)
      return setmetatable({ call = function(_, request)
        if request.operation == "CreateKey" then request.safe = true end
        return caller:call(request)
      end }, { __index = caller })
    end }
  end,
}

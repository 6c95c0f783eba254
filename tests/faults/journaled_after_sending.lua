--- A planted fault: an attempt is written down when its key is known, and not before CreateKey leaves.
return {
  module = "engine.key.attempt", invariants = { "every other key is quarantined and named in a journal" }, seed = 163,
  patch = function(real)
    return { new = function(context, entries)
      local attempts = real.new(context, entries)
      local begin, learn, late = attempts.begin, attempts.learn, {}
      function attempts:begin(options)
        local kept
        rawset(context, "note", function(_, entry) kept = entry end)
        local attempt = begin(self, options)
        rawset(context, "note", nil)
        late[attempt] = kept
        return attempt
      end
      function attempts:learn(attempt, arn)
        if late[attempt] then context:note(late[attempt]) end
        late[attempt] = nil
        return learn(self, attempt, arn)
      end
      return attempts
    end }
  end,
}

--- A planted fault: where a replica is wanted a key of its own is made.
return {
  module = "resource.replica", story = "replica", invariants = { "one family of keys: a primary and its replicas" }, shows = true, seed = 1,
  patch = function(real)
    local key = require "resource.key"
    real.find, real.create, real.update, real.refusal, real.differences = key.find, key.create, key.update, key.refusal, key.differences
    return real
  end,
}

--- A planted fault: explicit Deny is not seen, by preflight and simulator alike.
return {
  module = "policy.evaluate", invariants = { "nothing that is denied is enabled" }, seed = 5,
  patch = function(real) return dofile "tests/faults/policy_deny_ignored.lua"(real) end,
}

--- A planted fault: what is put without the Deny is the policy as cmek makes it, not as it was found.
return {
  module = "policy.revocation", invariants = { "a policy is as it was before the Deny" }, story = "revoke", shows = true,
  patch = function(real)
    local without = real.without
    function real.without(policy)
      local document, kept = require("policy").parse(without(policy)), require("json").array {}
      for _, statement in ipairs(document.Statement) do
        if require("policy.build").OWN_SIDS[statement.Sid or ""] then kept[#kept + 1] = statement end
      end
      document.Statement = kept
      return require("policy").json(document)
    end
    return real
  end,
}

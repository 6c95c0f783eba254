--- A planted fault: the map of regions is made from what the plan has seen, so that a region which somebody else has added is left out.
return {
  module = "resource.cluster_regions", story = "add-region",
  invariants = { "the cluster has every region once, with its nodes", "it comes to rest" }, seed = 11,
  patch = function(real)
    local create = real.create
    function real.create(context, want, step)
      local session, sent = context.session, false
      local cloud = setmetatable({
        cluster = function(id)
          local now = session.cloud.cluster(id)
          return not sent and now.state ~= "LOCKED" and want.cluster or now
        end,
        update_cluster = function(...)
          sent = true
          return session.cloud.update_cluster(...)
        end,
      }, { __index = session.cloud })
      context.session = setmetatable({ cloud = cloud }, { __index = session })
      local ok, have = pcall(create, context, want, step)
      context.session = session
      if not ok then error(have, 0) end
      return have
    end
    return real
  end,
}

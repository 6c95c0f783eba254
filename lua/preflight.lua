--- What must hold before anything is made: the cluster can have CMEK, and we know who we are in AWS.
local failure = require "engine.failure"
local names = require "names"

local M = {}

--- The checks that verify makes before it looks at anything in AWS.
M.checks = {
  { id = "cloud.organization", severity = "high", text = "the organization can be read (listed when it cannot)" },
  { id = "cluster.exists", severity = "high", text = "the cluster can be read (listed when it cannot)" },
  { id = "cluster.plan", severity = "high", text = "its plan is ADVANCED" },
  { id = "cluster.cloud", severity = "high", text = "it runs on AWS" },
  { id = "cluster.network", severity = "high", text = "its network is private" },
  { id = "cluster.state", severity = "high", text = "it is there and not being made" },
  { id = "cluster.account", severity = "high", text = "the Cloud names the AWS account that uses the keys" },
  { id = "aws.account", severity = "high", text = "the AWS credentials are not of that account" },
}

-- Each fact of the cluster: what must be so, and what to say when it is not. Without a `basis` nothing else can be looked at.
local FACTS <const> = {
  { id = "cluster.plan", field = "plan", want = "ADVANCED",
    fits = function(c) return c.plan == "ADVANCED" or c.plan == "DEDICATED" end,
    text = function(c) return ("its plan is %s, and CMEK needs ADVANCED"):format(c.plan) end },
  { id = "cluster.cloud", field = "cloud_provider", want = "AWS", basis = true, fits = function(c) return c.cloud_provider == "AWS" end,
    text = function(c) return ("it runs on %s, and this recipe makes keys in AWS, for clusters on AWS"):format(c.cloud_provider) end },
  { id = "cluster.network", field = "network_visibility", want = "PRIVATE", fits = function(c) return c.network_visibility == "PRIVATE" end,
    text = function(c)
      return ("its network is %s, and CMEK needs a private cluster with advanced security, which can be chosen only when a cluster is made")
        :format(c.network_visibility or "not known to be private")
    end },
  { id = "cluster.state", field = "state", want = "CREATED", fits = function(c) return c.state == "CREATED" or c.state == "LOCKED" end,
    text = function(c)
      if c.state == "CREATING" then return "it is still being created (state CREATING): run this again when its state is CREATED" end
      return ("its state is %s, and must be CREATED"):format(c.state)
    end },
  { id = "cluster.account", field = "account_id", want = "12 digits", basis = true,
    fits = function(c) return tostring(c.account_id or ""):find "^%d%d%d%d%d%d%d%d%d%d%d%d$" ~= nil end,
    text = function(c)
      return ("the Cloud names '%s' as its AWS account, and a 12-digit account is needed to trust"):format(tostring(c.account_id or ""))
    end },
}

local function said(cluster) return ("cluster %s (%s)"):format(cluster.name, cluster.id) end

--- What keeps a cluster from having CMEK, by its own facts; {} when nothing does.
---@param cluster table
---@return string[] reasons  sentences
---@return string[] facts    the same as the names of its facts: "plan", "cloud", "network", "state", "account"
function M.ineligible(cluster)
  local wrong, short = {}, {}
  for _, fact in ipairs(FACTS) do
    local elsewhere = fact.id == "cluster.account" and cluster.cloud_provider ~= "AWS"   -- which has no AWS account to name
    if not fact.fits(cluster) and not elsewhere then
      wrong[#wrong + 1], short[#short + 1] = fact.text(cluster), fact.id:match "[^.]+$"
    end
  end
  return wrong, short
end

-- Checks the cluster; in verify each check is listed, and the pass goes on unless nothing more can be said; else what is wrong is
-- raised, all of it at once.
local function check_cluster(engine, cluster)
  local wrong, baseless, worst = {}, false, nil
  for _, fact in ipairs(FACTS) do
    if fact.fits(cluster) then
      local locked = fact.id == "cluster.state" and cluster.state == "LOCKED"
      engine:checked_as { id = fact.id, object = cluster.name, result = "ok", text = locked and "LOCKED: another job runs" or nil }
    else
      wrong[#wrong + 1] = fact.text(cluster)
      baseless, worst = baseless or fact.basis, worst or fact.id
      engine:found { id = fact.id, severity = "high", object = cluster.name, field = fact.field, have = cluster[fact.field], want = fact.want,
        text = fact.text(cluster) }
    end
  end
  if baseless and engine.mode == "verify" then require("engine.pass.verify").stop() end
  if #wrong > 0 and engine.mode ~= "verify" then
    failure.raise({ code = "precondition", service = "cloud", what = "checking " .. said(cluster), message = table.concat(wrong, "; ") },
      worst, { name = cluster.name, network = cluster.network_visibility, plan = cluster.plan, cloud = cluster.cloud_provider,
        state = cluster.state, account = tostring(cluster.account_id or "") })
  end
end

local function check_account(engine, cluster, identity)
  if identity.account ~= cluster.account_id then
    engine:checked_as { id = "aws.account", object = identity.account, result = "ok" }
    return
  end
  local text = ("the AWS credentials are of account %s, which is the account that CockroachDB Cloud uses for this cluster; yours is another one")
    :format(identity.account)
  engine:found { id = "aws.account", severity = "high", object = identity.account, have = identity.account, want = "an account of yours",
    text = text }
  if engine.mode == "verify" then require("engine.pass.verify").stop() end
  failure.raise({ code = "precondition", service = "sts", what = "checking the AWS account", message = text },
    "cluster.own-account", { account = identity.account })
end

--- Starts the reads that a cluster's recipes need, all at once: their answers travel while others are read.
local function foresee(engine, cluster, identity)
  local context = engine.context
  local name = require("engine.key.existing").role(type(engine.arguments.role) == "string" and engine.arguments.role or names.role(cluster))
  context:begin("cmek " .. cluster.id, function() return context.session.cloud.cmek(cluster.id) end)
  engine:foresee("role", { cluster = cluster, name = name })
  for _, region in ipairs(cluster.regions or {}) do engine:foresee("key", { cluster = cluster, region = region.name }) end
  if engine.mode ~= "verify" and engine.mode ~= "destroy" then
    local arn = require("resource.role").arn(identity, { name = name, path = engine.arguments.role_path })
    require("engine.policy.rights").foresee(context, cluster, arn)
  end
end

-- Keys are made by region, so a cluster without any is not one that is ready, or the answer is not the Cloud's.
local function need_regions(cluster)
  if #(cluster.regions or {}) > 0 then return end
  failure.raise { code = "precondition", service = "cloud", what = "checking " .. said(cluster), message = "the Cloud names no region of it" }
end

-- What was made can be taken back whatever has become of the cluster since, as long as its keys can be in AWS.
local function for_destroy(engine, cluster)
  local wrong = {}
  for _, fact in ipairs(FACTS) do
    if fact.id == "cluster.cloud" and not fact.fits(cluster) then wrong[#wrong + 1] = fact.text(cluster) end
  end
  if wrong[1] then failure.raise { code = "precondition", service = "cloud", what = "checking " .. said(cluster), message = wrong[1] } end
  need_regions(cluster)
  engine.identity = engine.context:identity()
  foresee(engine, cluster, engine.identity)
end

--- Checks a cluster and the account before anything is made. Raises what is wrong, naming all of it; in verify it is a finding.
---@param engine table
---@param cluster table
function M.run(engine, cluster)
  if engine.mode == "destroy" then return for_destroy(engine, cluster) end
  check_cluster(engine, cluster)
  need_regions(cluster)
  if cluster.state == "LOCKED" then
    engine.context:warn(said(cluster) .. " is locked by another job; what the Cloud is asked for will wait until it is free")
  end
  if engine.spec then   -- which stands for AWS
    engine.context:cmek(cluster)
    return
  end
  local identity = engine.context:identity()
  engine.identity = identity
  check_account(engine, cluster, identity)
  foresee(engine, cluster, identity)
end

return M

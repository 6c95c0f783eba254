-- verify of the cluster: what it is, and whether every region of it uses its key, with its role.
local json = require "json"
local names = require "names"
local verifier = dofile "tests/verifier.lua"

local WEST <const> = "us-west-2"

local function cluster(who)
  for _, one in ipairs(who.simulation.state.cloud.clusters) do
    if one.name == "orders" then return one end
  end
end

local function set(field, value)
  return function(who) cluster(who)[field] = value end
end

-- Changes what the Cloud says of one region.
local function region(change)
  return function(who)
    for at, info in ipairs(cluster(who).cmek.region_infos) do
      if info.region == WEST then return change(info, info.key_infos[1], at, cluster(who).cmek.region_infos) end
    end
  end
end

local function at(id) return id .. " " .. WEST end

local OTHER <const> = "arn:aws:kms:us-west-2:345678901234:key/11111111-2222-4333-8444-555555555555"

local CASES <const> = {
  { "another plan", finds = "cluster.plan", breaks = set("plan", "STANDARD"), field = "plan", have = "STANDARD", want = "ADVANCED", mends = false },
  { "another cloud", finds = "cluster.cloud", breaks = set("cloud_provider", "GCP"), have = "GCP", want = "AWS", mends = false },
  { "a public network", finds = "cluster.network", breaks = set("network_visibility", "PUBLIC"), have = "PUBLIC", want = "PRIVATE", mends = false },
  { "a cluster that is being made", finds = "cluster.state", breaks = set("state", "CREATING"), have = "CREATING", mends = false },
  { "no AWS account", finds = "cluster.account", breaks = set("account_id", ""), mends = false },
  { "credentials of CockroachDB's account", finds = "aws.account", breaks = set("account_id", verifier.ACCOUNT), have = verifier.ACCOUNT,
    mends = false },
  { "a region that the Cloud does not name", finds = "cluster_cmek.regions", field = WEST, have = "missing", mends = false,
    breaks = region(function(_, _, place, all) table.remove(all, place) end) },
  { "a region that is named twice", finds = "cluster_cmek.regions", field = WEST, have = 2, mends = false,
    breaks = region(function(info, _, place, all) table.insert(all, place, info) end) },
  { "a region that the cluster does not have", finds = "cluster_cmek.regions", field = "eu-north-1", want = json.null, mends = false,
    breaks = region(function(info, _, _, all) table.insert(all, { region = "eu-north-1", status = "ENABLED", key_infos = info.key_infos }) end) },
  { "another key in use", finds = at "cluster_cmek.key", field = "uri", have = OTHER, mends = false,
    breaks = region(function(_, key) key.spec.uri = OTHER end) },
  { "a key that is no longer in use", finds = at "cluster_cmek.key", have = json.null, mends = false,
    breaks = region(function(_, key) key.status = "DISABLED" end) },
  { "another role in use", finds = at "cluster_cmek.role", field = "auth_principal", have = "arn:aws:iam::210987654321:role/old", mends = false,
    breaks = region(function(_, key) key.spec.auth_principal = "arn:aws:iam::210987654321:role/old" end) },
  { "a region that failed", finds = at "cluster_cmek.enabled", have = "region ENABLE_FAILED, key ENABLE_FAILED", text = "no such key", mends = "run",
    breaks = function(who)
      cluster(who).cmek.status = "ENABLE_FAILED"
      region(function(info, key) info.status, key.status, key.user_message = "ENABLE_FAILED", "ENABLE_FAILED", "no such key" end)(who)
    end },
  { "a region whose key was revoked", finds = at "cluster_cmek.enabled", have = "region REVOKED, key REVOKED", mends = false,
    breaks = region(function(info, key) info.status, key.status = "REVOKED", "REVOKED" end) },
}

for _, case in ipairs(CASES) do
  test[("%s: %s and nothing else"):format(case[1], case.finds)] = function() verifier.check(case) end
end

test["CMEK that was never enabled is a finding where it was asked for, and is told where it was not"] = function()
  local who = verifier.open()
  verifier.run(who, "console")
  local list, report, status = verifier.found(who)
  test.equal({ list, status, report.findings[1].have, report.findings[1].want }, { { "cluster_cmek.exists" }, 6, "DISABLED", "ENABLED" })
  test.equal(report.findings[1].mend, "cmek run enable --cluster orders")
  local none, calm, fine = verifier.found(who, { arguments = {} })
  test.equal({ none, fine }, { {}, 0 })
  test.equal(verifier.rows(calm, "cluster_cmek.exists")[1].text, "not enabled yet: cmek run enable --cluster orders")
  verifier.mend(who, report.findings[1].mend)
  test.equal((verifier.found(who)), {})
end

test["without --enable the use of the keys is verified all the same"] = function()
  local who = verifier.enabled()
  local _, report = verifier.found(who, { arguments = {} })
  test.equal(#verifier.rows(report, "cluster_cmek.key"), 3)
  region(function(_, key) key.spec.uri = OTHER end)(who)
  test.equal((verifier.found(who, { arguments = {} })), { at "cluster_cmek.key" })
end

test["a locked cluster is told and is no finding"] = function()
  local who = verifier.enabled()
  cluster(who).state = "LOCKED"
  local list, report = verifier.found(who)
  test.equal(list, {})
  test.contains(verifier.rows(report, "cluster.state")[1].text, "LOCKED")
end

test["enable verifies what it reads, and what CockroachDB may do with it"] = function()
  local who = verifier.enabled()
  local list, report, status = verifier.found(who, { recipe = "enable", arguments = {} })
  test.equal({ list, status }, { {}, 0 })
  for _, id in ipairs { "role.access", "role.boundary" } do test.equal(#verifier.rows(report, id), 1) end
  for _, id in ipairs { "key.state", "key.access", "cluster_cmek.enabled" } do test.equal(#verifier.rows(report, id), 3) end
  verifier.within(who, function(session) session.iam.delete_role { RoleName = names.role(verifier.CLUSTER) } end)
  list, report = verifier.found(who, { recipe = "enable", arguments = {} })
  test.equal({ list, report.findings[1].mend }, { { "role.exists" }, "cmek run console --cluster orders" })
end

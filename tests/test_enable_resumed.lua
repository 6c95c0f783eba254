-- What lasts for hours at the Cloud survives a closed laptop: another process takes the wait up with the Cloud's key alone.
local fakes = dofile "tests/fakes.lua"
local json = require "json"
local outside = dofile "tests/outside.lua"

-- Without any credentials or settings of AWS.
local ALONE <const> = "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN -u AWS_PROFILE -u AWS_REGION -u AWS_DEFAULT_REGION "
  .. "-u AWS_ENDPOINT_URL -u AWS_CONFIG_FILE -u AWS_SHARED_CREDENTIALS_FILE "

-- Lets a run begin, kills it as soon as the Cloud has the keys, and takes it up without AWS.
local function killed_and_resumed(run, directory)
  directory = directory or test.directory()
  return outside.simulated(([[%s >$D/first 2>&1 &
    child=$!
    n=0; until "$CMEK" exec $D/asked.lua 2>/dev/null | grep -q asked || [ $n -gt 100 ]; do n=$((n+1)); sleep 0.1; done
    kill -9 $child; wait $child 2>/dev/null
    wc -l <$D/log >$D/lines
    %s"$CMEK" resume --yes --json >$D/second 2>$D/errors; echo "resumed $?"]]):format(run, ALONE), { directory = directory,
      sim = { "--enabling", "3", "--state", directory .. "/state.json" } })
end

local ASKED <const> = [[
local cluster = cloud.find_cluster "orders"
if cluster.state == "LOCKED" then print "asked" end
]]

local simulated = outside.simulated
function outside.simulated(command, options)
  options = options or {}
  options.directory = options.directory or test.directory()
  assert(require("file").write(options.directory .. "/asked.lua", ASKED))
  return simulated(command, options)
end

-- What was asked of AWS from when the run was taken up.
local function asked_of_aws(result)
  local lines, list = tonumber(require("file").read(result.directory .. "/lines")), {}
  for i, entry in ipairs(result.log) do
    if i > lines and entry.service ~= "cloud" then list[#list + 1] = entry.service .. " " .. entry.operation end
  end
  return list, #result.log - lines
end

local function report(result) return assert(json.decode(require("file").read(result.directory .. "/second"))) end

local function count(result, operation)
  local number = 0
  for _, entry in ipairs(result.log) do number = number + (entry.operation == operation and 1 or 0) end
  return number
end

test["enabling that a killed run asked for is waited for by resume, with the Cloud's key alone: AWS is not asked, nothing is sent"] = function()
  local result = killed_and_resumed '"$CMEK" run console --cluster orders --enable --yes --confirm orders'
  test.contains(result.output, "resumed 0")
  local asked, all = asked_of_aws(result)
  test.equal({ asked, all > 2, count(result, "EnableCMEKSpec") }, { {}, true, 1 })
  local document = report(result)
  test.equal({ document.run.status, document.cmek.status, #document.handover.region_specs }, { "done", "ENABLED", 3 })
end

test["so is a region that is being added"] = function()
  local directory = test.directory()
  outside.simulated('"$CMEK" run console --cluster orders --enable --yes --confirm orders', { directory = directory,
    sim = { "--state", directory .. "/state.json" } })
  local result = killed_and_resumed('"$CMEK" run add-region --cluster orders --add ap-southeast-2=3 --yes --confirm orders', directory)
  test.contains(result.output, "resumed 0")
  local asked, all = asked_of_aws(result)
  test.equal({ asked, all > 2, count(result, "UpdateCluster") }, { {}, true, 1 })
  local document = report(result)
  test.equal({ document.run.status, document.handover.region_specs[1].region }, { "done", "ap-southeast-2" })
end

test["before the Cloud was asked resume needs AWS, and says so"] = function()
  local result = outside.simulated([["$CMEK" run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1
    ]] .. ALONE .. [["$CMEK" resume; echo "resumed $?"]],
    { sim = { "--fault", "error service=kms operation=CreateAlias code=LimitExceededException" } })
  test.contains(result.errors, "no AWS credentials")
  test.matches(result.output, "resumed [45]\n")
end

-- With fakes: what the real thing may do that the simulator does not ---------------------------------------------------------------

test["a run whose laptop was closed for hours finds everything done, and makes nothing"] = function()
  local world = fakes.world()
  local died = false
  world.fault = function(call)
    if call.operation == "enable_cmek" and not died then
      died = true
      return "crash after"
    end
  end
  fakes.run(world, "console", { arguments = { enable = true }, confirm = "orders" })
  local journal = world.journal
  world.fault = function(call) if call.service ~= "cloud" then error("asked " .. call.operation, 0) end end
  world.now = world.now + 7200
  world.identity = nil
  local again, status = fakes.run(world, "console", { arguments = { enable = true }, confirm = "orders", entries = journal })
  test.equal({ status, again.error, fakes.count(world, "enable_cmek"), #again.handover.region_specs }, { 0, nil, 1, 3 })
end

test["a run that found the Cloud at it and waited does not say that there was nothing to do"] = function()
  local result = outside.simulated([["$CMEK" run console --cluster orders --enable --yes --confirm orders >/dev/null 2>&1 &
    n=0; until "$CMEK" exec $D/asked.lua 2>/dev/null | grep -q asked || [ $n -gt 100 ]; do n=$((n+1)); sleep 0.1; done
    "$CMEK" run enable --cluster orders --yes; "$CMEK" run enable --cluster orders --yes; wait]], { sim = { "--enabling", "3" } })
  local first, second = result.output:match "Done: what was under way was waited for %(run [%w-]+%)()", result.output:match "()Nothing to do"
  test.truthy(first and second and first < second, result.text)
end

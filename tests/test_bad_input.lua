-- Bad input, from outside: a text that says what is wrong and what to do, the designed exit status, and nothing made.
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

local simulated = outside.simulated

--- Runs each { command, status, word… } with $URL the hostile service: all its words must be told, and nothing be made.
local function refuses(cases, options)
  for _, case in ipairs(cases) do
    local result = simulated(("export URL=%s; %s"):format(outside.hostile(), case[1]), options)
    local name = case[1] .. ": "
    for i = 3, #case do test.contains(name .. result.text, case[i]) end
    test.equal({ name, result.status, result:writes() }, { name, case[2], 0 })
    outside.plain(result.text)
  end
end

-- What takes the Cloud's client 15 seconds of trying: begun with the first sentence, looked at by the last.
local SLOW <const> = {
  { "COCKROACH_SERVER=http://127.0.0.1:9", "127.0.0.1:9", "next: nothing answers there: check the endpoint (COCKROACH_SERVER)" },
  { "COCKROACH_SERVER=$URL/cut", "next: the answer was cut short on the way" },
  { "COCKROACH_SERVER=$URL/empty", "200: the answer is empty", "(COCKROACH_SERVER)" },
  { "COCKROACH_SERVER=$URL/list", "the answer is a list where an object was expected", "(COCKROACH_SERVER)" },
  { "COCKROACH_SERVER=$URL/gateway", "502: an HTML page: Bad Gateway", "(COCKROACH_SERVER)" },
}
local slow

local function begin_slow()
  if slow then return end
  slow = {}
  for i, case in ipairs(SLOW) do
    slow[i] = outside.begin(("export URL=%s; %s $CMEK run console --cluster orders --yes"):format(outside.hostile(), case[1]))
  end
end

-- ---- who asks the Cloud, and for which cluster ----

test["a Cloud key that is missing, wrong, or without the role"] = function()
  begin_slow()
  local run = "$CMEK run console --cluster orders --enable --yes --confirm orders"
  local key = "CCDB1_SIMULATEDSIMULATED%s_simulatedsimulatedsimulatedsimulated%s"
  local developer, member = key:format("0002", "0002"), key:format("0003", "0003")
  refuses {
    { "unset COCKROACH_API_KEY; " .. run, 4, "COCKROACH_API_KEY is not set", "Access Management > Service accounts", "cmek sim -- cmek" },
    { "COCKROACH_API_KEY=nope " .. run, 4, "401", "does not accept COCKROACH_API_KEY" },
    { "unset COCKROACH_API_KEY; COCKROACH_API_JWT=nope " .. run, 4, "COCKROACH_VANITY_NAME" },
    { "COCKROACH_API_JWT=nope " .. run, 4, "both set" },
    { ("COCKROACH_API_KEY=%s %s"):format(developer, run), 1, "403", "Cluster Operator" },
    { ("COCKROACH_API_KEY=%s %s"):format(member, run), 1, "403", "Cluster Operator" },
    { ("COCKROACH_API_KEY=%s $CMEK status"):format(member), 1, "403" },
  }
end

test["a cluster that is unknown, ambiguous, elsewhere, public, not ready, or in use with other keys"] = function()
  local run = "$CMEK run console --yes --cluster "
  refuses {
    { run .. "oders", 1, "there is no cluster 'oders'", "did you mean orders (8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7)" },
    { run .. "nothing-like-it", 1, "there are orders (" },
    { run .. "8b6d7a10-4c1e-4b7a-9a53-000000000000", 1, "8b6d7a10-4c1e-4b7a-9a53-000000000000", "there are orders (" },
    { run .. "exco", 1, "'exco' is the organization" },
    { run .. "orders-gcp", 1, "it runs on GCP" },
    { run .. "orders-public", 1, "its network is PUBLIC" },
    { run .. "orders-creating", 1, "CREATING" },
    { run .. "orders-enabled", 1, "arn:aws:kms:us-east-1:345678901234:key/", "not cmek's" },
    { "$CMEK run enable --yes --cluster orders", 1, "there is no role", "cmek run console" },
  }
  local clusters = test.directory() .. "/clusters"
  assert(file.write(clusters, '[{"name":"twin","regions":["us-east-1"]},{"name":"twin","regions":["us-east-2"]}]'))
  refuses({ { run .. "twin", 1, "'twin' is the name of 2 clusters: twin (", "), twin (", "next: name one by its ID" } },
    { sim = { "--clusters", clusters } })
  assert(file.write(clusters, "[]"))
  refuses({ { run .. "twin", 1, "this key sees no cluster at all" } }, { sim = { "--clusters", clusters } })
end

-- ---- who asks AWS ----

test["AWS credentials that are missing, half, wrong, unknown, or expired"] = function()
  local run = "$CMEK run console --cluster orders --yes"
  refuses {
    { "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; " .. run, 4, "no AWS credentials", "AWS_PROFILE" },
    { "unset AWS_SECRET_ACCESS_KEY; " .. run, 4, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not" },
    { "AWS_SECRET_ACCESS_KEY=wrong-and-secret " .. run, 4, "SignatureDoesNotMatch", "next: the environment: the secret access key" },
    { "AWS_ACCESS_KEY_ID=AKIANOBODY " .. run, 4, "InvalidClientTokenId", "cause: AWS does not know this access key ID" },
    { "AWS_CREDENTIAL_EXPIRATION=2020-01-01T00:00:00Z " .. run, 4, "expired at 2020-01-01T00:00:00Z", "next: get new credentials" },
    { "AWS_ENDPOINT_URL_KMS=$URL/expired " .. run, 4, "ExpiredTokenException", "get new credentials" },
    { "$CMEK run console --cluster orders --yes --account 000000000001", 2, "210987654321", "--account 000000000001" },
  }
  local result = simulated("AWS_SECRET_ACCESS_KEY=wrong-and-secret $CMEK run console --cluster orders --yes --json")
  test.truthy(not result.text:find("wrong-and-secret", 1, true))
  local document = assert(json.decode(result.output))
  test.equal({ result.status, document.schema, document.error.code, document.error.service },
    { 4, "cmek.error/1", "SignatureDoesNotMatch", "sts" })
end

test["a clock that is an hour off is corrected once and said once, and the run comes to its end"] = function()
  for skew, words in pairs { ["3600"] = "60 min behind AWS's", ["-3600"] = "60 min ahead of AWS's" } do
    local result = simulated("$CMEK run console --cluster orders --yes", { sim = { "--skew", skew } })
    test.equal({ result.status, result:writes "CreateKey", result:refused(400) }, { 0, 3, 1 })
    test.contains(result.errors, words)
    test.equal(select(2, result.errors:gsub("this machine's clock", "")), 1)
  end
  local result = simulated "$CMEK run console --cluster orders --yes"
  test.equal({ result:refused(400), result.errors:find("this machine's clock", 1, true) }, { 0 })
end

-- ---- what answers ----

test["an AWS service that answers what it should not"] = function()
  local cases = {}
  local sign_in = { "Please log in to the guests' network", "next: somebody else than the service answers" }
  for fault, words in pairs {
    cut = { "next: the answer was cut short" }, half = { "the answer is not the JSON that was expected" },
    text = { "'It works!'", "the answer is not the JSON" }, xml = { "the answer is not the JSON" },
    list = { "the answer is a list where an object was expected" }, empty = { "200: the answer is empty" }, html = sign_in,
    gateway = { "502 BadGateway", "Bad Gateway" }, big = { "the answer is longer than 16 MiB" }, gone = { "Empty reply", "next: run this again" },
    elsewhere = { "302", "sends us to 'http://192.0.2.1/login'", "next: somebody else" },
  } do
    cases[#cases + 1] = { ("AWS_ENDPOINT_URL_KMS=$URL/%s $CMEK run console --cluster orders-one --yes"):format(fault), 1, "kms ListAliases",
      table.unpack(words) }
  end
  for fault, words in pairs {
    text = { "the answer is not the XML that was expected", "'It works!'" }, xml = { "the answer is not the XML" }, list = { "'[1,2]'" },
    empty = { "the answer is empty" }, html = sign_in, gateway = { "502" }, big = { "longer than 16 MiB" },
  } do
    cases[#cases + 1] = { ("AWS_ENDPOINT_URL_STS=$URL/%s $CMEK run console --cluster orders-one --yes"):format(fault), 1,
      "sts GetCallerIdentity", table.unpack(words) }
  end
  refuses(cases)
end

test["what a service says cannot steer the terminal"] = function()
  for _, variable in ipairs { "AWS_ENDPOINT_URL_KMS", "COCKROACH_SERVER" } do
    local result = simulated(("%s=%s/steering $CMEK run console --cluster orders-one --yes"):format(variable, (outside.hostile())))
    test.equal({ result.status, result.text:find "[\27\7\r]", result.text:find "\194\155" }, { 1 })
    test.contains(result.errors, "gone")
  end
end

test["a service that quotes what it was sent gives no secret away: not as text, as a document, as events, in the journal, to a script"] = function()
  local script = test.directory() .. "/mine.lua"
  assert(file.write(script, 'print(select(2, pcall(kms.list_aliases, { region = "us-east-1" })).message)'))
  local run = "COCKROACH_API_KEY=CCDB1_quotedquotedquoted_quotedquotedquoted COCKROACH_SERVER=$URL/echo $CMEK run console --cluster orders --yes"
  for _, command in ipairs { run, run .. " --json", run .. " --json=lines",
    "AWS_SESSION_TOKEN=quotedquotedquotedquoted AWS_ENDPOINT_URL_KMS=$URL/echo $CMEK exec " .. script } do
    local result = simulated(("export URL=%s; (%s); cat $D/state/simulated-runs/*.jsonl"):format(outside.hostile(), command))
    test.matches(command .. result.text, "quoted.*Host: 127%.0%.0%.1.*%*%*%*%*%*%*%*%*")
    test.equal({ command, result.text:find("quoted", 1, true) }, { command })
  end
end

test["what the Cloud should not answer, where trying again cannot help"] = function()
  refuses {
    { "COCKROACH_SERVER=$URL/big $CMEK run console --cluster orders --yes", 1, "the answer is longer than 16 MiB" },
    { "COCKROACH_SERVER=$URL/html $CMEK run console --cluster orders --yes", 1, "Please log in to the guests' network" },
    { "COCKROACH_SERVER=$URL/elsewhere $CMEK run console --cluster orders --yes", 1, "sends us to 'http://192.0.2.1/login'" },
  }
end

test["a connection that is refused, an address that is none, credentials that would go in clear"] = function()
  local run = "$CMEK run console --cluster orders-one --yes"
  refuses {
    { "AWS_ENDPOINT_URL_KMS=http://127.0.0.1:9 " .. run, 1, "kms ListAliases us-east-1: not sent: 127.0.0.1:9", "(AWS_ENDPOINT_URL_KMS)" },
    { "AWS_ENDPOINT_URL_STS=http://127.0.0.1:9 " .. run, 1, "sts GetCallerIdentity", "127.0.0.1:9", "(AWS_ENDPOINT_URL_STS)" },
    { "AWS_ENDPOINT_URL_IAM=http://127.0.0.1:9 " .. run, 1, "iam ", "127.0.0.1:9", "(AWS_ENDPOINT_URL_IAM)" },
    { "AWS_ENDPOINT_URL=ftp://x " .. run, 2, "AWS_ENDPOINT_URL is 'ftp://x'", "https://host" },
    { "AWS_ENDPOINT_URL_KMS=http://kms.example " .. run, 2, "AWS_ENDPOINT_URL_KMS", "in clear" },
    { "COCKROACH_SERVER=cockroachlabs.cloud " .. run, 2, "COCKROACH_SERVER", "https://" },
    { "COCKROACH_SERVER=http://cockroachlabs.cloud " .. run, 2, "COCKROACH_SERVER", "in clear" },
    { "AWS_REGION=us_east_1 " .. run, 2, "AWS_REGION is 'us_east_1'", "us-east-1" },
    { "AWS_USE_FIPS_ENDPOINT=maybe " .. run, 2, "AWS_USE_FIPS_ENDPOINT is 'maybe'; it must be true or false" },
    { "AWS_MAX_ATTEMPTS=some " .. run, 2, "AWS_MAX_ATTEMPTS is 'some'" },
  }
end

test["a proxy is gone through, and past it what NO_PROXY names; one that refuses, answers not or is none is told as that"] = function()
  local url, seen = outside.hostile()
  local function plan(environment)
    local result = simulated(("export URL=%s AWS_ENDPOINT_URL_KMS=https://0.0.0.0:9; %s $CMEK plan console --cluster orders-one")
      :format(url, environment))
    test.equal({ environment, result.status, result:writes() }, { environment, 1, 0 })
    local asked = {}
    for _, line in ipairs(seen()) do
      if line:find "0%.0%.0%.0" then asked[#asked + 1] = line end   -- the slow ones ask there meanwhile
    end
    return result.errors, table.concat(asked, "\n")
  end
  for _, name in ipairs { "HTTPS_PROXY", "https_proxy", "ALL_PROXY" } do
    local errors, asked = plan(name .. "=$URL")
    test.contains(errors, "kms ListAliases us-east-1: not sent: 0.0.0.0:9: CONNECT tunnel failed, response 502\n")
    test.contains(errors, "\nnext: the proxy does not let us")
    test.equal(asked, "CONNECT 0.0.0.0:9 ?")   -- the key is not on the way: what is meant for AWS is under TLS
  end
  for _, environment in ipairs { "HTTPS_PROXY=$URL NO_PROXY=0.0.0.0", "HTTPS_PROXY=$URL no_proxy=x,0.0.0.0", "HTTP_PROXY=$URL" } do
    local errors, asked = plan(environment)
    test.contains(errors, "not sent: 0.0.0.0:9: ")
    test.equal({ asked, errors:find "CONNECT" }, { "" })
  end
  test.contains((plan "HTTPS_PROXY=http://127.0.0.1:9"), "127.0.0.1 port 9")
  test.contains((plan "HTTPS_PROXY=nonsense://x"), "\nnext: HTTPS_PROXY is no proxy's address: http://HOST:PORT")
end

test["a certificate that nobody here vouches for, and a bundle that cannot be read"] = function()
  local tls = outside.certificate "IP:127.0.0.1"
  local options = { sim = { "--tls-cert", tls .. "/cert", "--tls-key", tls .. "/key" } }
  local run = "unset AWS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE; %s $CMEK run console --cluster orders-one --yes"
  refuses({
    { run:format "", 1, "self-signed certificate", "next: the certificate is of an authority that is not trusted here: export AWS_CA_BUNDLE=" },
    { run:format "AWS_CA_BUNDLE=/nowhere.pem", 1, "/nowhere.pem", "cannot be read" },
    { run:format "AWS_CA_BUNDLE=/etc/passwd", 1, "/etc/passwd" },
  }, options)
  test.equal(simulated(run:format("AWS_CA_BUNDLE=" .. tls .. "/cert"), options).status, 0)
end

-- ---- recipes and arguments ----

test["a recipe that does not load, and arguments that are unknown, missing or mistyped"] = function()
  local directory = test.directory()
  local function recipe(name, text)
    assert(file.write(directory .. "/" .. name .. ".lua", text))
    return "$CMEK run " .. directory .. "/" .. name .. ".lua "
  end
  local good = 'return { api = 1, summary = "x", args = { { "cluster", "which" }, { "days", "how long", type = "integer", min = 1, max = 9 },'
    .. ' { "way", "which way", choices = { "up", "down" }, default = "up" } }, touches = { "cloud" }, run = function(arg) %s end }'
  local taking, broken = recipe("taking", good:format ""), recipe("broken", good:format "\n\nlocal x\nreturn x.y")
  refuses {
    { recipe("open", "return {") .. "--cluster orders --yes", 2, "/open.lua:1: ", "unexpected symbol near <eof>" },
    { recipe("number", "return 5") .. "--yes", 2, "/number.lua:1: must return a table, not number" },
    { recipe("bare", "return { api = 1 }") .. "--yes", 2, "/bare.lua", "summary" },
    { recipe("printing", 'return { api = 1, summary = "x", args = {}, touches = {}, run = print }') .. "--yes", 2,
      "/printing.lua:1: 'print' is not part of a recipe's world" },
    { recipe("late", 'return { api = 9, summary = "x", args = {}, touches = {}, run = function() end }') .. "--yes", 2, "/late.lua", "api" },
    { recipe("unnamed", 'return { api = 1, summary = "x", args = { { "a" } }, touches = {}, run = function() end }') .. "--yes", 2,
      "/unnamed.lua", "args[1] 'a' has no text" },
    { taking .. "--cluster orders --yes", 2, "--days is missing: how long" },
    { taking .. "--cluster orders --days soon --yes", 2, "--days must be a whole number, not 'soon'" },
    { taking .. "--cluster orders --days 10 --yes", 2, "--days must be from 1 to 9, not '10'" },
    { taking .. "--cluster orders --days 3 --way left --yes", 2, "--way must be one of up, down, not 'left'" },
    { taking .. "--cluster orders --dais 3 --yes", 2, "--days" },
    { taking .. "--cluster orders --days 3 more --yes", 2, "'more'" },
    { "$CMEK run", 2, "wants the name of a recipe", "console" },
    { "$CMEK run --cluster orders", 2, "there is no recipe 'orders'", "stock recipes: " },
    { "$CMEK run consle --cluster orders", 2, "did you mean 'console'?" },
    { "$CMEK run " .. directory .. "/nowhere.lua", 2, "/nowhere.lua" },
    { "$CMEK run console --cluster orders --rotation", 2, "--rotation" },
    { "CMEK_ARG_ROTATION=soon $CMEK run console --cluster orders", 2, "CMEK_ARG_ROTATION must be a whole number, not 'soon'" },
  }
  local result = simulated(broken .. "--cluster orders --days 3 --yes")   -- its author's own words, with the line
  test.equal({ result.status, result:writes() }, { 1, 0 })
  test.contains(result.errors, "/broken.lua:4: local 'x' is nil here, and has no fields")
  test.equal(simulated(taking .. "--cluster orders --days 3 --yes").status, 0)
end

-- ---- what stops a run half-way ----

--- A state in which the operator is allowed everything but these actions.
local function state_without(directory, actions, resource)
  local path = directory .. "/sim-state"
  assert(simulated("true", { directory = directory, sim = { "--state", path } }).status == 0)
  local state = assert(json.decode(file.read(path, 16 << 20)))
  for _, user in ipairs(state.aws["210987654321"].iam.users) do
    if user.UserName == "operator" then
      user.Policies[1].PolicyDocument = json.encode { Version = "2012-10-17", Statement = {
        { Effect = "Allow", Action = "*", Resource = "*" }, { Effect = "Deny", Action = json.array(actions), Resource = resource } } }
    end
  end
  assert(file.write(path, json.encode(state)))
  return path
end

local function allow_all(path)
  local text = file.read(path, 16 << 20):gsub('\\"Effect\\":\\"Deny\\"', '\\"Effect\\":\\"Allow\\"')
  assert(file.write(path, text))
end

-- Who may not look at policies, not even at the own ones: the plan cannot know what is denied.
local BLIND <const> = { "iam:SimulatePrincipalPolicy", "iam:GetUser", "iam:ListUserPolicies", "iam:ListAttachedUserPolicies",
  "iam:ListGroupsForUser" }

local function blind_without(directory, action)
  local actions = table.move(BLIND, 1, #BLIND, 1, {})
  actions[#actions + 1] = action
  return state_without(directory, actions, "*")
end

test["AccessDenied half-way names what was made and how to go on, and resume makes no second key"] = function()
  local directory = test.directory()
  local path = blind_without(directory, "kms:CreateAlias")
  local options = { directory = directory, sim = { "--state", path } }
  local result = simulated("$CMEK run console --cluster orders --yes", options)
  test.equal(result.status, 5)
  test.contains(result.errors, "kms:EnableKeyRotation, kms:TagResource is not known before it is tried (iam SimulatePrincipalPolicy: 403")
  test.matches(result.errors, "kms CreateAlias %l%l%-%l+%-%d: AccessDeniedException: User: arn:aws:iam::210987654321:user/operator is not")
  test.contains(result.errors, "next: kms:CreateAlias is denied to arn:aws:iam::210987654321:user/operator by an identity-based policy")
  local id = result.errors:match "\n  cmek resume (%S+)\n"
  test.matches(result.errors, "made or changed:\n +role +crdb%-cmek%-orders%-0f2c6e9d41b7 +arn:aws:iam::210987654321:role/")
  test.matches(result.errors, "\n +key +us%-east%-1 +alias/%S+ +arn:aws:kms:us%-east%-1:210987654321:key/%S+ +%(not finished%)")
  local made = result:writes "CreateKey"
  allow_all(path)
  result = simulated("$CMEK resume --yes " .. assert(id), options)
  test.equal({ result.status, made + result:writes "CreateKey" }, { 0, 3 })
  test.contains(result.output, '"region_specs"')
end

test["a run whose only write is refused has failed, made nothing, and is not there to be resumed"] = function()
  local directory = test.directory()
  local path = blind_without(directory, "iam:CreateRole")
  local result = simulated("$CMEK run console --cluster orders-one --yes; echo status $?; $CMEK runs; $CMEK resume --yes; echo status $?",
    { directory = directory, sim = { "--state", path } })
  test.contains(result.errors, "iam CreateRole: AccessDenied: User:")
  test.contains(result.errors, "nothing was made or changed")
  test.matches(result.output, "^status 1\n.-console +orders%-one +failed\nstatus 2\n$")
end

test["what IAM says is not allowed is refused before anything is made"] = function()
  local directory = test.directory()
  local path = state_without(directory, { "kms:CreateKey" }, "*")
  refuses({ { "$CMEK run console --cluster orders-one --yes", 1, "may not do kms:CreateKey on *", "statement 2 denies it", "1 step is refused" } },
    { directory = directory, sim = { "--state", path } })
end

-- ---- the journal ----

test["a journal that cannot be begun: nothing may be made that cannot be recorded"] = function()
  local run = "$CMEK run console --cluster orders-one --yes "
  refuses {
    { run .. "--journal /proc/nowhere", 1, "nothing may be made that cannot be recorded", "'/proc/nowhere'", "--journal DIR" },
    { "touch $D/file; " .. run .. "--journal $D/file", 1, "cannot be recorded", "/file'" },
    { "CMEK_STATE_DIR=/proc/nowhere " .. run, 1, "cannot be recorded", "/proc/nowhere" },
    { "mkdir $D/closed; chmod 500 $D/closed; [ ! -w $D/closed ] || exec $CMEK run console --journal /proc/nowhere --cluster orders-one; "
      .. run .. "--journal $D/closed/journals", 1, "cannot be recorded" },   -- root may write everywhere
    { "ulimit -S -f 0; " .. run, 1, "cannot be recorded", "File too large" },
  }
end

--- A run whose journal may grow to so many blocks of 512 bytes, then a resume where there is room again.
local function full(blocks)
  return outside.begin(([[
    (ulimit -S -f %d; $CMEK run console --cluster orders-one --yes 2>&1; echo "status $?") | cat   # which writes as much as it likes
    $CMEK resume --yes 2>&1; echo "resumed $?"; $CMEK runs]]):format(blocks))
end

test["a journal that is full stops the run wherever that is: what was made is named, and resume ends it without a second of anything"] = function()
  local results, statuses = {}, {}
  for blocks = 1, 10 do results[blocks] = full(blocks) end
  for blocks = 1, 10 do
    local result = results[blocks]()
    local status = math.tointeger(tonumber(result.output:match "status (%d+)"))
    statuses[status] = true
    if status == 0 then break end
    test.contains(result.output, "File too large")
    if status == 1 then
      test.matches(result.output, "made or changed\nstatus 1\n.*\nresumed 2\n")
    else
      test.equal({ blocks, status }, { blocks, 5 })
      test.matches(result.output, "next: cmek resume %S+\nmade or changed:\n +role ")
      test.matches(result.output, "resumed 0\n.*console +orders%-one +done\n$")
      test.equal({ blocks, result:writes "CreateRole", result:writes "CreateKey" }, { blocks, 1, 1 })
    end
    outside.plain(result.text)
  end
  test.equal(statuses, { [0] = true, [1] = true, [5] = true })
end

test["a journal that somebody changed is not taken up, and resume says whose it is and how to go on"] = function()
  local changes = {
    ["sed -i '/\"kind\":\"outcome\"/d' $J"] = "the journal was changed before line",
    ["sed -i 's/CreateRole/DeleteRole/' $J"] = "the journal was changed before line",
    ["printf 'no JSON\\n' >>$J"] = "of the journal is not JSON",
    [": >$J"] = "does not begin like the journal of a run",
  }
  local finish = {}
  for change, words in pairs(changes) do
    finish[words .. change] = outside.begin(([[
      (ulimit -S -f 4; $CMEK run console --cluster orders-one --yes 2>&1) | cat >$D/first
      J=$(echo $D/state/simulated-runs/*.jsonl); %s
      $CMEK resume --yes; echo "status $?"; : >$D/log; $CMEK run console --cluster orders-one --yes >&2; echo "again $?"]]):format(change))
  end
  for change, words in pairs(changes) do
    local result = finish[words .. change]()
    test.contains(result.errors, "there is no unfinished run in '")
    test.contains(result.errors, words)
    test.matches(result.errors, "next: cmek runs show %S+ tells what of it can be read; running its recipe again")
    test.equal({ change, result.output, result:writes "CreateRole" }, { change, "status 2\nagain 0\n", 0 })
  end
end

test["a run whose input and outputs were closed writes nothing but its journal into its journal"] = function()
  for _, closed in ipairs { "2>&-", "<&- >&- 2>&-", ">&- 2>&-", "<&- 2>&-", ">&-" } do
    local result = simulated(("$CMEK run console --cluster orders-one --yes %s; $CMEK runs; cat $D/state/simulated-runs/*.jsonl >$D/journal")
      :format(closed))
    local entries = assert(require("journal").read(assert(file.read(result.directory .. "/journal"))))
    test.equal({ closed, entries[#entries].kind, entries[#entries].status, result:writes "CreateKey" }, { closed, "end", "done", 1 })
    test.matches(result.output, "console +orders%-one +done\n$")
  end
end

-- ---- signals ----

--- A run with a slow service gets the signal when the service has seen the operation; then it is resumed.
local function stopped(signal, operation)
  return outside.begin(([[
    $CMEK run console --cluster orders-one --enable --yes --confirm orders-one & run=$!
    while ! grep -qs '"operation":"%s"' $D/log; do sleep 0.01; done
    kill -%s $run; wait $run; echo "status $?"
    $CMEK resume --yes --confirm orders-one; echo "resumed $?"]]):format(operation, signal), { sim = { "--latency", "120", "--enabling", "0" } })
end

test["SIGINT, SIGTERM and SIGHUP among writes: they come back, are in the journal, and resume ends the run"] = function()
  local cases, runs = { { "INT", "CreateRole", "role" }, { "TERM", "CreateKey", "key" }, { "INT", "CreateAlias", "key" },
    { "TERM", "EnableCMEKSpec", "cluster_cmek" }, { "HUP", "CreateKey", "key" } }, {}
  for i, case in ipairs(cases) do runs[i] = stopped(case[1], case[2]) end
  for i, case in ipairs(cases) do
    local result = runs[i]()
    test.matches(case[2] .. result.output, "status 5\n.*resumed 0\n$")
    test.contains(result.errors, "stopped by SIG" .. case[1])
    test.matches(result.errors, ("made or changed:\n.* %s "):format(case[3]))
    local id = result.errors:match "next: cmek resume (%S+)\n"
    test.contains(result.errors, "resuming run " .. assert(id))
    local open, answered = {}, 0
    for _, entry in ipairs(assert(require("journal").read(file.read(("%s/state/simulated-runs/%s.jsonl"):format(result.directory, id))))) do
      if entry.kind == "request" then open[entry.request] = true end
      if entry.kind == "outcome" then
        open[entry.request], answered = nil, answered + (entry.outcome == "answered" and 1 or 0)   -- else "stopped": it never left
      end
    end
    test.equal({ open, answered }, { {}, result:writes() })
    for _, operation in ipairs { "CreateRole", "CreateKey", "CreateAlias", "EnableCMEKSpec" } do
      test.equal({ operation, result:writes(operation) }, { operation, 1 })
    end
  end
end

test["a signal before anything was made ends the run with 130, 143 or 129, and there is nothing to resume"] = function()
  for signal, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
    local result = stopped(signal, "GetCallerIdentity")()
    test.matches(result.output, ("^status %d\nresumed 2\n$"):format(status))
    test.contains(result.errors, ("stopped by SIG%s: nothing was made"):format(signal))
    test.equal(result:writes(), 0)
  end
end

test["a run that nohup keeps goes on when its terminal goes away"] = function()
  local result = simulated([[
    trap "" HUP; $CMEK run console --cluster orders-one --yes & run=$!
    while ! grep -qs '"operation":"CreateRole"' $D/log; do sleep 0.01; done
    kill -HUP $run; wait $run; echo "status $?"]], { sim = { "--latency", "60" } })
  test.matches(result.output, "status 0\n$")
end

-- ---- what takes long ----

test["a Cloud that cannot be reached, or whose answers are cut, empty or another's, is tried for a while and told"] = function()
  begin_slow()
  for i, finish in ipairs(slow) do
    local result = finish()
    for word = 2, #SLOW[i] do test.contains(result.errors, SLOW[i][word]) end
    test.contains(result.errors, "trying again")
    test.equal({ SLOW[i][1], result.status, result:writes() }, { SLOW[i][1], 1, 0 })
    outside.plain(result.text)
  end
end

-- Vault as a user's script meets it, beside the simulated services: keys that are kept there, logins by AWS, and what is shown of them.
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"

local SETUP <const> = [[
cat >$D/keep.lua <<'E'
vault.kv_write { mount = "secret", path = "cmek", data = { api_key = arg[1], access_key = arg[2], secret_key = arg[3] } }
E
"$CMEK" exec --write --yes $D/keep.lua "$COCKROACH_API_KEY" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" || exit 9
needle=$AWS_SECRET_ACCESS_KEY
rm -r $D/state
export COCKROACH_API_KEY=vault:secret/data/cmek#api_key
export AWS_ACCESS_KEY_ID=vault:secret/data/cmek#access_key AWS_SECRET_ACCESS_KEY=vault:secret/data/cmek#secret_key
]]

test["a run of console takes the Cloud's key and AWS's from Vault, and none of them is in what it leaves or says"] = function()
  local result = outside.simulated(SETUP .. [[
    "$CMEK" run console --cluster orders-one --yes --json >$D/out 2>$D/errors || exit 8
    "$CMEK" whoami --json >$D/who 2>&1 || exit 7
    printf '%s' "$needle" >$D/needle
    grep -rlF "$needle" $D/state $D/out $D/errors $D/who && exit 6
    grep -rlF "$VAULT_TOKEN" $D/state $D/out $D/errors $D/who && exit 5
    grep -lF "$needle" $D/needle >/dev/null || exit 4
  ]])
  test.equal({ result.status, result.text }, { 0, "" })
  local document = assert(json.decode(file.read(result.directory .. "/out")))
  test.equal(document.run.status, "done")
  local who = assert(json.decode(file.read(result.directory .. "/who")))
  test.equal({ who.aws.account_id, who.aws.source, who.cloud.credential, who.vault.source }, { "210987654321", "the environment",
    "COCKROACH_API_KEY", "VAULT_TOKEN" })
end

test["with VAULT_ADDR set and no token whoami tells it and ends well; a login that is asked for and fails does not"] = function()
  local result = outside.simulated [[
    unset VAULT_TOKEN
    "$CMEK" whoami; echo "status $?"
    "$CMEK" whoami --vault-auth userpass >/dev/null; echo "status $?"
    "$CMEK" plan console --cluster orders-one >/dev/null; echo "status $?"
    VAULT_ADDR=nonsense "$CMEK" plan console --cluster orders-one >/dev/null; echo "status $?"
  ]]
  test.contains(result.text, "no token for Vault")
  local statuses = {}
  for status in result.text:gmatch "status (%d+)" do statuses[#statuses + 1] = status end
  test.equal(statuses, { "0", "4", "0", "0" })
end

test["whoami shows of a token that Vault knows what it may and how long, and of another one neither"] = function()
  local result = outside.simulated [["$CMEK" whoami]]
  test.contains(result.text, "policies      root")
  test.contains(result.text, "it does not end")
  result = outside.simulated [[VAULT_TOKEN=hvs.nobody "$CMEK" whoami]]
  test.contains(result.text, "vault login")
  test.equal({ result.text:find("policies  ", 1, true), result.text:find("it does not end", 1, true) }, {})
end

test["what no Vault answers is told for what it is, in no form that steers a terminal, and without the token"] = function()
  local url = outside.hostile()
  local cases = { cut = "cut short on the way", half = "the text ends", text = "'It works!'", list = "a list where an object was expected",
    empty = "not one of Vault's", html = "a login page of the network", gateway = "502 BadGateway: an HTML page: Bad Gateway",
    big = "longer than 16 MiB", gone = "the server went away", elsewhere = "where no request of cmek goes", steering = "400 BadRequest",
    echo = "X-Vault-Token: ****" }
  local directory = test.directory()
  assert(file.write(directory .. "/script.lua", "vault.list_mounts()"))
  for fault, words in require("sorted")(cases) do
    local command = ('VAULT_TOKEN=hvs.made-up-needle VAULT_MAX_RETRIES=0 VAULT_ADDR=%s/%s "$CMEK" exec $D/script.lua'):format(url, fault)
    local result = outside.simulated(command, { directory = directory })
    test.equal({ fault, result.status }, { fault, 1 })
    test.contains(result.text, words)
    test.contains(result.text, "next: ")
    test.equal(result.text:find("made-up-needle", 1, true), nil)
    outside.plain(result.text)
  end
end

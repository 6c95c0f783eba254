-- No secret in any artifact: the recipes of Vault run from outside with secrets that are known here, and every file and stream that they
-- leave is searched for them, as they are, in base64 and in hex. Each needle is found where it has to be, so that it would be found elsewhere.
local crypto = require "crypto"
local file = require "file"
local json = require "json"
local outside = dofile "tests/outside.lua"
local process = require "process"

local SECRET_ID <const> = "needle-of-approle-6f1d2c7b9a3e"
local WRONG_TOKEN <const> = "hvs.needle-of-a-wrong-token-41c8"

-- How a secret may stand in a text or file: base64 by each of its alignments, without what its neighbours decide.
local function forms(bytes)
  local list = { bytes, crypto.hex(bytes), crypto.hex(bytes):upper() }
  for offset = 0, 2 do
    local coded = crypto.base64(("\0"):rep(offset) .. bytes):gsub("=+$", "")
    local inner = coded:sub(offset == 0 and 1 or offset + 2, #coded - 1)
    list[#list + 1] = inner
    list[#list + 1] = inner:gsub("%+", "-"):gsub("/", "_")
  end
  return list
end

local function holds(text, bytes)
  for _, form in ipairs(forms(bytes)) do
    if text:find(form, 1, true) then return true end
  end
  return false
end

test["a needle is found in each of its forms, wherever it begins"] = function()
  local needle = crypto.sha256 "needle"
  for _, before in ipairs { "", "a", "ab", "abc" } do
    local text = before .. needle .. "behind"
    for _, form in ipairs { text, crypto.hex(text), crypto.base64(text), (crypto.base64(text):gsub("%+", "-"):gsub("/", "_")) } do
      test.truthy(holds(form, needle))
    end
  end
  test.truthy(not holds(crypto.base64(crypto.sha256 "another"), needle))
end

-- Every file below a directory, but for what stands below its `control`.
local function files_below(directory)
  local found, list = assert(process.run { argv = { "find", directory, "-type", "f" }, environment = { PATH = true } }), {}
  for path in found.output:gmatch "[^\n]+" do
    if not path:find(directory .. "/control/", 1, true) then list[#list + 1] = path end
  end
  return list
end

-- Where the needles are found that must be nowhere.
local function leaks(directory, needles)
  local list, count = {}, 0
  for _, path in ipairs(files_below(directory)) do
    local text = file.read(path, 64 << 20) or ""
    count = count + 1
    for name, needle in require("sorted")(needles) do
      if holds(text, needle) then list[#list + 1] = ("%s in %s"):format(name, path:sub(#directory + 2)) end
    end
  end
  return list, count
end

-- AppRole with a secret_id that is known here. What curl is answered and sends is the control.
local SETUP <const> = ([[
mkdir $D/out
v() { curl -sSf -X "$1" -H "X-Vault-Token: $VAULT_TOKEN" ${3:+-d "$3"} "$VAULT_ADDR/v1/$2"; }
echo '{"secret_id":"SECRET_ID"}' >$D/control/secret_id
all='path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\", \"sudo\"] }'
{ v POST sys/auth/approle '{"type":"approle"}' && v PUT sys/policies/acl/all "{\"policy\":\"$all\"}" &&
  v POST auth/approle/role/cmek '{"token_policies":"all"}' &&
  v POST auth/approle/role/cmek/custom-secret-id "$(cat $D/control/secret_id)"; } >$D/control/setup || exit 9
export VAULT_ROLE_ID=$(v GET auth/approle/role/cmek/role-id | sed 's/.*"role_id":"\([^"]*\)".*/\1/') VAULT_SECRET_ID=SECRET_ID
v GET auth/token/lookup-self >$D/control/token
v POST secret/data/provider "{\"data\":{\"access_key\":\"$AWS_ACCESS_KEY_ID\",\"secret_key\":\"$AWS_SECRET_ACCESS_KEY\"}}" >/dev/null
v GET secret/data/provider >$D/control/provider
ROOT=$VAULT_TOKEN
n=0
c() { n=$((n + 1)); "$CMEK" "$@" >$D/out/$n.out 2>$D/out/$n.err; s=$?; echo "$s $*" >>$D/out/statuses; return $s; }
]]):gsub('"SECRET_ID"', '"' .. SECRET_ID .. '"'):gsub("=SECRET_ID\n", "=" .. SECRET_ID .. "\n")

-- The life of a chain, each command in the forms that print most; half of it by the token, half by AppRole.
local LIFE <const> = [[
A="--vault-auth approle"
unset VAULT_TOKEN
c whoami --json $A
c plan RECIPE --cluster orders --requests --json ARGUMENTS $A
c plan RECIPE --cluster orders --requests ARGUMENTS $A --out $D/out/saved --save-args $D/out/arguments
c run RECIPE --cluster orders --json=lines --yes ARGUMENTS $A || exit 8
export VAULT_TOKEN=$ROOT
c run RECIPE --cluster orders --json --yes --enable --confirm orders ARGUMENTS || exit 7
c verify RECIPE --cluster orders --json ARGUMENTS || exit 6
c status --json
c orphans --json
c destroy RECIPE --cluster orders --json --confirm orders ARGUMENTS
]]

-- What goes wrong, with the token or what it opens in reach of whoever writes the message.
local WRONG <const> = [[
VAULT_TOKEN=WRONG c run RECIPE --cluster orders-one --yes ARGUMENTS
VAULT_SECRET_ID=WRONG c run RECIPE --cluster orders-one --yes --json ARGUMENTS $A
c run RECIPE --cluster orders-one --yes ARGUMENTS
c run RECIPE --cluster orders-one --yes --json ARGUMENTS
c resume --yes --json=lines
c destroy RECIPE --cluster orders-one --confirm orders-one --json=lines ARGUMENTS
c runs --json
CONTROL
for run in $(find $D/state -name '*.jsonl' | sed 's,.*/,,; s/\.jsonl$//'); do c runs show $run --json || exit 5; done
]]

local function script(recipe, arguments, control)
  return SETUP .. (LIFE .. WRONG):gsub("RECIPE", recipe):gsub("ARGUMENTS", arguments):gsub("=WRONG ", "=" .. WRONG_TOKEN .. " ")
    :gsub("CONTROL", control)
end

-- Faults that repeat what they were sent, as a bad proxy does it, and some that end a run half-way.
local function faults(operation)
  return { "--fault", ("error service=vault operation=%s status=403 skip=1 count=1 message=denied to %s"):format(operation,
    require("sim.vault.state").ROOT_TOKEN), "--fault", ("error service=vault operation=%s status=400 skip=1 count=1 message=no"):format(operation) }
end

-- Of one region each: RSA keys take long to make.
local CLUSTERS <const> = [[ [{ "name": "orders", "regions": ["us-east-1"] }, { "name": "orders-one", "regions": ["us-east-1"] }] ]]

local function run(recipe, arguments, operation, control)
  local directory = test.directory()
  assert(file.write(directory .. "/clusters.json", CLUSTERS))
  assert(os.execute("mkdir " .. directory .. "/control"))
  local options = { directory = directory, sim = { "--clusters", directory .. "/clusters.json", "--state", directory .. "/control/state.json",
    table.unpack(faults(operation)) } }
  local result = outside.simulated(script(recipe, arguments, control), options)
  test.equal({ recipe, result.status, result.text }, { recipe, 0, "" })
  return directory
end

local function state_of(directory) return assert(json.decode(file.read(directory .. "/control/state.json", 64 << 20))) end

-- The bytes of every key that the simulated Vault has made, as it works them out.
local function materials(mount)
  local needles = {}
  for name, key in require("sorted")(mount.data.keys) do
    for number, version in require("sorted")(key.versions) do
      needles[("material of %s:%s"):format(name, number)] = crypto.hmac_sha256("simulated key material", version.id)
    end
  end
  return needles
end

local function check(directory, needles)
  needles.token, needles.secret_id, needles["wrong token"] = require("sim.vault.state").ROOT_TOKEN, SECRET_ID, WRONG_TOKEN
  needles["token of a login"], needles["AWS secret key"] = "hvs.CAES", "simulated/secret/not-a-real-one/00000001"
  local found, count = leaks(directory, needles)
  test.truthy(count > 40, count)
  test.equal(found, {})
  local statuses = file.read(directory .. "/out/statuses")
  local said = {}
  for _, path in ipairs(files_below(directory .. "/out")) do said[#said + 1] = file.read(path, 16 << 20) end
  test.contains(table.concat(said), "denied to ****")   -- what repeated the token is shown without it
  for _, status in ipairs { "\n0 run", "\n4 run", "\n5 run", "\n0 destroy" } do test.contains("\n" .. statuses, status) end
  return function(path, name) return holds(file.read(directory .. "/control/" .. path), needles[name]) end
end

-- Every key as curl gets it.
local EXPORT <const> = [[
for key in $(v LIST transit/keys | grep -o 'crdb-cmek-[a-z0-9-]*'); do v GET transit/export/encryption-key/$key/1; done >$D/control/material
]]

test["vault-transit leaves neither token nor secret_id nor material in any file or stream"] = function()
  local directory = run("vault-transit", "", "transit/ReadExport", EXPORT)
  local needles = materials(state_of(directory).vault.namespaces[""].mounts["transit/"])
  local in_control = check(directory, needles)
  local exported = 0
  for name in require("sorted")(needles) do exported = exported + (in_control("material", name) and 1 or 0) end
  test.equal({ exported, in_control("token", "token"), in_control("secret_id", "secret_id") }, { 2, true, true })   -- of both clusters
end

test["vault leaves none of them either, nor the AWS keys that Vault is given"] = function()
  local directory = run("vault", "--provider-credentials vault:secret/data/provider", "keymgmt/WriteDistribution", "")
  local needles = materials(state_of(directory).vault.namespaces[""].mounts["keymgmt/"])
  local in_control = check(directory, needles)
  test.equal({ in_control("token", "token"), in_control("secret_id", "secret_id"), in_control("provider", "AWS secret key"),
    in_control("state.json", "AWS secret key") }, { true, true, true, true })
end

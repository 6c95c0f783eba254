-- The README and the examples of help: what they tell a reader to type is typed here, and what they show is what comes.
-- `sh` blocks are run, in order, by one reader beside one simulation; `console` blocks are compared; `shell` and `dockerfile`
-- blocks set up machines: tests/peers/package.sh and .ci/run do.
local outside = dofile "tests/outside.lua"
local file = require "file"

local readme <const> = assert(file.read "README.md")

--- The blocks of a language: their lines as one text, and where each begins.
local function blocks(language)
  local list, current, number = {}, nil, 0
  for line in readme:gmatch "([^\n]*)\n" do
    number = number + 1
    local fence = line:match "^```(.*)$"
    if current and fence then
      list[#list + 1], current = current.language == language and current or nil, nil
    elseif fence then
      current = { language = fence, line = number + 1, text = "" }
    elseif current then
      current.text = current.text .. line .. "\n"
    end
  end
  return list
end

-- A reader's script: placeholders of credentials are left out, and a run that would ask is answered beforehand.
local function typed(text)
  local lines, cluster = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    cluster = line:match "%-%-cluster (%S+)" or cluster
    if line:find "^cmek run " and not line:find("--yes", 1, true) then
      line = line:gsub("%s*#.*$", "") .. " --yes --confirm " .. cluster
    end
    lines[#lines + 1] = line:find "^export .*…" and "" or line
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Types them, one after the other; each must succeed.
local function reads(scripts)
  local lines = { "export PATH=${CMEK%/*}:$PATH; mkdir $D/home; cd $D/home" }
  for i, script in ipairs(scripts) do
    lines[#lines + 1] = ("cat > $D/%d.sh <<'SCRIPT'\n%sSCRIPT\nsh -e $D/%d.sh || { echo 'at %s, exit status '$?; exit 1; }")
      :format(i, typed(script.text), i, script.where)
  end
  local result = outside.simulated(table.concat(lines, "\n"), { sim = { "--clusters", "tests/data/readme_clusters.json" } })
  test.equal(result.status == 0 or result.text:sub(-2000), true)
  return result
end

test["the commands of the README run as they are written"] = function()
  local scripts = {}
  for i, block in ipairs(blocks "sh") do scripts[i] = { text = block.text, where = "README.md:" .. block.line } end
  test.truthy(#scripts >= 5)
  local result = reads(scripts)
  -- what was broken on purpose is found; the cluster got its keys; they are not taken from it
  for _, text in ipairs { "key.state", "exit status 6", "CMEK of cluster orders-prod is ENABLED with these keys",
    "exit status 1", "ours.lua: nothing is wrong with it", "3 of 3 sentences hold",
    "ours.lua has changed:", "CMEK of cluster ledger-prod is ENABLED with these keys", "CMEK of cluster payments-prod is ENABLED with these keys",
    "cluster_regions catalog-prod +us-east-2=3", "Drill: all is ready", "Please bring our cluster catalog-prod up again" } do
    test.truthy(result.text:find(text, 1, true), text)
  end
end

test["a command of the README that fails would be seen"] = function()
  test.raises(function() reads { { text = "cmek plan nonsense\n", where = "here" } } end, "at here, exit status 2")
end

test["the examples of help run as they are written"] = function()
  local scripts = {}
  for _, part in ipairs(require("man").parts(require("help").topic "examples")) do
    if part[1] == "code" then scripts[#scripts + 1] = { text = table.concat(part[2], "\n") .. "\n", where = "the examples" } end
  end
  test.truthy(#scripts >= 3)
  reads(scripts)
end

-- What differs from run to run: keys' IDs, durations, runs.
local function same(line)
  return (line:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("%d+%.%d s", "N s"):gsub("run [%d-]+%-%x+", "run ID"):gsub("%s+$", ""))
end

test["what the README shows of a run is what it prints"] = function()
  local shown = blocks "console"
  test.truthy(#shown >= 1)
  for _, block in ipairs(shown) do
    local command, output = block.text:match "^%$ ([^\n]+)\n(.*)$"
    local seen = {}
    local result = outside.simulated("export PATH=${CMEK%/*}:$PATH; " .. command)
    for line in (result.text .. "\n"):gmatch "([^\n]*)\n" do seen[same(line)] = true end
    for line in output:gmatch "([^\n]*)\n" do
      test.truthy(seen[same(line)] or line:find "^%(", ("README.md: not printed any more: %s\n%s"):format(line, result.text))
    end
  end
end

-- Of one region each: RSA keys take long to make.
local CLUSTERS <const> = [[ [{ "name": "ledger-prod", "regions": ["us-east-1"] }, { "name": "orders-vault", "regions": ["us-east-1"] },
  { "name": "orders-vault-transit", "regions": ["us-east-1"] }] ]]

-- A token with the policy of the README alone does all that cmek does with Vault, in both forms.
local POLICY <const> = [[
v() { curl -sSf -X "$1" -H "X-Vault-Token: $VAULT_TOKEN" -d "$3" "$VAULT_ADDR/v1/$2"; }
v PUT sys/policies/acl/readme "$(cat $D/policy.json)"
export VAULT_TOKEN=$(v POST auth/token/create '{"policies":["readme"]}' | sed 's/.*"client_token":"\([^"]*\)".*/\1/')
c() { "$CMEK" "$@" || exit; }
chain() {
  c run "$@" --yes; c verify "$@"; c destroy "$@" --confirm ledger-prod
}
chain vault-transit --cluster ledger-prod --form wrapped
chain vault-transit --cluster ledger-prod
chain vault --cluster ledger-prod
for recipe in vault vault-transit; do
  c run $recipe --cluster orders-$recipe --enable --yes --confirm orders-$recipe
  c run rotate --cluster orders-$recipe --yes --confirm orders-$recipe
done
]]

test["the policy of the README is what the token needs; with less of it cmek names a line"] = function()
  local text = ""
  for _, block in ipairs(blocks "hcl") do text = text .. block.text end
  for _, case in ipairs { { text, "0 none" }, { (text:gsub('\npath "transit/export[^\n]*', "")), "1 export" } } do
    local directory = test.directory()
    assert(file.write(directory .. "/policy.json", require("json").encode { policy = case[1] }))
    assert(file.write(directory .. "/clusters.json", CLUSTERS))
    local result = outside.simulated(POLICY, { directory = directory, sim = { "--clusters", directory .. "/clusters.json" } })
    local named, unseen = result.text:find('path "transit/export', 1, true), result.text:find("cannot be seen", 1, true)
    test.equal({ result.status, named ~= nil, unseen }, { tonumber(case[2]:match "%d"), case[2] == "1 export" }, result.text:sub(-1500))
  end
end

test["every command, topic and target that the README names is there"] = function()
  local words, makefile = {}, assert(file.read "Makefile")
  for _, word in ipairs(require "words") do words[word[1]] = true end
  for _, name in ipairs(require("recipe").names()) do words[name] = true end
  for word in readme:gmatch "[\n`$-] ?cmek (%l+)" do test.truthy(words[word], word) end
  for topic in readme:gmatch "`cmek help ([%l_.-]+)" do
    test.truthy(require("help").topic(topic) or words[topic] or require("docs").help(topic), topic)
  end
  for target in readme:gmatch "\nmake (%l+)" do test.contains(makefile, "\n" .. target .. ":") end
  for version in readme:gmatch "cmek_([%d.]+)_" do test.equal(version, require "version") end
end

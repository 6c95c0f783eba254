-- What the library says of itself: every public function has a comment, its parameters are those of the function; what help shows.
local comments = require "docs.comments"
local docs = require "docs"
local embedded = require "embedded"

--- What recipes, scripts and the prompt can call, by the tables that they have, as the library makes them.
local function callable()
  local kms, iam, sts = require("aws.kms").new({}), require("aws.iam").new({}), require("aws.sts").new({})
  local tagging, vault = require("aws.tagging").new({}), require("vault.operations").functions(function() end)
  local cloud = require("cloud").open { door = { endpoint = function() end }, retry = {}, environment = require("variables").of(
    function() end), listen = function() end }
  local task = require("task").new({})
  task.run = nil   -- starts a program
  return { kms = kms, iam = iam, sts = sts, tagging = tagging, vault = vault, cloud = cloud, policy = require "policy", names = require "names",
    task = task, json = require "json", aws = require("aws.any").new({}) }
end

test["every function that a recipe, a script or the prompt can call has a comment and an example"] = function()
  local count = 0
  for name, functions in require("sorted")(callable()) do
    for member, value in pairs(functions) do
      local entry = docs.of(name .. "." .. member)
      if type(value) == "function" then
        count = count + 1
        if not entry or entry.text == "" then error(("%s.%s has no comment"):format(name, member), 0) end
        if not entry.example then error(("%s.%s has no example"):format(name, member), 0) end
      end
    end
  end
  test.truthy(count > 150, ("only %d functions were looked at"):format(count))
end

test["what has a comment and can not be called is not in the list of names"] = function()
  local tables = callable()
  for _, name in ipairs(docs.names()) do
    local table_name, member = name:match "^(%w+)%.([%w_]+)$"
    if table_name and tables[table_name][member] == nil then error(name .. " is described and is not there", 0) end
  end
end

--- Every name that a recipe, a script (the last word of which is `script`) or the prompt can say, with its value: those of tables dotted.
local function each_name(names, fn)
  for name, value in require("sorted")(names) do
    fn(name, value)
    local behind = type(value) == "table" and (debug.getmetatable(value) or {}).__index
    for _, members in ipairs { type(value) == "table" and value or {}, type(behind) == "table" and behind or {} } do
      for member, inside in pairs(members) do fn(name .. "." .. tostring(member), inside) end
    end
  end
end

local function worlds()
  local said = {}
  for name, value in pairs(require("authoring.knowledge").world()) do said[name] = value end
  local who = dofile("tests/operator.lua").open {}
  local _, sandbox = require("world").new { path = "./x.lua", door = who.door, session = who.session, output = {} }
  for name, value in pairs(sandbox.names) do said[name] = said[name] or value end
  said.plan, said.help = print, print   -- the prompt's own
  return said
end

test["every name that a recipe, a script or the prompt can say is explained by cmek help, with what it takes and gives and an example"] = function()
  local count = 0
  each_name(worlds(), function(name, value)
    count = count + 1
    local entry, list = docs.of(name), docs.list(name)
    if type(value) == "table" then return test.truthy(list or entry, name .. " is not explained") end
    test.truthy(entry and entry.text ~= "", name .. " is not explained")
    if type(value) ~= "function" then return end
    local given = {}
    for _, parameter in ipairs(entry.params) do given[parameter.name] = parameter.type end
    for _, argument in ipairs(entry.arguments or {}) do test.truthy(given[argument], ("%s does not say what its %s is"):format(name, argument)) end
    local own = entry.reference and entry.reference:find "^Lua 5.4" and name:find ".%." ~= nil   -- is in Lua's manual
    test.truthy(own or entry.returns, name .. " does not say what it gives")
    test.truthy(own or entry.example, name .. " has no example")
    test.matches(docs.help(name), "^" .. name:gsub("%p", "%%%0"))
  end)
  test.truthy(count > 100, ("only %d names were looked at"):format(count))
end

test["a text is a sentence, and an example is Lua"] = function()
  local names = docs.names()
  for _, kind in ipairs(docs.kinds()) do names[#names + 1] = "ensure " .. kind end
  for _, name in ipairs { "pairs", "pcall", "error", "setmetatable", "tostring", "break()" } do names[#names + 1] = name end
  for _, name in ipairs(names) do
    local entry = docs.of(name)
    test.truthy(entry.text:find "^[%u`(]" and entry.text:find "[.)]$", ("%s: '%s' is no sentence"):format(name, entry.text))
    local example = entry.example:gsub("^break%(%)$", "breakpoint()")
    test.truthy(load("return " .. example) or load(example), ("%s: '%s' is no Lua"):format(name, example))
    test.truthy(not docs.help(name):find "\n +\n", name .. " has an empty line of blanks")
  end
end

test["of a name that several sources have the public one is described"] = function()
  test.matches(docs.of("policy.evaluate").signature, "request")
  test.equal({ docs.of("plan").signature, docs.of("names.TAG_CLUSTER").returns, docs.of("task.run") or 0 },
    { "plan(name?, given?)", '"cmek:cluster"', 0 })
end

test["parameters that comments name are those of their functions"] = function()
  local count = 0
  for _, path in ipairs(embedded.list "lua/") do
    if not path:find("/meta/", 1, true) and not path:find("argparse", 1, true) then
      for name, entry in pairs(comments.of(embedded.source(path))) do
        if name == "defaults" and #(entry.arguments or {}) == 0 then entry.params = {} end   -- fills in nothing, and says what is wanted
        local there = {}
        for _, argument in ipairs(entry.arguments or {}) do there[argument] = true end
        for _, parameter in ipairs(entry.arguments and entry.params or {}) do
          count = count + 1
          if not there[parameter.name] then
            error(("%s: the comment of %s names '%s', and it takes (%s)"):format(path, name, parameter.name,
              table.concat(entry.arguments, ", ")), 0)
          end
        end
      end
    end
  end
  test.truthy(count > 300, ("only %d parameters were looked at"):format(count))
end

test["a comment that names a parameter which is not there is found, and one that is missing"] = function()
  local read = comments.of "--- Does it.\n---@param a string\n---@param c string\nfunction M.one(a, b)\nend\nfunction M.two(a)\nend\n"
  test.equal({ read.one.arguments[2], read.one.params[2].name, read.two.text }, { "b", "c", "" })
end

test["types, texts and fields are read from a comment"] = function()
  local entry = comments.of [[
--- Makes it.
--- In two lines.
---@param options { region: string, days: integer?,
---  send: fun(a: table): string? }  days: until it goes; what else is to be said
---@return { arn: string }? made, string? why; raises when it is refused
---@example M.make { region = "us-east-1" }
function M.make(options)
]].make
  test.equal({ entry.text, entry.returns, entry.raises, entry.example, entry.params[1].text },
    { "Makes it. In two lines.", "{ arn: string }? made, string? why", "when it is refused", 'M.make { region = "us-east-1" }',
      "what else is to be said" })
  test.equal(entry.fields, { { name = "region", type = "string", optional = false },
    { name = "days", type = "integer", optional = true, text = "until it goes" },
    { name = "send", type = "fun(a: table): string", optional = true } })
end

test["an operation's parameters, errors and effect are those of its service"] = function()
  local entry = docs.of "kms.schedule_key_deletion"
  test.equal({ entry.signature, entry.reference, entry.effect:match "^%a+" },
    { "kms.schedule_key_deletion { region?, KeyId, PendingWindowInDays? }", "KMS ScheduleKeyDeletion", "deletion" })
  test.truthy(table.concat(entry.errors, " "):find("KMSInvalidStateException", 1, true))
  test.equal(docs.of("kms.describe_key").effect:match "^%a+", "read")
  test.equal(docs.of("cloud.enable_cmek").effect:match "^%a+", "irreversible")
  test.equal(docs.of("vault.transit_export").effect:match "^%a+", "write")
end

test["every operation that a service has stands in its reference, and no other"] = function()
  for _, service in ipairs { "kms", "iam", "sts", "tagging" } do
    local source = embedded.source(("lua/aws/%s.lua"):format(service))
    local described = require("aws.reference." .. service)
    for operation in pairs(described) do
      test.truthy(source:find("%f[%w]" .. operation .. "%f[%W]"), ("%s has no %s"):format(service, operation))
    end
  end
  for operation in pairs(require("vault.reference").TEXTS) do
    test.truthy(require("vault.operations").LIST[operation], "vault has no " .. operation)
  end
end

test["a kind of thing is described by what ensure wants for it"] = function()
  local entry = docs.of "ensure key"
  test.truthy(entry.signature:find('ensure("key", { cluster, region, arn?', 1, true), entry.signature)
  for _, kind in ipairs(docs.kinds()) do
    local one = docs.of("ensure " .. kind)
    test.truthy(one.text ~= "" and #one.fields > 0, ("the kind %s does not say what it wants"):format(kind))
  end
end

test["what is not known has no entry"] = function()
  test.equal({ docs.of "kms.make_key" or 0, docs.of "ensure" and 1, docs.of "ensure kee" or 0, docs.of "os.execute" or 0, docs.help "nothing" or 0 },
    { 0, 1, 0, 0, 0 })
  test.equal(docs.near("kms.creat_key")[1], "kms.create_key")
end

-- ---- as `cmek help` shows it ----

local function help(...)
  local text
  local output = { help = function(_, shown) text = shown end }
  local ok, raised = pcall(require("command.help").run, { ... }, output)
  return ok and text or tostring(raised.message or raised)
end

test["help shows a function with types, errors, its effect and an example"] = function()
  local text = help "kms.create_alias"
  for _, wanted in ipairs { "kms.create_alias { region?, AliasName, TargetKeyId }", "AliasName    string", "AlreadyExistsException",
    "write: it needs the right to write", "KMS CreateAlias", 'kms.create_alias { region = "us-east-1", AliasName = "alias/orders-g2"' } do
    test.truthy(text:find(wanted, 1, true), ("no '%s' in\n%s"):format(wanted, text))
  end
end

test["help lists the functions of a table, the kinds, and the tables"] = function()
  test.truthy(help("kms"):find("kms.describe_key  ", 1, true))
  test.truthy(help("ensure"):find("ensure vault_mount", 1, true))
  test.truthy(help("ensure", "key"):find("Whoever holds", 1, true))
  test.truthy(help("functions"):find "tagging +AWS")
  test.truthy(help("functions", "vault"):find("vault.read_health", 1, true))
end

test["a name that is nearly one is answered with that one"] = function()
  test.truthy(help("kms.creat_key"):find("did you mean 'kms.create_key'", 1, true))
  test.truthy(help("ensure", "kee"):find("did you mean 'ensure key'", 1, true))
  test.truthy(help("functions", "polisy"):find("did you mean 'policy'", 1, true))
  for wrong, right in pairs { ensur = "ensure", pritn = "print", ["string.formt"] = "string.format", consol = "console" } do
    test.truthy(help(wrong):find(("did you mean '%s'"):format(right), 1, true), wrong)
  end
end

test["what Lua has and a recipe has not is told why"] = function()
  for _, name in ipairs { "os", "io.open", "coroutine", "xpcall", "debug.getinfo" } do
    test.truthy(help(name):find(("'%s' is not part of a recipe's world: "):format(name:match "^%w+"), 1, true), name)
  end
end

test["what editors are told is Lua that defines every name, with its arguments, and types that they know"] = function()
  local editor = require "docs.editor"
  local text, there = editor.text(), {}
  assert(load(text, "=cmek.lua", "t", there))()
  for _, name in ipairs(docs.names()) do
    local entry, table_name, member = docs.of(name), name:match "^(%a+)%.([%w_]+)$"
    local value = there[name]
    if table_name then value = there[table_name][member] end
    if name ~= "require" and name ~= "json.null" then test.truthy(value ~= nil, name .. " is not defined") end
    if entry.arguments and name ~= "require" and name ~= "plan" then
      test.contains(text, ("function %s(%s) end"):format(name, table.concat(entry.arguments, ", ")))
    end
  end
  test.contains(text, "---@param parameters { region?: string, AliasName: string, TargetKeyId: string }\n---@return table<string, any>\n"
    .. "function kms.create_alias(parameters) end")
  test.equal({ editor.type "names.Cluster", editor.type '"a b"|table[]', editor.type "fun(a: table): any", editor.type "{ id: string, of: Thing? }" },
    { "table<string, any>", '"a b"|table<string, any>[]', "fun(a: table<string, any>): any", "{ id: string, of: table<string, any>? }" })
  for line in text:gmatch "[^\n]+" do test.truthy(line:find "^%-%-%-" or line:find "^%-%- " or not line:find "raises", line) end
end

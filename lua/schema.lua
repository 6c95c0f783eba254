--- The published shapes of what --json prints: JSON Schemas (draft 2020-12), a file a document in lua/schema/, written in
--- the words below. What a schema does not name may stand beside it; what it names is of this type, and there unless its
--- name ends in "?". `cmek help json` lists them, `cmek help json plan` prints one.
local M = {}

local FOLDER <const> = "lua/schema/"
local DRAFT <const> = "https://json-schema.org/draft/2020-12/schema"

-- Words ------------------------------------------------------------------------------------------------------------

M.text, M.integer, M.number, M.boolean = { type = "string" }, { type = "integer" }, { type = "number" }, { type = "boolean" }
M.count = { type = "integer", minimum = 0 }
M.any = true
M.time = { type = "string", pattern = [[^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$]] }   -- RFC 3339, UTC

--- One of these texts.
function M.one_of(values) return { enum = values } end

--- This, or null.
---@param schema table
function M.or_null(schema)
  if next(schema) == "type" and next(schema, "type") == nil then return { type = { schema.type, "null" } } end
  return { anyOf = { schema, { type = "null" } } }
end

---@param of table|true
function M.list(of) return { type = "array", items = of } end

--- An object with these members; a name that ends in "?" may be missing.
---@param members table<string, table|true>
function M.object(members)
  local properties, required = {}, require("json").array {}
  for name, schema in require("sorted")(members) do
    local plain = name:gsub("%?$", "")
    properties[plain] = schema
    if plain == name then required[#required + 1] = name end
  end
  return { type = "object", properties = properties, required = required }
end

--- An object whose names are data.
function M.map(of) return { type = "object", additionalProperties = of } end

--- A schema with its head.
---@param name string         "cmek.plan/1"
---@param description string  what it is of, in one line
---@param schema table
---@param more table?         further keywords
---@return table schema
function M.published(name, description, schema, more)
  schema["$schema"], schema.title, schema.description = DRAFT, name, description
  for keyword, value in pairs(more or {}) do schema[keyword] = value end   -- order cannot be seen
  return schema
end

--- A document that says its schema's name.
---@param name string
---@param description string
---@param members table<string, table|true>
---@param more table?
---@return table schema
function M.document(name, description, members, more)
  members.schema = { const = name }
  return M.published(name, description, M.object(members), more)
end

-- What several documents hold --------------------------------------------------------------------------------------

--- Whose cluster, in which account.
function M.run(more)
  local members = {
    recipe = M.text, ["source?"] = M.object { path = M.text, hash = M.text, ["files?"] = M.list(M.text), touches = M.list(M.text),
      trusted = M.boolean },
    cluster = M.or_null(M.object { id = M.text, name = M.text }),
    organization = M.or_null(M.object { id = M.text, ["name?"] = M.text, ["label?"] = M.text }),
    aws = M.or_null(M.object { account_id = M.text, arn = M.text }),
  }
  for name, schema in pairs(more or {}) do members[name] = schema end   -- order cannot be seen
  return M.object(members)
end

M.summary = M.object { create = M.count, change = M.count, delete = M.count, unchanged = M.count, refused = M.count }

--- A step of a plan, and with `more` what became of it.
function M.step(more)
  local members = {
    kind = M.text, name = M.text, region = M.or_null(M.text), action = M.one_of { "create", "change", "delete", "none", "refuse" },
    reason = M.or_null(M.text), irreversible = M.boolean,
    differences = M.list(M.object { field = M.text, have = M.any, want = M.any }),
    ["told?"] = M.object { situation = M.text, cause = M.text, evidence = M.text, advice = M.text, commands = M.list(M.text), next = M.text },
  }
  for name, schema in pairs(more or {}) do members[name] = schema end   -- order cannot be seen
  return M.object(members)
end

M.step_done = M.step { arn = M.or_null(M.text), result = M.one_of { "done", "failed", "skipped" } }

--- What a service refused, or what failed otherwise.
M.failure = M.object {
  message = M.text, ["what?"] = M.text, ["service?"] = M.text, ["operation?"] = M.text, ["region?"] = M.text, ["code?"] = M.text,
  ["request_id?"] = M.text, ["next?"] = M.text, ["situation?"] = M.text, ["cause?"] = M.text, ["evidence?"] = M.text, ["advice?"] = M.text,
  ["commands?"] = M.list(M.text), ["traceback?"] = M.text,
  ["at?"] = M.object { file = M.text, line = M.integer, text = M.text, from = M.integer, to = M.integer },   -- of a recipe
}

M.warnings = M.list(M.object { text = M.text, region = M.or_null(M.text) })

M.result = M.one_of { "ok", "finding", "unknown" }

--- Checks that were made before anything else.
M.preflight = M.list(M.object { id = M.text, result = M.result, ["text?"] = M.text })

--- What is handed over, as the Cloud API takes it.
M.handover = M.object {
  region_specs = M.list(M.object {
    region = M.text, key_spec = M.object { type = M.one_of { "AWS_KMS" }, uri = M.text, auth_principal = M.text },
  }),
}

-- All of them ------------------------------------------------------------------------------------------------------

--- The words by which the schemas are known: "plan", "run" …
---@return string[]  sorted
function M.words()
  local words = {}
  for _, path in ipairs(require("embedded").list(FOLDER)) do words[#words + 1] = path:match "^lua/schema/([^/]+)%.lua$" end
  return words
end

--- A schema by its word or its name; nil when there is none.
---@param name string  "plan", "cmek.plan" or "cmek.plan/1"
---@return table?
function M.find(name)
  local word = name:gsub("^cmek%.", ""):gsub("/1$", "")
  for _, known in ipairs(M.words()) do
    if known == word then return require("schema." .. word) end
  end
end

-- What may also be null, without the null.
local function present(schema)
  for _, choice in ipairs(schema.anyOf or {}) do
    if choice.type ~= "null" then return choice end
  end
  return schema
end

-- The kinds of something that is told apart by its `kind`, with the names of their members.
local function kinds(schema)
  local words = {}
  for i, choice in ipairs(schema.oneOf) do
    local names = {}
    for _, name in ipairs(choice.required) do
      if name ~= "kind" then names[#names + 1] = name end
    end
    words[i] = ("%s{%s}"):format(choice.properties.kind.const, table.concat(names, ", "))
  end
  return table.concat(words, " | ")
end

--- The members of a schema in one line of words: "{run{recipe, cluster{id, name}}, steps[{kind, name}]}".
---@param schema table|true
---@return string
function M.outline(schema)
  if schema == true then return "" end
  schema = present(schema)
  if schema.items then return "[" .. M.outline(schema.items) .. "]" end
  if not schema.properties then return "" end
  local required, words = {}, {}
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for name, member in require("sorted")(schema.properties) do
    if name ~= "schema" then words[#words + 1] = name .. (required[name] and "" or "?") .. M.outline(member) end
  end
  return "{" .. table.concat(words, ", ") .. "}" .. (schema.oneOf and " and one of " .. kinds(schema) or "")
end

return M

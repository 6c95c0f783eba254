--- The half of openbao_reference.py that cmek knows: its operations of Vault, with what help says of them and what the door holds them for.
---   cmek test tests/peers/openbao_reference.lua ANSWER
local door = require "door"
local docs = require "docs"
local json = require "json"
local operations = require "vault.operations"

local answer = ...

local document = {}
for operation, entry in pairs(operations.LIST) do
  local name = (operation:gsub("(%l)(%u)", "%1_%2"):lower())
  local fields = {}
  for _, field in ipairs(docs.of("vault." .. name).fields) do fields[field.name] = { type = field.type, optional = field.optional } end
  document[operation] = { method = entry[1], mount = entry[2], path = entry[3], body = json.array(entry.body),
    fields = fields, effect = door.effect("vault", operation) }
end
assert(require("file").write(answer, json.encode(document)))
return 0

--- The half of reference.py that cmek knows: of each service of AWS its operations as they are described, as they are asked for, and what the
--- door holds each name for, as one JSON document. NAMES are the names to be judged, { service: [operation, …] }.
---   cmek test tests/peers/reference.lua NAMES ANSWER
local door = require "door"
local file = require "file"
local json = require "json"

local names, answer = ...

local REGIONAL <const> = { kms = true, tagging = true }

--- An answer that all functions can read, and that goes on once; what is looked at to know whether it goes on is noted.
local function page(request, first, looked)
  local more = first and "more" or nil
  local members = { IsTruncated = first and "true" or nil, Truncated = first or nil, Marker = more, NextMarker = more, PaginationToken = more,
    Role = { AssumeRolePolicyDocument = "%7B%7D" }, PolicyDocument = "%7B%7D", PolicyVersion = { Document = "%7B%7D" } }
  if request.list then members[request.list] = {} end
  return setmetatable({}, { __index = function(_, name)
    if name ~= request.list then looked[#looked + 1] = name end
    return members[name]
  end })
end

-- A shape (lua/shape.lua) as data: lists are the only ones that have a metatable.
local function plain(shape)
  if type(shape) ~= "table" then return shape end
  if getmetatable(shape) then return { list = plain(shape.of) } end
  local fields = {}
  for name, member in pairs(shape) do fields[name] = plain(member) end
  return { fields = fields }
end

-- What a function asks for, told by a caller that only listens.
local function asked(service, described)
  local seen
  local caller = { call = function(_, request)
    local first = seen.operation == nil
    if first then
      seen.operation, seen.list, seen.of, seen.result = request.operation, request.list, plain(request.of), plain(request.result)
    elseif request.list then
      for _, name in ipairs { "Marker", "PaginationToken" } do seen.ask = request.parameters[name] and name or seen.ask end
    end
    return page(request, first and request.list ~= nil, seen.looked)
  end }
  local found = {}
  for name, fn in require("sorted")(require("aws." .. service).new(caller)) do
    local operation = (("_" .. name):gsub("_(%l)", string.upper):gsub("_", ""))
    if described[operation] then
      seen = { looked = {} }
      fn { region = REGIONAL[service] and "us-east-1" or nil }
      seen.looked = json.array(seen.looked)
      found[operation] = seen
    end
  end
  return found
end

local document = { described = {}, asked = {}, effects = {} }
for service, operations in pairs(assert(json.decode(assert(file.read(names))))) do
  local ok, described = pcall(require, "aws.reference." .. service)
  if ok then document.described[service], document.asked[service] = described, asked(service, described) end
  document.effects[service] = {}
  for _, operation in ipairs(operations) do document.effects[service][operation] = door.effect(service, operation) end
end
assert(file.write(answer, json.encode(document)))
return 0

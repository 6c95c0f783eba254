-- The simulated Resource Groups Tagging API; section 5.8 of the fact sheet.
local client = dofile "tests/sim_client.lua"

local function keys_by(aws, parameters, more)
  local list = {}
  for index, one in ipairs(aws:call("tagging", "GetResources", parameters, more).ResourceTagMappingList) do list[index] = one.ResourceARN end
  return list
end

local function tagged(aws, tags, more)
  local list = {}
  for index, tag in ipairs(tags) do list[index] = { TagKey = tag[1], TagValue = tag[2] } end
  return "arn:aws:kms:" .. (more and more.region or "us-east-1") .. ":210987654321:key/" .. aws:key({ Tags = list }, more)
end

test["filters are joined by and, their values by or"] = function()
  local aws = client.new()
  local one = tagged(aws, { { "cluster", "orders" }, { "run", "1" } })
  local two = tagged(aws, { { "cluster", "orders" }, { "run", "2" } })
  local three = tagged(aws, { { "cluster", "other" } })
  aws:key()
  local function found(filters)
    local set = {}
    for _, arn in ipairs(keys_by(aws, { TagFilters = filters, ResourceTypeFilters = { "kms:key" } })) do set[arn] = true end
    return set
  end
  test.equal(found { { Key = "cluster", Values = { "orders" } } }, { [one] = true, [two] = true })
  test.equal(found { { Key = "cluster", Values = { "orders" } }, { Key = "run", Values = { "2", "3" } } }, { [two] = true })
  test.equal(found { { Key = "cluster", Values = { "orders", "other" } } }, { [one] = true, [two] = true, [three] = true })
  test.equal(found { { Key = "run" } }, { [one] = true, [two] = true })
  test.equal(found {}, { [one] = true, [two] = true, [three] = true })
end

test["only tagged resources of the region and the kind are listed"] = function()
  local aws = client.new()
  local here, there = tagged(aws, { { "a", "b" } }), tagged(aws, { { "a", "b" } }, { region = "eu-west-1" })
  test.equal(keys_by(aws, {}), { here })
  test.equal(keys_by(aws, {}, { region = "eu-west-1" }), { there })
  test.equal(keys_by(aws, { ResourceTypeFilters = { "ec2:instance" } }), {})
  test.equal(keys_by(aws, {}, { who = client.OTHER }), {})
end

test["what lost its tags is still there, with none"] = function()
  local aws = client.new()
  local arn = tagged(aws, { { "a", "b" } })
  aws:call("kms", "UntagResource", { KeyId = arn, TagKeys = { "a" } })
  test.equal(aws:call("tagging", "GetResources", {}).ResourceTagMappingList, { { ResourceARN = arn, Tags = {} } })
end

test["pages go on until the token is empty"] = function()
  local aws = client.new()
  for index = 1, 5 do tagged(aws, { { "a", tostring(index) } }) end
  local count, token, pages = 0, "", 0
  repeat
    local page = aws:call("tagging", "GetResources", { ResourcesPerPage = 2, PaginationToken = token })
    count, token, pages = count + #page.ResourceTagMappingList, page.PaginationToken, pages + 1
  until token == ""
  test.equal({ count, pages }, { 5, 3 })
  test.equal(aws:refusal("tagging", "GetResources", { PaginationToken = "x" }):match("^%w+"), "PaginationTokenExpiredException")
end

test["resources can be asked for by ARN, and by nothing else then"] = function()
  local aws = client.new()
  local one = tagged(aws, { { "a", "1" } })
  tagged(aws, { { "a", "2" } })
  test.equal(keys_by(aws, { ResourceARNList = { one } }), { one })
  test.equal(aws:refusal("tagging", "GetResources", { ResourceARNList = { one }, TagFilters = { { Key = "a" } } }):match("^%w+"),
    "InvalidParameterException")
end

test["the index is behind, as ordered"] = function()
  local aws = client.new { index_lag = 30 }
  local arn = tagged(aws, { { "a", "b" } })
  test.equal(keys_by(aws, {}), {})
  test.equal(#aws:call("kms", "ListKeys", {}).Keys, 1)
  aws.now = aws.now + 29
  test.equal(keys_by(aws, {}), {})
  aws.now = aws.now + 1
  test.equal(keys_by(aws, {}), { arn })
  aws:call("kms", "TagResource", { KeyId = arn, Tags = { { TagKey = "a", TagValue = "c" } } })
  test.equal(keys_by(aws, { TagFilters = { { Key = "a", Values = { "b" } } } }), { arn })
end

test["who may not ask is told so"] = function()
  local aws = client.new()
  local user = aws.simulation:add_user { account = "210987654321", name = "poor", policies = {} }
  local who = { who = { id = user.access_key_id, secret = user.secret_access_key } }
  test.equal(aws:refusal("tagging", "GetResources", {}, who), "AccessDeniedException: User: arn:aws:iam::210987654321:user/poor is not authorized \z
    to perform: tag:GetResources on resource: * because no identity-based policy allows the tag:GetResources action")
end

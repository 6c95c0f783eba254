--- The half of any_service.py that cmek knows by itself: how each service is spoken to, and where it is.
---   cmek test tests/peers/any_service.lua ANSWERS REGION…
local endpoint = require "aws.endpoint"
local json = require "json"
local variables = require "variables"

local answers, regions = ..., { select(2, ...) }
local known = require("aws.any").known()

-- The host that a service would be asked at.
local function host(endpoints, service, region)
  local own = endpoints.others[service] or endpoints.others["*"]
  return (own.url:gsub("{region}", region):gsub("{service}", known[service].host))
end

local hosts = {}
for _, region in ipairs(regions) do
  for _, fips in ipairs { false, true } do
    local endpoints = endpoint.new { environment = variables.of { AWS_REGION = region, AWS_USE_FIPS_ENDPOINT = tostring(fips) } }
    for service in pairs(known) do
      if not endpoints.services[service] then
        hosts[#hosts + 1] = { service = service, region = region, fips = fips, url = host(endpoints, service, region) }
      end
    end
  end
end
assert(require("file").write(answers, json.encode { known = known, hosts = hosts }))
return 0

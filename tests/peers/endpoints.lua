--- The half of endpoints.py that cmek computes: a JSON object a line in, { region, fips, dual, legacy }; a line out with each
--- service's URL and signing region, or why there is none.
---   cmek test tests/peers/endpoints.lua SETTINGS ANSWERS
local endpoint = require "aws.endpoint"
local json = require "json"
local variables = require "variables"

local settings, answers = ...

local SWITCHES <const> = { fips = "AWS_USE_FIPS_ENDPOINT", dual = "AWS_USE_DUALSTACK_ENDPOINT" }

local out = assert(io.open(answers, "wb"))
for line in io.lines(settings) do
  local setting = assert(json.decode(line))
  local environment = { AWS_REGION = setting.region, AWS_STS_REGIONAL_ENDPOINTS = setting.legacy and "legacy" or nil }
  for name, variable in pairs(SWITCHES) do environment[variable] = tostring(setting[name]) end
  local ok, endpoints = pcall(endpoint.new, { environment = variables.of(environment) })
  local answer = { error = not ok and tostring(endpoints) or nil }
  for name, service in pairs(ok and endpoints.services or {}) do
    answer[name] = { (service.url:gsub("{region}", setting.region)), service.signing_region or setting.region }
  end
  out:write(json.encode(answer), "\n")
end
assert(out:close())
return 0

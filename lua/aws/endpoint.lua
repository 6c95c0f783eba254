--- Where AWS's services are: partitions and their hosts, and the settings that name others.
---@class aws.Endpoint
---@field url string              with `{region}` where the region goes
---@field signing_region string?  nil: the region of the request
---@field source string?          the setting that names it; nil: computed
---@class aws.Endpoints
---@field partition aws.Partition
---@field region string?          of calls that have none of their own
---@field region_source string?   what names it
---@field ca_bundle string?       file of certificates to trust
---@field ca_bundle_source string?
---@field services table<string, aws.Endpoint>
---@field others table<string, aws.Endpoint>  of services that a recipe may call beside ours; "*": all that have none of their own
local Endpoints = { __name = "aws.Endpoints" }
Endpoints.__index = Endpoints

local refusal = require "refusal"
local variables = require "variables"

local M = {}

---@class aws.Partition
---@field id string            as ARNs have it: "aws", "aws-cn" …
---@field suffix string        of host names
---@field dual string          of dual-stack host names
---@field region string        its global region
---@field iam aws.IamHosts
local PARTITIONS <const> = {
  { id = "aws-cn", patterns = { "^cn%-" }, suffix = "amazonaws.com.cn", dual = "api.amazonwebservices.com.cn", region = "cn-northwest-1",
    iam = { region = "cn-north-1", plain = "iam.cn-north-1.amazonaws.com.cn", fips = "iam-fips.amazonaws.com.cn",
      dual = "iam.global.api.amazonwebservices.com.cn" } },
  { id = "aws-us-gov", patterns = { "^us%-gov%-" }, suffix = "amazonaws.com", dual = "api.aws", region = "us-gov-west-1",
    iam = { region = "us-gov-west-1", plain = "iam.us-gov.amazonaws.com", fips = "iam.us-gov.amazonaws.com", dual = "iam.us-gov.api.aws" } },
  { id = "aws-eusc", patterns = { "^eusc%-" }, suffix = "amazonaws.eu", dual = "api.amazonwebservices.eu", region = "eusc-de-east-1",
    iam = { region = "eusc-de-east-1", plain = "iam.eusc-de-east-1.amazonaws.eu", fips = "iam-fips.amazonaws.eu",
      dual = "iam.global.api.amazonwebservices.eu" } },
  { id = "aws-iso", patterns = { "^us%-iso%-" }, suffix = "c2s.ic.gov", dual = "api.aws.ic.gov", region = "us-iso-east-1",
    iam = { region = "us-iso-east-1", plain = "iam.us-iso-east-1.c2s.ic.gov" } },
  { id = "aws-iso-b", patterns = { "^us%-isob%-" }, suffix = "sc2s.sgov.gov", dual = "api.aws.scloud", region = "us-isob-east-1",
    iam = { region = "us-isob-east-1", plain = "iam.us-isob-east-1.sc2s.sgov.gov" } },
  { id = "aws-iso-e", patterns = { "^eu%-isoe%-" }, suffix = "cloud.adc-e.uk", dual = "api.cloud-aws.adc-e.uk", region = "eu-isoe-west-1",
    iam = { region = "eu-isoe-west-1", plain = "iam.eu-isoe-west-1.cloud.adc-e.uk" } },
  { id = "aws-iso-f", patterns = { "^us%-isof%-" }, suffix = "csp.hci.ic.gov", dual = "api.aws.hci.ic.gov", region = "us-isof-south-1",
    iam = { region = "us-isof-south-1", plain = "iam.us-isof-south-1.csp.hci.ic.gov" } },
  -- Last: what fits nowhere else is here.
  { id = "aws", patterns = { "" }, suffix = "amazonaws.com", dual = "api.aws", region = "us-east-1",
    iam = { region = "us-east-1", plain = "iam.amazonaws.com", fips = "iam-fips.amazonaws.com", dual = "iam.global.api.aws",
      both = "iam-fips.global.api.aws" } },
}

--- Regions in which AWS_STS_REGIONAL_ENDPOINTS=legacy means the global endpoint.
local LEGACY_STS <const> = {}
for name in ([[ ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2
  eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 aws-global ]]):gmatch "%S+" do LEGACY_STS[name] = true end

--- Our services, and what settings call them.
local SERVICES <const> = { iam = "IAM", kms = "KMS", sts = "STS", tagging = "RESOURCE_GROUPS_TAGGING_API" }

--- Others, which a recipe may call (lua/aws/any.lua), where settings call them otherwise than by their name.
local OTHERS <const> = { config = "CONFIG_SERVICE", events = "EVENTBRIDGE", logs = "CLOUDWATCH_LOGS", monitoring = "CLOUDWATCH",
  secretsmanager = "SECRETS_MANAGER", states = "SFN", elasticloadbalancing = "ELASTIC_LOAD_BALANCING_V2", autoscaling = "AUTO_SCALING",
  cloudhsm = "CLOUDHSM_V2", route53 = "ROUTE_53" }

--- Those of them that are one for all regions of the commercial partition.
local GLOBAL <const> = { cloudfront = "https://cloudfront.amazonaws.com", organizations = "https://organizations.us-east-1.amazonaws.com",
  route53 = "https://route53.amazonaws.com" }

--- In GovCloud services are FIPS under their plain names, but these, by what their hosts begin with.
local FIPS_APART <const> = { ecr = "api.ecr", secretsmanager = "secretsmanager", ses = "email" }

--- Names of the door's own, which no setting of AWS's gives an address: their secrets would go there.
local RESERVED <const> = { cloud = true, vault = true, sso = true, ["sso-oidc"] = true, imds = true, container = true, ["*"] = true }

--- What the door knows the hosts of all the others by: `{service}` is what a service's hosts begin with.
local ANY <const> = "*"

local function misset(message, next_step)
  refusal.raise { kind = "configuration", exit = "usage", message = message, next = next_step }
end

--- The services of IAM Identity Center: what settings call them, and their hosts' first words.
local LOGIN <const> = { sso = { "SSO", "portal.sso" }, ["sso-oidc"] = { "SSO_OIDC", "oidc" } }

--- The partition that a region is in.
---@param region string?  nil: the commercial one
---@return aws.Partition
function M.partition(region)
  for _, partition in ipairs(PARTITIONS) do
    for _, pattern in ipairs(partition.patterns) do
      if (region or ""):find(pattern) then return partition end
    end
  end
end

--- Raises when a text cannot be a region: it becomes a part of host names.
---@param region string
---@param origin string  where it was set
---@return string region
function M.check_region(region, origin)
  if #region < 32 and region:find "^[a-z0-9][a-z0-9-]*$" and not region:find "%-$" then return region end
  misset(("%s is '%s', which is no region: a region is a word like us-east-1"):format(origin, region))
end

-- Computed hosts ---------------------------------------------------------------------------------------------------

-- "https://kms-fips.{region}.amazonaws.com"
local function regional(partition, name, options, region)
  local plain_sts = name == "sts" and partition.id == "aws-us-gov" and not options.dual   -- where plain is FIPS
  if options.fips and not plain_sts then name = name .. "-fips" end
  return ("https://%s.%s.%s"):format(name, region or "{region}", options.dual and partition.dual or partition.suffix)
end

local function iam(partition, options)
  local hosts, way = partition.iam, options.fips and options.dual and "both" or options.fips and "fips" or options.dual and "dual" or "plain"
  local host = hosts[way]
  if not host and way == "both" then host = hosts.fips == hosts.plain and hosts.dual or nil end
  if not host then
    misset(("IAM has no %s endpoint in the partition %s"):format(way == "both" and "FIPS and dual-stack" or way == "fips" and "FIPS" or "dual-stack",
      partition.id), "unset AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT")
  end
  return { url = "https://" .. host, signing_region = hosts.region }
end

local function sts(partition, options, region)
  if options.legacy and LEGACY_STS[region] and not options.fips and not options.dual then
    return { url = "https://sts.amazonaws.com", signing_region = "us-east-1" }
  end
  return { url = regional(partition, "sts", options, region), signing_region = region }
end

--- The endpoint of a service as AWS has it.
---@param service "iam"|"kms"|"sts"|"tagging"
---@param partition aws.Partition
---@param options { fips: boolean?, dual: boolean?, legacy: boolean?, region: string? }  region: of STS; nil: the partition's global one
---@return aws.Endpoint
function M.computed(service, partition, options)
  if service == "iam" then return iam(partition, options) end
  if service == "sts" then return sts(partition, options, options.region or partition.region) end
  return { url = regional(partition, service, options) }
end

-- Settings ---------------------------------------------------------------------------------------------------------

-- The first that is set, and what it is called: an environment variable, else the profile's property.
local function setting(environment, profile, variable, property)
  local value = environment.text(variable)
  if value then return value, variable end
  value = profile and profile:text(property)
  if value then return value, ("%s of profile '%s'"):format(property, profile.name) end
end

local function switch(environment, profile, variable, property)
  return variables.switch(setting(environment, profile, variable, property)) or false
end

local function region_of(options, environment, profile)
  if options.region then return M.check_region(options.region, "--region"), "--region" end
  for _, variable in ipairs { "AWS_REGION", "AWS_DEFAULT_REGION" } do
    local value = environment.text(variable)
    if value then return M.check_region(value, variable), variable end
  end
  local value = profile and profile:text "region"
  local source = value and ("region of profile '%s'"):format(profile.name)
  return value and M.check_region(value, source), source
end

-- The URL that a setting names for a service, by its ID in settings (nil: for all of them); nil when there is none.
local function override(id, environment, profile)
  for _, variable in ipairs { id and "AWS_ENDPOINT_URL_" .. id or false, "AWS_ENDPOINT_URL" } do
    local value = variable and environment.text(variable)
    if value then return value, variable end
  end
  if not profile then return nil end
  local section = id and profile:services()
  local own = section and section[id:lower()]
  local value = type(own) == "table" and own.endpoint_url
  if value then return value, ("endpoint_url of %s in [services %s]"):format(id:lower(), profile:text "services") end
  value = profile:text "endpoint_url"
  if value then return value, ("endpoint_url of profile '%s'"):format(profile.name) end
end

local function check_url(url, source)
  if url:find "^https?://[^%s/@?#]+[^%s@?#]*$" then return (url:gsub("/+$", "")) end
  misset(("%s is '%s', which is no address of a service: it must look like https://host or http://127.0.0.1:4599"):format(source, url))
end

local function sts_legacy(environment, profile)
  local value, source = setting(environment, profile, "AWS_STS_REGIONAL_ENDPOINTS", "sts_regional_endpoints")
  if value == nil or value == "regional" then return false end
  if value == "legacy" then return true end
  misset(("%s is '%s'; it must be regional or legacy"):format(source, value))
end

-- What settings call the services that they name an address of, apart from ours: name by ID.
local function named(environment, profile)
  local ids, prefix = {}, "AWS_ENDPOINT_URL_"
  for _, variable in ipairs(environment.names(prefix)) do ids[variable:sub(#prefix + 1)] = true end
  for id in require("sorted")(profile and profile:services() or {}) do ids[id:upper()] = true end
  for _, id in require("sorted")(SERVICES) do ids[id] = nil end
  for _, names in require("sorted")(LOGIN) do ids[names[1]] = nil end
  local list = {}
  for id in require("sorted")(ids) do list[id] = id:lower():gsub("_", "-") end
  for service, id in require("sorted")(OTHERS) do list[id] = list[id] and service end
  for id, service in require("sorted")(list) do list[id] = not RESERVED[service] and service or nil end
  return list
end

-- The endpoints of services that a recipe may call beside ours.
local function others(self, environment, profile, ways, ignore)
  local url, source
  if not ignore then url, source = override(nil, environment, profile) end
  local plain = self.partition.id == "aws-us-gov" and { dual = ways.dual } or ways
  self.others[ANY] = url and { url = check_url(url, source), source = source } or { url = regional(self.partition, "{service}", plain) }
  if not url and self.partition.id == "aws" and not ways.fips and not ways.dual then
    for service, address in require("sorted")(GLOBAL) do
      self.others[service] = { url = address, signing_region = self.partition.region }
    end
  elseif not url and plain ~= ways and ways.fips then
    for service, host in require("sorted")(FIPS_APART) do self.others[service] = { url = regional(self.partition, host, ways) } end
  end
  for id, service in require("sorted")(ignore and {} or named(environment, profile)) do
    local own, from = override(id, environment, profile)
    if own and service then self.others[service] = { url = own, source = from } end
  end
end

--- The endpoints of one operator's services, by settings and region. Nothing is asked on the network.
---@param options { environment: Variables, profile: aws.Profile?, region: string? }  region: an explicit one
---@return aws.Endpoints
function M.new(options)
  local environment, profile = options.environment, options.profile
  local region, region_source = region_of(options, environment, profile)
  local partition = M.partition(region)
  local self = setmetatable({ region = region, region_source = region_source, partition = partition,
    services = {}, others = {}, faults = {} }, Endpoints)
  local ways = {
    fips = switch(environment, profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
    dual = switch(environment, profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
    legacy = sts_legacy(environment, profile), region = region,
  }
  local ignore = switch(environment, profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
  for service in require("sorted")(SERVICES) do
    local url, source
    if not ignore then url, source = override(SERVICES[service], environment, profile) end
    if url and (ways.fips or ways.dual) then
      misset(("%s names an endpoint, and %s is on: AWS's clients refuse the two together"):format(source,
        ways.fips and "AWS_USE_FIPS_ENDPOINT" or "AWS_USE_DUALSTACK_ENDPOINT"), "unset one of them")
    end
    self.services[service] = url and self:custom(service, check_url(url, source), source) or M.computed(service, partition, ways)
  end
  others(self, environment, profile, ways, ignore)
  self.ca_bundle, self.ca_bundle_source = setting(environment, profile, "AWS_CA_BUNDLE", "ca_bundle")
  self.overridden = function(id) if not ignore then return override(id, environment, profile) end end
  self.ways = ways
  return self
end

--- An endpoint that a setting names. Global services are signed as in their partition; who answers there may take any region.
function Endpoints:custom(service, url, source)
  local signing_region
  if service == "iam" then signing_region = self.partition.iam.region end
  if service == "sts" then signing_region = self.region or self.partition.region end
  return { url = url, signing_region = signing_region, source = source }
end

-- Puts one endpoint on the door; what is wrong with a setting's is told under its name.
local function register(door, service, endpoint)
  local ok, message = pcall(door.endpoint, door, service, endpoint.url, { signing_region = endpoint.signing_region })
  if ok then return end
  if not endpoint.source then error(message, 0) end
  misset(("%s: %s"):format(endpoint.source, (tostring(message):gsub("^door: ", ""))))
end

--- Opens IAM Identity Center in its region, for the credential chain.
---@param door table  not sealed yet
---@param region string
---@return string url  of its portal
function Endpoints:register_login(door, region)
  for service, names in require("sorted")(LOGIN) do
    local url, source = self.overridden(names[1])
    url = url and check_url(url, source) or regional(M.partition(region), names[2], self.ways, region)
    self.services[service] = { url = url, source = source }
    register(door, service, self.services[service])
  end
  return self.services.sso.url
end

--- The setting that names a service's endpoint; nil when it is AWS's own.
---@param service string
---@return string?
function Endpoints:source(service)
  return (self.services[service] or self.others[service] or self.others[ANY]).source
end

--- Whether a service is one for all regions in some partition.
---@param service string
function M.may_be_global(service) return service == "iam" or GLOBAL[service] ~= nil end

--- Whether requests to it name no region: it is one for all of them.
---@param service string
function Endpoints:is_global(service) return service == "iam" or (self.others[service] or {}).signing_region ~= nil end

--- Raises when a region is of another partition than the hosts: such a host does not exist, and its account is another one.
---@param service string
---@param region string?  nil: the service has one endpoint
function Endpoints:check(service, region)
  if self.faults[service] then error(self.faults[service], 0) end
  if region == nil or self:source(service) or M.partition(region).id == self.partition.id then return end
  refusal.raise { kind = "configuration", exit = "usage", service = service, region = region,
    message = ("the region %s is in the partition %s, and the credentials' region %s is in %s"):format(region, M.partition(region).id,
      self.region or "(none)", self.partition.id), next = ("use credentials of an account there, with --region %s"):format(region) }
end

--- Tells the door where the services are, and whom to trust.
---@param door table  not sealed yet
function Endpoints:register(door)
  for service, endpoint in require("sorted")(self.services) do register(door, service, endpoint) end
  for service, endpoint in require("sorted")(self.others) do   -- what is wrong with one that is never called does no harm
    local ok, fault = pcall(function()
      if endpoint.source then endpoint.url = check_url(endpoint.url, endpoint.source) end
      register(door, service, endpoint)
    end)
    if not ok then self.faults[service] = fault end
  end
  if self.ca_bundle then door:ca_bundle(self.ca_bundle) end
  if self.region then door:region(self.region) end
end

return M

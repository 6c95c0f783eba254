-- Where AWS's services are: partitions, FIPS, dual-stack, settings, regions.
local endpoint = require "aws.endpoint"
local file = require "file"
local profiles = require "aws.profile"
local variables = require "variables"
local stand_in = dofile "tests/stand_in.lua"

-- Endpoints by environment, profile text and explicit region.
local function open(environment, config, region)
  local settings = variables.of(environment or {})
  local profile
  if config then
    local path = test.directory() .. "/config"
    assert(file.write(path, config))
    profile = profiles.load({ environment = variables.of { AWS_CONFIG_FILE = path, AWS_SHARED_CREDENTIALS_FILE = "/dev/null" } }):find "default"
  end
  return endpoint.new { environment = settings, profile = profile, region = region }
end

local function urls(endpoints)
  local list = {}
  for name, service in pairs(endpoints.services) do list[name] = service.url end
  return list
end

test["a region's partition is told by its name, and an unknown one is in the commercial partition"] = function()
  for region, partition in pairs {
    ["us-east-1"] = "aws", ["il-central-1"] = "aws", ["mx-central-1"] = "aws", ["cn-north-1"] = "aws-cn", ["us-gov-west-1"] = "aws-us-gov",
    ["eusc-de-east-1"] = "aws-eusc", ["us-iso-west-1"] = "aws-iso", ["us-isob-east-1"] = "aws-iso-b", ["eu-isoe-west-1"] = "aws-iso-e",
    ["us-isof-south-1"] = "aws-iso-f", ["xx-new-9"] = "aws",
  } do
    test.equal(endpoint.partition(region).id, partition)
  end
  test.equal(endpoint.partition(nil).id, "aws")
end

test["every partition has its hosts, and signs IAM for its own region"] = function()
  for region, want in pairs {
    ["eu-west-1"] = { "https://iam.amazonaws.com", "us-east-1", "https://kms.{region}.amazonaws.com", "https://sts.eu-west-1.amazonaws.com" },
    ["cn-northwest-1"] = { "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1", "https://kms.{region}.amazonaws.com.cn",
      "https://sts.cn-northwest-1.amazonaws.com.cn" },
    ["us-gov-east-1"] = { "https://iam.us-gov.amazonaws.com", "us-gov-west-1", "https://kms.{region}.amazonaws.com",
      "https://sts.us-gov-east-1.amazonaws.com" },
    ["eusc-de-east-1"] = { "https://iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "https://kms.{region}.amazonaws.eu",
      "https://sts.eusc-de-east-1.amazonaws.eu" },
    ["us-iso-west-1"] = { "https://iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", "https://kms.{region}.c2s.ic.gov",
      "https://sts.us-iso-west-1.c2s.ic.gov" },
    ["us-isob-east-1"] = { "https://iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", "https://kms.{region}.sc2s.sgov.gov",
      "https://sts.us-isob-east-1.sc2s.sgov.gov" },
    ["eu-isoe-west-1"] = { "https://iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1", "https://kms.{region}.cloud.adc-e.uk",
      "https://sts.eu-isoe-west-1.cloud.adc-e.uk" },
    ["us-isof-south-1"] = { "https://iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1", "https://kms.{region}.csp.hci.ic.gov",
      "https://sts.us-isof-south-1.csp.hci.ic.gov" },
  } do
    local services = open({ AWS_REGION = region }).services
    test.equal({ services.iam.url, services.iam.signing_region, services.kms.url, services.sts.url }, want)
    test.equal({ services.sts.signing_region, services.kms.signing_region }, { region })
  end
end

test["FIPS and dual-stack hosts, alone and together"] = function()
  local function with(fips, dual, region)
    return urls(open { AWS_REGION = region or "us-east-1", AWS_USE_FIPS_ENDPOINT = fips, AWS_USE_DUALSTACK_ENDPOINT = dual })
  end
  test.equal(with("true", nil), { iam = "https://iam-fips.amazonaws.com", kms = "https://kms-fips.{region}.amazonaws.com",
    sts = "https://sts-fips.us-east-1.amazonaws.com", tagging = "https://tagging-fips.{region}.amazonaws.com" })
  test.equal(with(nil, "TRUE"), { iam = "https://iam.global.api.aws", kms = "https://kms.{region}.api.aws",
    sts = "https://sts.us-east-1.api.aws", tagging = "https://tagging.{region}.api.aws" })
  test.equal(with("true", "true"), { iam = "https://iam-fips.global.api.aws", kms = "https://kms-fips.{region}.api.aws",
    sts = "https://sts-fips.us-east-1.api.aws", tagging = "https://tagging-fips.{region}.api.aws" })
  test.equal(with("false", "false"), urls(open { AWS_REGION = "us-east-1" }))
  local gov = with("true", nil, "us-gov-west-1")
  test.equal({ gov.sts, gov.iam, gov.kms },   -- STS in GovCloud is FIPS under its plain name
    { "https://sts.us-gov-west-1.amazonaws.com", "https://iam.us-gov.amazonaws.com", "https://kms-fips.{region}.amazonaws.com" })
  test.equal(with(nil, "true", "cn-north-1").kms, "https://kms.{region}.api.amazonwebservices.com.cn")
  test.raises(function() with("true", nil, "us-iso-east-1") end, "no FIPS endpoint in the partition aws-iso")
  test.raises(function() with("yes", nil) end, "AWS_USE_FIPS_ENDPOINT is 'yes'; it must be true or false")
  test.equal(urls(open({ AWS_REGION = "us-east-1" }, "[default]\nuse_fips_endpoint = true\n")).iam, "https://iam-fips.amazonaws.com")
end

test["the legacy endpoint of STS is used where it is asked for, in the regions that had it"] = function()
  local function sts(region) return open({ AWS_REGION = region, AWS_STS_REGIONAL_ENDPOINTS = "legacy" }).services.sts end
  test.equal(sts "eu-west-1", { url = "https://sts.amazonaws.com", signing_region = "us-east-1" })
  test.equal(sts "eu-south-1", { url = "https://sts.eu-south-1.amazonaws.com", signing_region = "eu-south-1" })
  test.raises(function() open { AWS_STS_REGIONAL_ENDPOINTS = "global" } end, "it must be regional or legacy")
end

local CONFIG <const> = [[
[default]
services = local
endpoint_url = http://127.0.0.1:4
[services local]
kms =
  endpoint_url = http://127.0.0.1:3
]]

test["of the settings that name an endpoint the first counts: service in the environment, all, section, profile"] = function()
  local function kms(environment, config) return open(environment, config).services.kms end
  local all = { AWS_REGION = "us-east-1", AWS_ENDPOINT_URL_KMS = "http://127.0.0.1:1", AWS_ENDPOINT_URL = "http://127.0.0.1:2/" }
  test.equal(kms(all, CONFIG), { url = "http://127.0.0.1:1", source = "AWS_ENDPOINT_URL_KMS" })
  all.AWS_ENDPOINT_URL_KMS = ""
  test.equal(kms(all, CONFIG), { url = "http://127.0.0.1:2", source = "AWS_ENDPOINT_URL" })
  all.AWS_ENDPOINT_URL = nil
  test.equal(kms(all, CONFIG), { url = "http://127.0.0.1:3", source = "endpoint_url of kms in [services local]" })
  test.equal(open(all, CONFIG).services.tagging, { url = "http://127.0.0.1:4", source = "endpoint_url of profile 'default'" })
  test.equal(kms(all).url, "https://kms.{region}.amazonaws.com")
  test.equal(open({ AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API = "http://127.0.0.1:5" }).services.tagging.url, "http://127.0.0.1:5")
end

test["configured endpoints can be ignored, and mix with FIPS or dual-stack not at all"] = function()
  local environment = { AWS_REGION = "us-east-1", AWS_ENDPOINT_URL = "http://127.0.0.1:2", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "True" }
  test.equal(open(environment, CONFIG).services.kms.url, "https://kms.{region}.amazonaws.com")
  environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, environment.AWS_USE_FIPS_ENDPOINT = nil, "true"
  test.raises(function() open(environment) end, "AWS_ENDPOINT_URL names an endpoint, and AWS_USE_FIPS_ENDPOINT is on")
end

test["an endpoint that is no address is refused, with the setting that names it"] = function()
  for _, bad in ipairs { "127.0.0.1:4599", "ftp://x", "http://", "https://user@host", "https://host/?a", "https://ho st" } do
    local raised = test.raises(function() open { AWS_ENDPOINT_URL_IAM = bad } end, "AWS_ENDPOINT_URL_IAM is '" .. bad .. "'")
    test.equal(raised.exit, "usage")
  end
end

test["global services behind an own endpoint are still signed, as their partition signs them"] = function()
  local services = open({ AWS_REGION = "eu-west-1", AWS_ENDPOINT_URL = "http://127.0.0.1:2" }).services
  test.equal({ services.iam.signing_region, services.sts.signing_region, services.kms.signing_region }, { "us-east-1", "eu-west-1" })
  test.equal(open({ AWS_ENDPOINT_URL = "http://127.0.0.1:2" }).services.sts.signing_region, "us-east-1")
end

test["the region is --region, AWS_REGION, AWS_DEFAULT_REGION or the profile's, in this order, or none"] = function()
  local config = "[default]\nregion = eu-west-4\n"
  test.equal(open({ AWS_REGION = "eu-west-2", AWS_DEFAULT_REGION = "eu-west-3" }, config, "eu-west-1").region, "eu-west-1")
  test.equal(open({ AWS_REGION = "eu-west-2", AWS_DEFAULT_REGION = "eu-west-3" }, config).region, "eu-west-2")
  test.equal(open({ AWS_DEFAULT_REGION = "eu-west-3" }, config).region, "eu-west-3")
  test.equal(open({}, config).region, "eu-west-4")
  local none = open()
  test.equal({ none.region, none.services.sts.url }, { nil, "https://sts.us-east-1.amazonaws.com" })
end

test["a region becomes part of a host name: what is no word is refused, with its origin"] = function()
  for _, bad in ipairs { "us-east-1.evil.example", "us east", "US-EAST-1", "-a", "a-", "a/b", ("x"):rep(40) } do
    test.raises(function() open { AWS_REGION = bad } end, ("AWS_REGION is '%s', which is no region"):format(bad))
  end
  test.raises(function() open({}, nil, "nowhere!") end, "--region is 'nowhere!'")
  test.raises(function() open({}, "[default]\nregion = x y\n") end, "region of profile 'default' is 'x y'")
end

test["a region of another partition is refused before a host is made up for it"] = function()
  local china = open { AWS_REGION = "cn-north-1" }
  local raised = test.raises(function() china:check("kms", "us-east-1") end, "the region us-east-1 is in the partition aws")
  test.contains(raised, "cn-north-1 is in aws-cn")
  china:check("kms", "cn-northwest-1")
  open({ AWS_REGION = "cn-north-1", AWS_ENDPOINT_URL = "http://127.0.0.1:2" }):check("kms", "us-east-1")
end

test["the door learns every endpoint, the region and whom to trust"] = function()
  local here = stand_in.new()
  open({ AWS_REGION = "eu-west-1", AWS_CA_BUNDLE = "/etc/ca.pem" }):register(here.door)
  test.equal(here.endpoints.sts, { url = "https://sts.eu-west-1.amazonaws.com", signing_region = "eu-west-1" })
  test.equal(here.endpoints.kms, { url = "https://kms.{region}.amazonaws.com" })
  test.equal({ here.regions["eu-west-1"], here.ca_bundle }, { true, "/etc/ca.pem" })
  here = stand_in.new()
  open({}, "[default]\nca_bundle = /profile.pem\n"):register(here.door)
  test.equal(here.ca_bundle, "/profile.pem")
end

test["an endpoint that the door refuses is told with the setting that names it"] = function()
  local door = require("door").new { world = require("sim.world").new { seed = 1, handle = function() end } }
  local raised = test.raises(function() open({ AWS_ENDPOINT_URL = "http://10.0.0.1:4599" }):register(door) end, "AWS_ENDPOINT_URL: ")
  test.contains(raised, "would carry credentials in clear")
end

--- Who we are, as text: two parts, each with what it knows and, where something fails, what to type next.
local columns = require "ui.table"
local json = require "json"

local M = {}

local WIDTH <const>, INDENT <const> = 100, 16

local function has(value) return value ~= nil and value ~= json.null end

-- Prose in lines, all but the first indented.
local function wrapped(prose)
  local lines, line = {}, ""
  for word in prose:gmatch "%S+" do
    if line ~= "" and columns.width(line) + 1 + columns.width(word) > WIDTH - INDENT then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. (" "):rep(INDENT))
end

local Part = {}
Part.__index = Part

local function part(title) return setmetatable({ title .. "\n" }, Part) end

function Part:line(label, prose)
  table.insert(self, ("  %s%s\n"):format(columns.pad(label, INDENT - 2), wrapped(prose)))
end

function Part:rows(label, rows)
  local text = columns.render(rows, (" "):rep(INDENT))
  table.insert(self, "  " .. columns.pad(label, INDENT - 2) .. text:sub(INDENT + 1))
end

function Part:fault(output, fault)
  local lead = has(fault.what) and fault.what .. ": " or ""
  local where = {}
  for _, name in ipairs { "service", "operation", "region", "code" } do
    if has(fault[name]) then where[#where + 1] = fault[name] end
  end
  local place = has(fault.service) and table.concat(where, " ") .. ": " or ""
  table.insert(self, "  " .. output:paint("red", columns.pad("problem", INDENT - 2)) .. wrapped(lead .. place .. fault.message) .. "\n")
  if has(fault.next) then table.insert(self, ("  %s%s\n"):format(columns.pad("next", INDENT - 2), fault.next)) end   -- as it is to be pasted
end

-- "2026-02-01T10:00:00Z, in 58 min"
local function at(text, now)
  local time = require "time"
  local left = time.epoch(text) - now
  return ("%s, %s"):format(text, left > 0 and "in " .. time.span(left) or time.span(left) .. " ago")
end

local function lasting(aws, now)
  if has(aws.expired_at) then
    return ("expired at %s; the metadata service still hands it out, and it is used: AWS may still take it"):format(aws.expired_at)
  end
  if not has(aws["until"]) then return "no end is known" end
  if not has(aws.ends) then return at(aws["until"], now) .. "; renewed before" end
  if aws.ends == aws["until"] then return at(aws["until"], now) .. "; nothing renews it" end
  return ("%s; renewed until %s"):format(at(aws["until"], now), aws.ends)
end

local function by(aws)
  local words = { aws.source }
  if has(aws.place) then words[#words + 1] = ("from %s"):format(aws.place) end
  if has(aws.access_key_id) then words[#words + 1] = "key " .. aws.access_key_id end
  return table.concat(words, ", ")
end

local function aws_part(document, output, now)
  local aws, lines = document.aws, part "AWS"
  if has(aws.account_id) then
    lines:line("account", aws.account_id)
    lines:line("as", aws.arn)
  end
  if aws.error then lines:fault(output, aws.error) end
  if has(aws.source) then lines:line(has(aws.access_key_id) and "by" or "tried", by(aws)) end
  if has(aws.access_key_id) then lines:line("until", lasting(aws, now)) end
  for _, note in ipairs(aws.notes) do lines:line("note", note) end
  if has(aws.profile) then lines:line("profile", ("%s (%s)"):format(aws.profile, aws.profile_source)) end
  lines:line("region", has(aws.region) and ("%s (%s)"):format(aws.region, aws.region_source)
    or "none: calls of a cluster's regions need none; else --region, AWS_REGION or region in the profile")
  local rows = {}
  for i, endpoint in ipairs(document.endpoints) do rows[i] = { endpoint.service, endpoint.url, ("(%s)"):format(endpoint.source) } end
  if #rows > 0 then lines:rows("endpoints", rows) end
  return table.concat(lines)
end

local function network_part(document)
  local network, lines = document.network, part "Network"
  for _, proxy in ipairs(network.proxies) do lines:line(proxy.variable, proxy.value) end
  if has(network.ca_bundle) then lines:line("CA bundle", ("%s (%s)"):format(network.ca_bundle, network.ca_bundle_source)) end
  return #lines > 1 and table.concat(lines) or nil
end

local MEANS <const> = {
  { "allowed", "%s: the key may read CMEK there, which takes Cluster Operator or Cluster Admin; both may enable it" },
  { "denied", "%s: the key may not read CMEK there; give its service account the role Cluster Operator" },
  { "unknown", "%s: could not be tried" },
}

local function roles(lines, cloud)
  for _, row in ipairs(MEANS) do
    local names = {}
    for _, cluster in ipairs(cloud.clusters) do
      if cluster.cmek == row[1] then names[#names + 1] = cluster.name end
    end
    if #names > 0 then lines:line("may", row[2]:format(table.concat(names, ", "))) end
  end
  local rest = has(cloud.clusters_seen) and cloud.clusters_seen - #cloud.clusters or 0
  if rest > 0 then lines:line("", ("%d more were not tried"):format(rest)) end
end

local function cloud_part(document, output)
  local cloud, lines = document.cloud, part "CockroachDB Cloud"
  local organization = document.organization
  if has(organization) then
    local name = organization.name or ""
    lines:line("organization", name == "" and organization.id or ("%s (%s)"):format(name, organization.id))
  end
  if cloud.error then lines:fault(output, cloud.error) end
  if has(cloud.credential) then lines:line("by", cloud.credential) end
  lines:line("server", ("%s (%s)"):format(cloud.server, cloud.server_source))
  if has(cloud.clusters_seen) then lines:line("clusters", cloud.clusters_seen == 0 and "none that this key sees" or tostring(cloud.clusters_seen)) end
  roles(lines, cloud)
  return table.concat(lines)
end

local function vault_part(document, output, now)
  local vault, lines = document.vault, part "Vault"
  if not has(vault) then return nil end
  if has(vault.address) then lines:line("address", ("%s (%s)"):format(vault.address, vault.address_source)) end
  if has(vault.version) then
    local other = has(vault.node) and vault.node ~= "active" and (", a %s"):format(vault.node) or ""
    lines:line("version", ("%s, %s%s"):format(vault.version, vault.edition, other))
  end
  if vault.error then lines:fault(output, vault.error) end
  if has(vault.namespace) then lines:line("namespace", vault.namespace) end
  if has(vault.source) then
    lines:line("by", vault.source .. (has(vault.display_name) and (", as %s"):format(vault.display_name) or ""))
  end
  if has(vault.source) and not vault.error then
    lines:line("policies", #vault.policies > 0 and table.concat(vault.policies, ", ") or "none are known")
    lines:line("until", not has(vault["until"]) and "it does not end" or at(vault["until"], now) .. (vault.renewable and "; renewed before" or ""))
  end
  return table.concat(lines)
end

--- The document of whoami as text.
---@param document table  cmek.whoami/1
---@param output ui.Output
---@param now number      seconds since the epoch
---@return string
function M.text(document, output, now)
  local parts = { aws_part(document, output, now), network_part(document) or false, cloud_part(document, output),
    vault_part(document, output, now) or false }
  local texts = {}
  for _, text in ipairs(parts) do
    if text then texts[#texts + 1] = text end
  end
  return table.concat(texts, "\n")
end

return M

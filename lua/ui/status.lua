--- Clusters as text: the list of all of them, or one with the whole chain behind it.
local columns = require "ui.table"

local M = {}

local function null(value) return value == nil or value == require("json").null end

local function text(value) return null(value) and "" or tostring(value) end

local WIDTH <const> = 80

-- Prose in lines that fit a terminal's usual width beside an indent; a word that is longer, as an ARN is, stands whole.
local function wrapped(prose, indent)
  local lines, line = {}, ""
  for word in prose:gmatch "%S+" do
    if line ~= "" and columns.width(line) + 1 + columns.width(word) > WIDTH - indent then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

local function paragraph(prose, lead, indent)
  return lead .. table.concat(wrapped(prose, indent), "\n" .. (" "):rep(indent)) .. "\n"
end

-- A moment of the Cloud without its fractions.
local function moment(value) return (text(value):gsub("%.%d+", "")) end

-- Every cluster ------------------------------------------------------------------------------------------------------

-- What the column CMEK says: the Cloud's word, or which of its facts keep the cluster from having it.
local function verdict(cluster)
  if not cluster.eligible then return "no: " .. table.concat(cluster.lacks, ", ") end
  return cluster.cmek.error and "cannot be read" or text(cluster.cmek.status)
end

-- Each reason once, with the clusters that it is of; the first few by name.
local NAMED <const> = 3

local function by_reason(clusters, reasons_of)
  local order, named = {}, {}
  for _, cluster in ipairs(clusters) do
    for _, reason in ipairs(reasons_of(cluster)) do
      if not named[reason] then
        named[reason] = {}
        order[#order + 1] = reason
      end
      table.insert(named[reason], cluster.name)
    end
  end
  local lines = {}
  for i, reason in ipairs(order) do
    local names = named[reason]
    local shown = table.concat(names, ", ", 1, math.min(NAMED, #names))
    local more = #names > NAMED and (" and %d more"):format(#names - NAMED) or ""
    lines[i] = paragraph(("%s%s: %s"):format(shown, more, reason), "- ", 2)
  end
  return table.concat(lines)
end

-- How many there are of each word, as one line.
local function counts(clusters)
  local number, parts = {}, {}
  for _, cluster in ipairs(clusters) do
    local word = cluster.eligible and verdict(cluster) or "cannot have CMEK"
    number[word] = (number[word] or 0) + 1
  end
  for word, count in require("sorted")(number) do parts[#parts + 1] = ("%d %s"):format(count, word) end
  return ("%d clusters: %s\n"):format(#clusters, table.concat(parts, ", "))
end

--- The clusters as a table, and why some cannot have CMEK.
---@param clusters table[]  of cmek.status/1
---@return string
function M.list(clusters)
  if #clusters == 0 then return "this key sees no cluster\n" end
  local rows = { { "cluster", "cloud", "plan", "network", "state", "CMEK" } }
  for i, c in ipairs(clusters) do
    rows[i + 1] = { c.name, text(c.cloud), text(c.plan), text(c.network), text(c.state), verdict(c) }
  end
  local why = by_reason(clusters, function(cluster) return cluster.eligible and {} or cluster.reasons end)
  local unread = by_reason(clusters, function(cluster) return { cluster.cmek.error } end)
  return columns.render(rows) .. (why ~= "" and "\ncannot have CMEK:\n" .. why or "")
    .. (unread ~= "" and "\nCMEK cannot be read:\n" .. unread or "") .. "\n" .. counts(clusters)
    .. "cmek status --cluster NAME shows a cluster's keys and role\n"
end

-- One cluster --------------------------------------------------------------------------------------------------------

local MEMBERS <const> = { PRIMARY = ", multi-Region primary", REPLICA = ", multi-Region replica" }

local function rotation(facts)
  if facts.origin == "EXTERNAL" then return "imported material, which KMS does not rotate" end
  local turn = facts.rotation
  if null(turn.enabled) then return "rotation cannot be read" end
  if not turn.enabled then return "rotation off" end
  local period = null(turn.period_in_days) and "" or (" every %d days"):format(turn.period_in_days)
  local following = null(turn.next) and "" or ", next on " .. turn.next:sub(1, 10)
  local last = null(turn.last) and "" or ", last on " .. turn.last:sub(1, 10)
  return "rotation on" .. period .. last .. following
end

local function tags(facts)
  local list = {}
  for name, value in require("sorted")(facts.tags) do list[#list + 1] = name .. "=" .. value end
  return list
end

local function last_use(use)
  if not use.told then return "last use not told: " .. use.reason end
  if null(use.at) then return ("not since %s, from when KMS records it"):format(moment(use.recorded_since)) end
  return ("last on %s (%s)"):format(moment(use.at), text(use.operation))
end

local function key_rows(key, lead)
  local rows = { { lead, text(key.uri) } }
  local function add(line)
    for _, part in ipairs(wrapped(line, 9)) do rows[#rows + 1] = { "", part } end
  end
  local facts = key.aws
  if not null(facts) and facts.refused then add(facts.refused) end
  if not null(facts) and not facts.refused then
    for _, alias in ipairs(facts.aliases) do add(alias) end
    add(("%s, %s, %s, material of %s%s"):format(facts.state, text(facts.spec), text(facts.usage), text(facts.origin),
      MEMBERS[facts.multi_region_type] or ""))
    if not null(facts.deletion_date) then add("will be deleted on " .. facts.deletion_date) end
    add(rotation(facts))
    for _, tag in ipairs(tags(facts)) do add(tag) end
  end
  for _, use in ipairs(key.named_by or {}) do
    rows[#rows + 1] = { "named", ("by %s for %s, %s"):format(use.cluster.name, use.region, use.status) }
  end
  if key.named_by and #key.named_by == 0 then rows[#rows + 1] = { "named", "by no cluster that was asked" } end
  if key.last_use then
    for i, part in ipairs(wrapped(last_use(key.last_use), 9)) do rows[#rows + 1] = { i == 1 and "used" or "", part } end
  end
  if not null(key.status) then
    rows[#rows + 1] = { "Cloud", ("%s, given %s, changed %s"):format(key.status, moment(key.created_at), moment(key.updated_at)) }
    if key.user_message ~= "" then add(key.user_message) end
  end
  return rows
end

local function region_text(region)
  local rows = {}
  for _, key in ipairs(region.keys) do
    local lead = null(key.status) and "unused" or key.current and "key" or "earlier"
    local more = key_rows(key, lead)
    table.move(more, 1, #more, #rows + 1, rows)
  end
  if #rows == 0 then rows[1] = { "key", "none" } end
  local gone = region.in_cluster == false and "no region of the cluster any more" or nil
  return "\n" .. columns.render { { region.region, text(region.status), gone } } .. columns.render(rows, "  ")
end

local function role_text(role)
  local rows = { { "role", role.arn } }
  for _, line in ipairs(role.refused and wrapped(role.refused, 6) or {}) do rows[#rows + 1] = { "", line } end
  if role.exists == false then rows[#rows + 1] = { "", "there is no such role" } end
  for _, trust in ipairs(role.trust or {}) do
    rows[#rows + 1] = { "", ("%s %s"):format(trust.effect == "Allow" and "trusts" or "denies", trust.principal) }
    rows[#rows + 1] = { "", null(trust.external_id) and "without an external ID" or "with external ID " .. trust.external_id }
  end
  return "\n" .. columns.render(rows)
end

local function due_text(cluster, output)
  if #cluster.due == 0 then return "\nNothing is due or wrong, as far as was looked.\n" end
  local lines = { "\ndue or wrong:\n" }
  for _, entry in ipairs(cluster.due) do
    local place = null(entry.region) and "" or entry.region .. ": "
    lines[#lines + 1] = output:paint("yellow", paragraph(place .. entry.text, "- ", 2))
    if not null(entry.next) then lines[#lines + 1] = "  next: " .. entry.next .. "\n" end
  end
  return table.concat(lines)
end

-- Whom the names of keys were asked of, and what does not follow from it.
local function keys_text(cluster)
  local keys = cluster.keys
  if not keys then return "" end
  local lines = { "\n", paragraph((keys.clusters_asked == 1 and "one cluster was asked which keys it names."
    or ("%d clusters were asked which keys they name."):format(keys.clusters_asked)), "", 0) }
  for _, one in ipairs(keys.clusters_silent) do
    lines[#lines + 1] = paragraph(("%s does not say, and may name any of them: %s"):format(one.name, one.said), "- ", 2)
  end
  lines[#lines + 1] = paragraph(keys.retention, "", 0)
  return table.concat(lines)
end

--- One cluster with its chain: regions, keys, role, what the Cloud says, what is due or wrong.
---@param cluster table  of cmek.status/1
---@param output ui.Output
---@return string
function M.chain(cluster, output)
  local aws = cluster.aws
  local parts = { columns.render {
    { "cluster", ("%s (%s)"):format(cluster.name, cluster.id) },
    { "", ("plan %s, cloud %s, network %s, state %s"):format(text(cluster.plan), text(cluster.cloud), text(cluster.network), text(cluster.state)) },
    { "", "CockroachDB's AWS account for it: " .. text(cluster.account_id) },
    { "organization", ("%s (%s)"):format(cluster.organization.name, cluster.organization.id) },
    { "CMEK", verdict(cluster) },
    aws.asked and { "AWS", ("account %s as %s"):format(aws.account_id, aws.arn) } or nil,
  } }
  if not aws.asked then parts[2] = paragraph("was not asked: " .. aws.reason, "AWS           ", 14) end
  for _, role in ipairs(cluster.roles) do parts[#parts + 1] = role_text(role) end
  for _, region in ipairs(cluster.cmek.regions) do parts[#parts + 1] = region_text(region) end
  parts[#parts + 1] = keys_text(cluster)
  parts[#parts + 1] = due_text(cluster, output)
  return table.concat(parts)
end

return M

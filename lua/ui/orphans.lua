--- Orphans as a document and as text.
local json = require "json"

local M = {}

local function or_null(value)
  if value == nil then return json.null end
  return value
end

local function describe(orphan)
  local orphans, deletion = require "engine.cluster.orphans", require "resource.delete.key"
  local key = orphan.kind == "key"
  return {
    kind = orphan.kind, id = orphan.id, name = orphan.name, region = or_null(orphan.region), arn = orphan.arn,
    cluster = { id = orphan.owner, name = or_null(orphan.cluster and orphan.cluster.name), state = or_null(orphan.cluster and orphan.cluster.state) },
    state = or_null(key and orphan.have.state or nil), material = or_null(orphan.material),
    deletion_date = or_null(key and deletion.scheduled(orphan.have) and deletion.date(orphan.have) or nil),
    created = or_null(orphans.created(orphan)), run = or_null(orphan.have.tags[require("names").TAG_RUN]),
    reason = orphan.reason, why = orphan.why, clean = orphan.clean, mend = or_null(orphan.mend),
    result = or_null(orphan.result), left = orphan.left, cancel = orphan.cancel,
  }
end

--- cmek.orphans/1
---@param found engine.Orphans
---@param raised any  what ended the cleaning
---@return table
function M.document(found, raised)
  local list, unread, identity = json.array {}, json.array {}, found.context:identity()
  for i, orphan in ipairs(found.list) do list[i] = describe(orphan) end
  for i, entry in ipairs(found.unread) do unread[i] = { what = entry.what, region = or_null(entry.region), why = entry.why } end
  return { schema = "cmek.orphans/1", aws = { account_id = identity.account, arn = identity.arn },
    regions = json.array(table.move(found.regions, 1, #found.regions, 1, {})), clusters_asked = found.named.asked, orphans = list, unread = unread,
    error = raised and require("ui.failure").document(raised) or nil }
end

local RESULTS <const> = { scheduled = "scheduled for deletion", deleted = "deleted", left = "left" }

local function lines_of(orphan, output)
  local shown = describe(orphan)
  local head = { orphan.kind, orphan.region, orphan.name }
  if not orphan.region then table.remove(head, 2) end
  local facts = {}
  for _, fact in ipairs { shown.state ~= json.null and shown.state or "", shown.created ~= json.null and "made " .. shown.created or "",
    "for cluster " .. (orphan.cluster and orphan.cluster.name or orphan.owner),
    orphan.material and "material: Vault's " .. orphan.material or "" } do
    if fact ~= "" then facts[#facts + 1] = fact end
  end
  local lines = { output:paint("bold", table.concat(head, " ")), orphan.arn, table.concat(facts, ", "), orphan.why }
  if orphan.result then
    local date = orphan.result == "scheduled" and shown.deletion_date ~= json.null and " " .. shown.deletion_date or ""
    lines[#lines + 1] = RESULTS[orphan.result] .. date .. (orphan.left and ": " .. orphan.left or "")
  end
  if orphan.cancel then
    lines[#lines + 1] = "take it back until then: " .. orphan.cancel
  elseif not orphan.result and orphan.mend then
    lines[#lines + 1] = (orphan.reason == "pending" and "take it back until then: " or "next: ") .. orphan.mend
  end
  return table.concat(lines, "\n  ") .. "\n"
end

--- The orphans, a paragraph each, and how many there are.
---@param found engine.Orphans
---@param output ui.Output
---@return string
function M.render(found, output)
  local parts, identity = {}, found.context:identity()
  for i, orphan in ipairs(found.list) do parts[i] = lines_of(orphan, output) .. "\n" end
  parts[#parts + 1] = ("%s in account %s (%d region(s), %d cluster(s) asked)\n"):format(
    #found.list == 0 and "No orphans" or #found.list == 1 and "1 orphan" or #found.list .. " orphans", identity.account, #found.regions,
    found.named.asked)
  return table.concat(parts)
end

--- What could not be looked at, and what ended the cleaning.
---@param found engine.Orphans
---@param raised any
---@return string
function M.trouble(found, raised)
  local lines = {}
  for _, entry in ipairs(found.unread) do
    lines[#lines + 1] = ("not looked at: %s%s: %s\n"):format(entry.what, entry.region and " in " .. entry.region or "", entry.why)
  end
  if raised then
    local document = require("ui.failure").document(raised)
    document.next = document.next or "cmek orphans shows how things stand"
    lines[#lines + 1] = "unfinished: " .. require("ui.result").failure(document)
  end
  return table.concat(lines)
end

return M

-- For sentences about verify: a cluster whose CMEK is enabled, one thing broken in the simulated services, what verify finds, and
-- the command that it prints, done as it stands.
local operators = dofile "tests/operator.lua"
local process = require "process"

local M = setmetatable({}, { __index = operators })

local ENABLE <const> = { enable = "true" }

--- An operator whose cluster uses its keys.
function M.enabled(options)
  local who = operators.open(options)
  local report, status = operators.run(who, "console", { arguments = ENABLE })
  assert(status == 0, require("json").encode(report.error or {}))
  return who
end

--- What verify finds: "id region", sorted, each once; the report; the exit status.
function M.found(who, options)
  options = options or {}
  options.mode = "verify"
  options.arguments = options.arguments or ENABLE
  local report, status = operators.run(who, options.recipe or "console", options)
  local seen, list = {}, {}
  for _, finding in ipairs(report.findings) do
    local name = finding.id .. (type(finding.region) == "string" and " " .. finding.region or "")
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  table.sort(list)
  return list, report, status
end

--- Results by check: { ok =, finding =, unknown = }.
function M.results(report)
  local counts = { ok = 0, finding = 0, unknown = 0 }
  for _, check in ipairs(report.checked) do counts[check.result] = counts[check.result] + 1 end
  return counts
end

--- The rows of one check.
function M.rows(report, id)
  local rows = {}
  for _, check in ipairs(report.checked) do
    if check.id == id then rows[#rows + 1] = check end
  end
  return rows
end

-- "put-key-policy" is PutKeyPolicy.
local function pascal(words)
  return (("-" .. words):gsub("%-(%l)", string.upper))
end

local function administrator(who)
  for _, user in ipairs(who.simulation.state.aws[M.ACCOUNT].iam.users) do
    if user.UserName == "operator" then
      return { arn = user.Arn, account = M.ACCOUNT, kind = "user", unique_id = user.UserId,
        identity = { { Version = "2012-10-17", Statement = { Effect = "Allow", Action = "*", Resource = "*" } } } }
    end
  end
end

-- "TagKey=a,TagValue=b" is a list of one object.
local function value_of(text)
  if not text:find "^%a+=[^,]*,%a+=" then return math.tointeger(tonumber(text)) or text end
  local object = {}
  for name, value in text:gmatch "(%a+)=([^,]*)" do object[name] = value end
  return { object }
end

-- One command of the AWS CLI, as a shell would give its words.
local function aws(who, words)
  local parameters, region = {}, nil
  for at = 4, #words, 2 do
    local name, value = words[at]:match "^%-%-(.+)$", words[at + 1]
    if name == "region" then region = value
    elseif name == "tag-keys" then parameters.TagKeys = { value }
    else parameters[pascal(name)] = value_of(value) end
  end
  local result, refusal = who.simulation:call { principal = administrator(who), service = words[2], region = region, operation = pascal(words[3]),
    parameters = parameters }
  if not result then error(("%s: %s: %s"):format(table.concat(words, " "), refusal.code, refusal.message or ""), 0) end
end

--- Does a command that was printed: cmek's own by the engine, the AWS CLI's on the simulated services.
function M.mend(who, command)
  for one in (command .. " && "):gmatch "(.-) && " do
    local words = process.argv_split(one)
    if words[1] == "aws" then
      aws(who, words)
    else
      assert(words[1] == "cmek" and words[2] == "run", one)
      local arguments, at = {}, 4
      while words[at] do
        local name = words[at]:match "^%-%-(.+)$":gsub("-", "_")
        if words[at + 1] and not words[at + 1]:find "^%-%-" then
          arguments[name], at = words[at + 1], at + 2
        else
          arguments[name], at = "true", at + 1
        end
      end
      local report, status = operators.run(who, words[3], { arguments = arguments, run_id = "run-mend" })
      if status ~= 0 then error(("%s: %d: %s"):format(one, status, require("json").encode(report.error or {})), 0) end
    end
  end
end

--- Breaks one thing, and sees that verify finds exactly that; does what it prints, and sees that all is well again.
---@param case table
---  case.breaks fun(who): breaks it    case.finds string[]|string: "id region"    case.field, have, want, severity: of its first finding
---  case.mends: false when there is no command; "run" or "aws" what the command is; a function does what no command can
function M.check(case)
  local who = M.enabled(case.sim and { sim = case.sim })
  test.equal((M.found(who)), {})   -- the control
  case.breaks(who)
  local finds = type(case.finds) == "table" and case.finds or { case.finds }
  local list, report, status = M.found(who, case.options)
  test.equal({ list, status }, { finds, 6 })
  local finding = report.findings[1]
  for _, name in ipairs { "field", "have", "want", "severity" } do
    if case[name] ~= nil then test.equal(finding[name], case[name]) end
  end
  if case.text then test.contains(finding.text, case.text) end
  if case.mends == false then return test.equal(finding.mend, require("json").null) end
  if type(case.mends) == "function" then
    case.mends(who)
  else
    test.matches(finding.mend, case.mends == "aws" and "^aws " or "^cmek run ")
    for _, each in ipairs(report.findings) do M.mend(who, each.mend) end
  end
  test.equal((M.found(who)), {})
end

return M

-- The commands of the AWS CLI that explanations print, run by the AWS CLI as they are printed, against cmek sim: they mend what they say.
-- usage, with `aws` in PATH: cmek test tests/run.lua tests/peers/explain.lua; the last line is the tally.
local situations = dofile "tests/situations.lua"

-- What the simulator does not serve: quotas, CloudTrail, accounts.
local function served(command)
  if command:find "^cmek " then return not command:find "^cmek sim " end
  return command:find "^aws %l+ " and not command:find "^aws service%-quotas " and not command:find "^aws cloudtrail "
    and not command:find "^aws account " and not command:find "^aws configure "
end

for _, case in ipairs(situations.CASES) do
  if case.aws then
    test["mended by the AWS CLI's commands as printed: " .. case[1]] = function()
      local result, options = situations.produce(case)
      test.truthy(result.status ~= 0)
      local commands, count = situations.commands(result.text), 0
      for _, command in ipairs(commands) do count = count + (command:find "^aws " and 1 or 0) end
      test.truthy(count > 0, "no command of the AWS CLI in " .. result.text)
      situations.follow(case, result, options, served, case.aws)
    end
  end
end

--- STS, API version 2011-06-15: who we are. AssumeRole makes a session and is the credential code's.

local operations = require "aws.operations"

local M = {}

---@param caller aws.Caller
---@param region string?
function M.new(caller, region)
  return operations.functions(caller, "sts", { GetCallerIdentity = { safe = true, result = { "Account", "Arn" } } }, false, region)
end

return M

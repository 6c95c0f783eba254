--- The Resource Groups Tagging API, version 2017-01-26. Its index lags: what it does not show is not absent.

local operations = require "aws.operations"

local M = {}

local RESOURCE <const> = { ["ResourceARN!"] = "text", Tags = require("shape").list { ["Key!"] = "text", Value = "text" } }

---@param caller aws.Caller
function M.new(caller)
  return operations.functions(caller, "tagging", { GetResources = { list = "ResourceTagMappingList", of = RESOURCE } }, true)
end

return M

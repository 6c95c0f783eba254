--- Texts that look like secrets: they are refused where secrets have no place, by name and without being shown.
local M = {}

local B64 <const> = "[%w+/]"

-- An AWS secret access key is 40 characters of base64: letters of both cases and digits, which no hash in hex has.
local function aws_secret(text)
  return #text == 40 and not text:find "[^%w+/]" and text:find "%u" and text:find "[g-zG-Z]" and text:find "%l" and text:find "%d"
end

local SHAPES <const> = {
  { "an API key of CockroachDB Cloud", "CCDB1_%w" },
  { "a private key", "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY" },
  { "a session token of AWS", "^IQoJb3JpZ2lu" .. B64:rep(20) }, { "a session token of AWS", "^FwoGZXIvYXdz" .. B64:rep(20) },
  { "a session token of AWS", "^FQoGZXIvYXdz" .. B64:rep(20) },
  { "a Vault token", "^hv[sbr]%.[%w_-]" }, { "a Vault token", "^[sbr]%." .. ("%w"):rep(24) },
  { "a JWT", "^eyJ[%w_-]+%.eyJ[%w_-]+%." },
}

--- What secret a text looks like; nil when like none.
---@param text any
---@return string?  "a Vault token"
function M.kind(text)
  if type(text) ~= "string" then return nil end
  for _, shape in ipairs(SHAPES) do
    if text:find(shape[2]) then return shape[1] end
  end
  return aws_secret(text:match "^%s*(.-)%s*$") and "a secret access key of AWS" or nil
end

return M

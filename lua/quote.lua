--- A word as a shell takes it.
---@param word string
---@return string
return function(word)
  if word:find "^[%w@%%_+=:,./-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

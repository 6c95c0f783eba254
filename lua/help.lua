--- The words of `cmek help`.
local M = {}

--- The names of the topics, sorted: the files of lua/topic/, each of which returns its text.
function M.names()
  local names = require("embedded").list "lua/topic/"
  for i, path in ipairs(names) do names[i] = path:match "([^/]+)%.lua$" end
  return names
end

--- What a topic says: its title in the first line. nil where there is no such topic.
---@param name string
---@return string?
function M.topic(name)
  return require("embedded").source("lua/topic/" .. name .. ".lua") and require("topic." .. name) or nil
end

--- A command as it is typed.
---@param word words.Word
---@return string
function M.usage(word)
  return word.usage == "" and word[1] or word[1] .. " " .. word.usage
end

--- What `cmek` and `cmek help` say: each command in a line.
---@return string
function M.overview()
  local rows = {}
  for _, word in ipairs(require "words") do
    if not word.hidden then rows[#rows + 1] = { "cmek " .. M.usage(word), word.text } end
  end
  return "cmek gives a CockroachDB Cloud cluster a customer-managed encryption key in AWS, and looks after it.\n\n"
    .. require("ui.table").render(rows, "  ")
    .. "\nTopics: " .. table.concat(M.names(), ", ") .. "\nTry it without an account:\n  cmek sim -- cmek run console --cluster orders --enable\n"
end

return M

--- The text of a recipe as Lua takes it. Nothing changes but what is loaded: hash, origin and messages are of the text as it was written.
---
-- `break()` is no Lua: the three words become a call of `breakpoint`. They stand together in no text that is Lua, so no other text means
-- something else by it. In a recipe of one's own, and where somebody may look at its variables, each function begins with one that has to be
-- closed: after `return ensure(…)` Lua forgets the function that says so, with its line and what it holds, unless there is something left to do
-- in it.
local M = {}

--- The name that `break()` calls.
M.BREAK = "breakpoint"

--- The variable that keeps functions on the stack.
M.KEPT = "_kept_until_return_"

--- What keeps the function that it begins.
M.KEEP = ("local %s <close> = nil; "):format(M.KEPT)

local function is(token, word) return token ~= nil and token.kind == "word" and token.value == word end

-- Where the parameters of a function end, which begins with tokens[at].
local function after_parameters(tokens, at)
  for i = at, #tokens do
    if is(tokens[i], ")") then return tokens[i].to end
  end
end

-- The text with other words at some places: { from =, to =, text = }, in their order.
local function replaced(text, changes)
  local parts, at = {}, 1
  for _, change in ipairs(changes) do
    parts[#parts + 1], parts[#parts + 2], at = text:sub(at, change.from - 1), change.text, change.to + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

--- What a file of the user's is called where its text is loaded and shown: never as one that the program carries, whose lines are the
--- library's, and whose text is no part of a recipe's hash.
---@param path string
---@return string
function M.name(path) return require("embedded").source(path) and "./" .. path or path end

--- A line of a text; nil when it has not so many.
---@param text string
---@param number integer  from 1
---@return string?
function M.line(text, number)
  local at = 1
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if at == number then return line end
    at = at + 1
  end
end

--- A text with its calls of `break()`, and with its functions kept where they stop. Every line stays the line that it is.
---@param text string
---@param steps boolean?  functions are kept
---@return string
function M.rewrite(text, steps)
  local tokens, changes = require("authoring.lexer").tokens(text), {}
  for i, token in ipairs(tokens) do
    if is(token, "break") and is(tokens[i + 1], "(") and is(tokens[i + 2], ")") then
      changes[#changes + 1] = { from = token.from, to = token.to, text = M.BREAK }
    elseif steps and is(token, "function") then
      local at = after_parameters(tokens, i)
      if at then changes[#changes + 1] = { from = at + 1, to = at, text = " " .. M.KEEP } end
    end
  end
  return replaced(text, changes)
end

--- A chunk of a recipe. What is wrong with it is told of the text as it was written.
---@param text string
---@param path string        what messages show
---@param environment table
---@param steps boolean?     functions are kept
---@return function? chunk, string? message
function M.load(text, path, environment, steps)
  local name = "@" .. path
  local chunk, message = load(text, name, "t", environment)
  if chunk and not steps then return chunk end
  if chunk or text:find("%f[%w_]break%s*%(") then
    local other, wrong = load(M.rewrite(text, steps), name, "t", environment)
    if other then return other end
    if not chunk then message = wrong end   -- behind its break()
  end
  return chunk, message
end

return M

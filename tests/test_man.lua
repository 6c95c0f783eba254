-- The manual page: made from what help says, and clean to those who read manual pages.
local help = require "help"
local man = require "man"

local page <const> = man.page()

-- The page as it would be read: without requests, fonts and escapes.
local function read(text)
  text = text:gsub("\\f[BIR]", ""):gsub("\\&", ""):gsub("\\%(aq", "'"):gsub("\\%(ga", "`"):gsub("\\%(ha", "^"):gsub("\\%(ti", "~")
  text = text:gsub("\\%[u(%x+)%]", function(digits) return utf8.char(tonumber(digits, 16)) end)
  return (text:gsub("\\([-e])", { ["-"] = "-", e = "\\" }))
end

local words_of <const> = function(text)
  local set = {}
  for word in text:gmatch "%S+" do set[word] = true end
  return set
end

-- What a program says of the page; it must be there where everything has to be.
local function asked(program, command)
  if not os.execute("command -v " .. program .. " >/dev/null") then
    if os.getenv "CI" == "true" then error(program .. " is missing: host/setup --with-tools", 0) end
    test.skip(program .. " is not installed")
  end
  local path = test.directory() .. "/cmek.1"
  assert(require("file").write(path, page))
  local pipe <close> = assert(io.popen("exec 2>&1; export LC_ALL=C.UTF-8 MANWIDTH=80; " .. command:gsub("PAGE", path)))
  return pipe:read "a"
end

test["man renders the page without a warning"] = function()
  test.equal(asked("man", "man --warnings -E UTF-8 -l -Tutf8 -Z PAGE >/dev/null"), "")
  local text = asked("man", "man -l PAGE | cat")
  test.contains(text, "cmek - customer-managed encryption keys for CockroachDB Cloud in AWS")
  test.contains(text, "cmek run console --cluster orders-prod")
end

test["a fault of the page would be warned of"] = function()
  test.truthy(asked("man", "printf '.TH X 1\\n.SH NAME\\n.bogus\\n' > PAGE; man --warnings -l -Tutf8 -Z PAGE >/dev/null") ~= "")
end

test["mandoc finds nothing to complain of"] = function()
  test.equal(asked("mandoc", "mandoc -Tlint -W warning PAGE"):gsub("[^\n]*missing date[^\n]*\n", ""), "")
end

test["every word of every topic of help stands on it"] = function()
  local there = words_of(read(page))
  for _, name in ipairs(help.names()) do
    local text = help.topic(name):match "^[^\n]+\n(.*)$"
    for word in text:gmatch "%S+" do test.truthy(there[word], ("%s: '%s' is lost"):format(name, word)) end
  end
end

test["every command, flag, recipe and schema stands on it"] = function()
  local text = read(page)
  for _, word in ipairs(require "words") do
    test.equal(text:find("\ncmek " .. word[1], 1, true) ~= nil, not word.hidden)
    for _, flag in ipairs(require("flags").list(word[1], {})) do test.contains(text, "\n" .. flag.flag) end
  end
  for _, name in ipairs(require("recipe").names()) do
    test.contains(text, "\n.SS " .. name .. "\n")
    for _, spec in ipairs(require("recipe").load(name).args) do test.contains(text, "\n" .. spec.flag) end
  end
  for _, flag in ipairs(require("sim.command").flags()) do test.contains(text, "\n" .. flag.flag) end
  for _, word in ipairs(require("schema").words()) do test.contains(text, "\n" .. require("schema").find(word).title .. "\n") end
end

test["no line is taken for a request that is none"] = function()
  for line in page:gmatch "[^\n]+" do
    test.truthy(not line:find "^['.]" or line:find "^%.%u%u" or line:find "^%.\\\"" or line == ".br", line)
    test.truthy(not line:find "[\x80-\xFF]", line)
  end
end

test["texts are told apart by how help lays them out"] = function()
  local parts = man.parts [[
  One line
  and more.

  short  what it is,
         in two lines
  longer term  this

    code -x
      more
The end.
]]
  test.equal(parts, { { "paragraph", "One line and more." }, { "term", "what it is, in two lines", "short" },
    { "term", "this", "longer term" }, { "code", { "code -x", "  more" } }, { "paragraph", "The end." } })
end

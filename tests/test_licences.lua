-- The licences: everything that is linked is named, with its notice and its terms.
local licences = require "licences"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function plain(text) return (text:gsub("%s+", " ")) end

-- The libraries that the Makefile names in a variable.
local function linked(variable)
  local list = {}
  for name in read("Makefile"):match("\n" .. variable .. " *= (%C*)"):gmatch "%-l(%S+)" do list[#list + 1] = name end
  return list
end

local function entry_of(entries, library)
  for _, entry in ipairs(entries) do
    if (" " .. (entry.links or "") .. " "):find(" " .. library .. " ", 1, true) then return entry end
  end
end

test["every library that is linked statically is inside, every other is beside"] = function()
  local inside, beside = linked "STATIC", linked "LIBS"
  test.truthy(#inside >= 6 and #beside >= 2)
  for _, library in ipairs(inside) do test.truthy(entry_of(licences.INSIDE, library), library .. " has no notice") end
  for _, library in ipairs(beside) do
    test.truthy(library == "m" or library == "dl" or entry_of(licences.BESIDE, library), library .. " is not named")
  end
  test.truthy(not entry_of(licences.INSIDE, "ssl"))
end

test["what is printed has every notice and the terms of each"] = function()
  local text = licences.render()
  for _, entry in ipairs(licences.INSIDE) do
    for _, notice in ipairs(entry.copyright) do test.contains(text, notice) end
    test.contains(text, assert(licences.TEXTS[entry.licence], entry.licence))
  end
  for _, entry in ipairs(licences.BESIDE) do test.contains(text, entry.name) end
end

test["cmek's own terms are those of LICENSE"] = function()
  local text = plain(read "LICENSE")
  test.contains(text, plain(licences.TEXTS.MIT))
  test.contains(text, licences.INSIDE[1].copyright[1])
end

test["the terms are those of the files that were compiled"] = function()
  local sources = { ["MIT"] = { "/usr/include/lua5.4/lua.h", "/usr/share/lua/5.4/argparse.lua" },
    ["BSD-3-Clause"] = { "/usr/include/event2/event.h" } }
  for licence, paths in require("sorted")(sources) do
    for _, path in ipairs(paths) do
      local comment = plain(read(path):gsub("\n%s*[-*]+ ?", "\n")):gsub("[\"'`]", ""):gsub("%* ?", "")
      local want = plain(licences.TEXTS[licence]):gsub("[\"'`]", ""):gsub(" $", "")
      test.contains(comment, want)
    end
  end
end

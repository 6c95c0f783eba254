-- What the program carries: the library's sources, and what runs.
local embedded = require "embedded"

local carried <const> = package.searchers[2]

test["what runs of the library is what its sources compile to, with the lines that errors name"] = function()
  local count = 0
  for _, path in ipairs(embedded.list "lua/") do
    local name = path:match "^lua/(.+)%.lua$":gsub("/init$", ""):gsub("/", ".")
    local loader, where = carried(name)
    test.equal({ type(loader), where }, { "function", path })
    test.truthy(test.dump(loader) == test.dump(assert(load(embedded.source(path), "@" .. path))), path)
    test.equal(debug.getinfo(loader, "S").source, "@" .. path)
    count = count + 1
  end
  test.truthy(count > 300)
end

test["a module that is not carried is not found, whatever lies in the working directory"] = function()
  local file = require "file"
  assert(file.write(test.directory() .. "/stray.lua", "return 1"))
  for _, name in ipairs { "stray", test.directory():gsub("/", ".") .. ".stray", "tests.fakes", "../lua/cli" } do
    test.raises(function() require(name) end, "no embedded file")
  end
end

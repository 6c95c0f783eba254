-- embed.lua -- writes the C file that carries the Lua sources: `lua5.4 host/embed.lua PATH[=FILE]... > scripts.c`.
-- Sources, not bytecode, so that a user can read what runs; each must compile.

--- The bytes of a text as a C initialiser, twenty to a line.
local function bytes(text)
  local lines = {}
  for from = 1, #text, 20 do
    lines[#lines + 1] = table.concat({ text:byte(from, from + 19) }, ",")
  end
  return table.concat(lines, ",\n")
end

local paths, files = {}, {}
for _, argument in ipairs(arg) do
  local path, file = argument:match "^([^=]+)=(.+)$"
  path = path or argument
  paths[#paths + 1], files[path] = path, file or path
end
table.sort(paths)

print '#include "host.h"'
local entries = {}
for number, path in ipairs(paths) do
  local file <close> = assert(io.open(files[path], "rb"))
  local text = file:read "a"
  assert(load(text, "@" .. path, "t"))
  print(("static const unsigned char text%d[] = {\n%s,0};"):format(number, bytes(text)))
  entries[number] = ('  {"%s", text%d, %d},'):format(path, number, #text)
end
print(("const struct script scripts[] = {\n%s\n  {NULL, NULL, 0}\n};"):format(table.concat(entries, "\n")))

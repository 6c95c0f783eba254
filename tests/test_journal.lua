-- host/journal.c: an append-only log whose lines hold each other.

local file = require "file"
local journal = require "journal"
local secret = require "secret"

local function read(path)
  local handle <close> = assert(io.open(path, "rb"))
  return handle:read "a"
end

--- A journal of three lines: its path and text.
local function three()
  local path = test.directory() .. "/run.jsonl"
  local log = assert(journal.create(path))
  for number = 1, 3 do log:append { kind = "note", number = number } end
  assert(log:close())
  return path, read(path)
end

test["lines come back in their order, numbered and chained"] = function()
  local _, text = three()
  local entries, length = journal.read(text)
  test.equal(length, #text)
  test.equal({ entries[1].number, entries[2].number, entries[3].number }, { 1, 2, 3 })
  test.equal({ entries[1].seq, entries[3].seq, entries[1].prev }, { 1, 3, "" })
  test.equal(#entries[2].prev, 64)
end

test["a line is on disk after sync and not before"] = function()
  local path = test.directory() .. "/run.jsonl"
  local log = assert(journal.create(path))
  log:append { kind = "note" }
  test.equal(read(path), "")
  assert(log:sync())
  test.contains(read(path), '"kind":"note"')
  assert(log:close())
end

test["a journal is for its owner alone, and is never written over"] = function()
  local path = three()
  test.equal(file.stat(path).mode & 511, 384)
  local log, message = journal.create(path)
  test.equal(log, nil)
  test.contains(message, "File exists")
end

test["a last line that was cut is left out, and the chain goes on behind it"] = function()
  local path, text = three()
  local handle <close> = assert(io.open(path, "ab"))
  handle:write '{"kind":"half'
  handle:close()
  local cut = read(path)
  local entries, length = journal.read(cut)
  test.equal({ #entries, length }, { 3, #text })
  local log = assert(journal.continue(path, cut))
  log:append { kind = "note", number = 4 }
  assert(log:close())
  entries = journal.read(read(path))
  test.equal({ #entries, entries[4].number, entries[4].seq }, { 4, 4, 4 })
end

test["a line that was changed, removed or moved is found"] = function()
  local _, text = three()
  local lines = {}
  for line in text:gmatch "[^\n]+\n" do lines[#lines + 1] = line end
  for _, forged in ipairs {
    lines[1]:gsub('"number":1', '"number":9') .. lines[2] .. lines[3], lines[1] .. lines[3], lines[2] .. lines[3],
    lines[2] .. lines[1] .. lines[3],
  } do
    local entries, message = journal.read(forged)
    test.equal(entries, nil)
    test.contains(message, "its hash chain breaks there")
  end
end

test["a line that is not JSON is named"] = function()
  local _, text = three()
  local entries, message = journal.read(text .. "no JSON\n")
  test.equal(entries, nil)
  test.contains(message, "line 4 of the journal is not JSON")
end

test["a full disk is said, and nothing follows half a line"] = function()
  local log = assert(journal.continue("/dev/full", ""))
  log:append { kind = "note" }
  local done, message = log:sync()
  test.equal(done, nil)
  test.contains(message, "No space left on device")
  log:append { kind = "note" }
  test.contains(select(2, log:sync()), "an earlier write failed: No space left on device")
end

test["a folder that is not there is named"] = function()
  local log, message = journal.create "/nowhere/at/all/run.jsonl"
  test.equal(log, nil)
  test.contains(message, "cannot create the journal /nowhere/at/all/run.jsonl")
end

test["where nothing can be written, a journal is neither made nor continued"] = function()
  for _, path in ipairs { "/proc/run.jsonl", "/sys/run.jsonl" } do
    local log, message = journal.create(path)
    test.equal(log, nil)
    test.contains(message, "cannot create the journal " .. path .. ": ")
  end
  local directory = test.directory()
  local log, message = journal.continue(directory, "")
  test.equal(log, nil)
  test.contains(message, "cannot continue the journal " .. directory .. ": Is a directory")
end

test["a secret is not written, by itself or inside a text"] = function()
  local path = test.directory() .. "/run.jsonl"
  local log = assert(journal.create(path))
  local key <const> = secret.new("a-secret-of-this-test", "cloud")
  test.raises(function() log:append { kind = "note", key = key } end, "secret")
  log:append { kind = "note", text = "it is a-secret-of-this-test, control" }
  assert(log:close())
  local text = read(path)
  test.contains(text, "control")
  test.equal(text:find("a-secret-of-this-test", 1, true), nil)
  test.equal(tostring(key), "****")
end

test["what was closed takes nothing more"] = function()
  local log = assert(journal.create(test.directory() .. "/run.jsonl"))
  assert(log:close())
  test.raises(function() log:append { kind = "note" } end, "journal: closed")
end

-- What is drawn in place on a terminal, and what is appended elsewhere.
local live = require "ui.live"
local columns = require "ui.table"

-- An output on a terminal of a size, whose clock is the test's. `there.screen()` is what a terminal would show.
local function terminal(width, height, environment)
  local there = { now = 1000, width = width or 80, height = height or 24, text = "", cursor = true }
  local output = require("ui.output").new {
    environment = function(name) return (environment or {})[name] end,
    terminal = {
      is_terminal = function() return width ~= false end, width = function() return there.width or 80 end,
      height = function() return there.height end,
      write = function(text) there.text = there.text .. text return true end,
      write_error = function(text) there.text = there.text .. text return true end,
    },
  }
  there.clock = { now = function() return there.now end, sleep = function() coroutine.yield() end }
  return output, there
end

-- The lines that a terminal shows after such a text: what moves the cursor up, and what clears, is obeyed.
local function screen(text, width)
  local rows, row = { "" }, 1
  local at = 1
  local function put(character)
    if columns.width(rows[row]) >= width then
      row = row + 1
      rows[row] = rows[row] or ""
    end
    rows[row] = (rows[row] or "") .. character
  end
  while at <= #text do
    local up, after = text:match("^\27%[(%d+)A()", at)
    if up then
      row, at = math.max(1, row - math.tointeger(up)), after
    elseif text:find("^\27%[J", at) then
      for i = #rows, row, -1 do rows[i] = nil end
      rows[row], at = "", at + 3
    elseif text:find("^\27%[K", at) then
      at = at + 3
    elseif text:find("^\27%[[%d;]*m", at) then
      at = select(2, text:find("^\27%[[%d;]*m", at)) + 1
    elseif text:find("^\r", at) then
      at = at + 1
    elseif text:find("^\n", at) then
      row, at = row + 1, at + 1
      rows[row] = ""   -- what is drawn over is drawn anew to its end
    else
      local character = text:match("^" .. utf8.charpattern, at)
      if rows[row] and at > 1 and text:sub(1, at - 1):find "\27%[%d+A$" then rows[row] = "" end
      put(character)
      at = at + #character
    end
  end
  return rows
end

local STEPS <const> = {
  { kind = "role", name = "crdb-cmek-orders-0f2c6e9d41b7", action = "create" },
  { kind = "key", region = "us-east-1", name = "alias/crdb-cmek-orders-0f2c6e9d41b7-g1", action = "create" },
  { kind = "key", region = "eu-west-1", name = "alias/crdb-cmek-orders-0f2c6e9d41b7-g1", action = "create" },
  { kind = "key", region = "us-west-2", name = "alias/crdb-cmek-orders-0f2c6e9d41b7-g1", action = "none" },
  { kind = "cluster_cmek", name = "orders", action = "create" },
}

-- A run in which the role is done and a key is waited for.
local function under_way(width, height, environment)
  local output, there = terminal(width, height, environment)
  local block = live.new(output, there.clock)
  block:plan(STEPS)
  block:step(STEPS[1], "under way")
  there.now = there.now + 0.5
  block:step(STEPS[1], "done")
  block:step(STEPS[2], "under way")
  block:step(STEPS[3], "under way")
  there.now = there.now + 2
  block:wait("waiting until KMS shows the key in us-east-1 as it was made", 5)
  there.now = there.now + 1
  return block, there
end

test["the steps to be done stand in the plan's order with mark, time and what is waited for"] = function()
  local block = under_way(80, 24, { NO_COLOR = "1" })
  test.equal(block:frame(80), {
    "  ✓ role                     crdb-cmek-orders-0f2c6e9d41b7  0.5 s",
    "  ⠴ key           us-east-1  alias/crdb-cmek-orders-0f2c6e9d41b7-g1  3.0 s",
    "      waiting 1.0 s: until KMS shows the key in us-east-1 as it was made",
    "  ⠴ key           eu-west-1  alias/crdb-cmek-orders-0f2c6e9d41b7-g1  3.0 s",
    "  · cluster_cmek             orders",
    "  1 of 4 done, 3.5 s",
  })
end

test["no line is wider than the terminal, whatever its width, and marks and times stay"] = function()
  for width = 20, 130 do
    local block = under_way(width, 24, { NO_COLOR = "1" })
    for i, line in ipairs(block:frame(width)) do
      test.truthy(columns.width(line) < width, ("%d columns: %s"):format(width, line))
      if width >= 40 and i == 2 then test.matches(line, "^  ⠴ key.*us%-east%-1.*3%.0 s$") end
    end
  end
end

test["a wait about no step stands below, and one that is over is not shown"] = function()
  local block, there = under_way(80, 24, { NO_COLOR = "1" })
  block:wait("kms CreateKey: throttled", 2)
  test.equal(block:frame(80)[7], "    waiting 0.0 s: kms CreateKey: throttled")
  there.now = there.now + 4
  test.equal(#block:frame(80), 6)
  there.now = there.now + 10
  test.equal(#block:frame(80), 5)
end

test["a block that is higher than the terminal leaves out what is done, then what is to come"] = function()
  local output, there = terminal(80, 24, { NO_COLOR = "1" })
  local block, steps = live.new(output, there.clock), {}
  for i = 1, 30 do steps[i] = { kind = "key", region = "r-" .. i, name = "a", action = "create" } end
  block:plan(steps)
  for i = 1, 20 do block:step(steps[i], i <= 10 and "done" or "under way") end
  local lines = block:frame(80, 22)
  test.equal(#lines, 22)
  test.contains(lines[1], "r-11 ")
  test.equal({ lines[21], lines[22] }, { "  … and 10 more", "  10 of 30 done, 0.0 s" })
  test.equal(#block:frame(80, 5), 5)
end

test["drawing again leaves one block, and never touches what stands above it"] = function()
  local block, there = under_way(100, 24)
  there.text = "$ cmek run\n"
  block:draw()
  block:draw()
  local rows = screen(there.text, 100)
  test.equal({ #rows, rows[1], rows[7], rows[8] }, { 8, "$ cmek run", "  1 of 4 done, 3.5 s", "" })
  block:line "a warning"
  rows = screen(there.text, 100)
  test.equal({ #rows, rows[2], rows[8] }, { 9, "a warning", "  1 of 4 done, 3.5 s" })
  there.width = 40   -- however the terminal wraps what it shows: not one line more than was drawn is taken back
  block:draw()
  test.contains(there.text, "\27[J\r\27[6A")
end

test["what a service says moves no cursor and breaks no line"] = function()
  local block = under_way(80, 24, { NO_COLOR = "1" })
  block:wait("kms: \27[2Jno\nkeys \xff", 2)
  test.equal(block:frame(80)[7], "    waiting 0.0 s: kms:  [2Jno keys ?")
end

test["at the end the steps stay as they are, and what did not come to its end is marked"] = function()
  local block, there = under_way(80, 24)
  block:draw()
  block:step(STEPS[2], "failed")
  block:close()
  test.equal(screen(there.text, 80), {
    "  ✓ role                     crdb-cmek-orders-0f2c6e9d41b7  0.5 s",
    "  ✗ key           us-east-1  alias/crdb-cmek-orders-0f2c6e9d41b7-g1  3.0 s",
    "  ■ key           eu-west-1  alias/crdb-cmek-orders-0f2c6e9d41b7-g1  3.0 s",
    "  · cluster_cmek             orders", "" })
end

test["what was only planned leaves nothing behind"] = function()
  local output, there = terminal(80, 24)
  local block = live.new(output, there.clock)
  block.doing = "planning role x"
  block:draw()
  block:close()
  test.equal(screen(there.text, 80), { "" })
end

-- The events of a small run, told on such a terminal.
local function told(width, environment)
  local output, there = terminal(width, 24, environment)
  local progress = require("ui.progress").new(output, there.clock)
  local daemons = {}
  progress:start { daemon = function(fn) table.insert(daemons, coroutine.create(fn)) end }
  local function tell(event)
    progress:tell(event)
    for _, thread in ipairs(daemons) do coroutine.resume(thread) end
  end
  tell { kind = "step-start", step = STEPS[1] }
  tell { kind = "waiting", reason = "waiting until IAM shows the role", seconds = 1 }
  tell { kind = "warning", text = "mind the gap", region = "us-east-1" }
  tell { kind = "step-done", step = { kind = "role", name = STEPS[1].name, action = "create", arn = "arn:aws:iam::1:role/x" } }
  progress:close()
  return there.text, #daemons
end

test["on a terminal the cursor is moved and never hidden"] = function()
  local text, daemons = told(80)
  test.equal(daemons, 1)
  test.contains(text, "\27[2A")
  test.truthy(not text:find("\27[?", 1, true))
end

test["a NO_COLOR that is set and empty means nothing"] = function()
  test.equal(select(2, told(80, { NO_COLOR = "" })), 1)
end

test["elsewhere, and with NO_COLOR or TERM=dumb, lines are appended without any control character"] = function()
  for _, case in ipairs { { false }, { 80, { NO_COLOR = "1" } }, { 80, { TERM = "dumb" } } } do
    local text, daemons = told(case[1], case[2])
    test.equal(daemons, 0)
    test.equal(text, "  … role crdb-cmek-orders-0f2c6e9d41b7: creating\n    waiting: until IAM shows the role\n"
      .. "  warning: us-east-1: mind the gap\n  ✓ role crdb-cmek-orders-0f2c6e9d41b7  0.0 s  arn:aws:iam::1:role/x\n")
  end
end

test["a daemon is a task that nobody waits for"] = function()
  local here = dofile("tests/stand_in.lua").new()
  local beats = 0
  local result = here.run(function()
    here.tasks.daemon(function()
      while true do
        beats = beats + 1
        here.door.clock.sleep(1)
      end
    end)
    here.tasks.sleep(3.5)
    return "done"
  end)
  test.equal({ result, beats, here.now - 1769936400 }, { "done", 4, 3.5 })
end

test["help fits the terminal: rows go on in their second column, long prose is filled anew, what fits stays"] = function()
  local there = terminal(true)
  there.terminal.width = function() return 40 end
  local prose = ("word "):rep(22) .. "\n  " .. ("next "):rep(4)
  test.equal(there:fit("Head\n  local x = 1\n  --flag   what it does is said in some more words\n"),
    "Head\n  local x = 1\n  --flag   what it does is said in some\n           more words\n")
  test.equal(there:fit("  " .. prose:gsub(" *\n", "\n") .. "\n\n  short\n"),
    "  word word word word word word word\n  word word word word word word word\n" ..
    "  word word word word word word word\n  word next next next next\n\n  short\n")
  test.equal(there:fit "cmek run console --cluster a --enable --yes --ab\ncmek resume",
    "cmek run console --cluster a --enable\n--yes --ab\ncmek resume")   -- the second line is no more of the first
  test.equal(terminal(false):fit(prose), prose)
end

test["a failure's prose fits the terminal; its message and its commands stay in a line, to be copied"] = function()
  local there, text = terminal(true), "cmek: looking: a\ncause: the one or the other\nevidence: IAM says so twice\nnext: look at what there is:\n"
    .. "  cmek status --cluster orders\nnext: cmek status --cluster orders\n"
  there.terminal.width = function() return 20 end
  test.equal(there:trouble(text), "cmek: looking: a\ncause: the one or\nthe other\nevidence: IAM says\nso twice\nnext: look at what\nthere is:\n"
    .. "  cmek status --cluster orders\nnext: cmek status --cluster orders\n")
  test.equal(terminal(false):trouble(text), text)
end

test["prose wraps between words on a terminal, and only there"] = function()
  local output = terminal(20)
  test.equal(output:wrap("cannot be undone: CMEK stays enabled", "   "), { "   cannot be undone:", "   CMEK stays", "   enabled" })
  test.equal(output:wrap("a\27[2Jb c", ""), { "a?[2Jb c" })
  test.equal(output:wrap("arn:aws:kms:us-east-1:1:key/x", " "), { " arn:aws:kms:us-east-1:1:key/x" })
  test.equal(terminal(false):wrap("cannot be undone: CMEK stays enabled", "   "), { "   cannot be undone: CMEK stays enabled" })
end

-- How plans, differences, tables and times look.
local json = require "json"

--- An output that keeps what is written.
local function sink(options)
  local written = { stdout = "", stderr = "" }
  local output = require("ui.output").new {
    json = options and options.json,
    environment = function(name) return options and options[name] end,
    terminal = {
      is_terminal = function() return options ~= nil and options.terminal == true end,
      write = function(text) written.stdout = written.stdout .. text return true end,
      write_error = function(text) written.stderr = written.stderr .. text return true end,
      width = function() return 80 end,
    },
  }
  return output, written
end

local function report()
  return {
    run = {
      recipe = "console", cluster = { id = "8b6d7a10", name = "orders" }, organization = { id = "0f4be3a2", name = "Example Co" },
      aws = { account_id = "210987654321", arn = "arn:aws:iam::210987654321:user/operator" },
    },
    summary = { create = 1, change = 1, delete = 0, unchanged = 1, refused = 1 },
    steps = {
      { kind = "role", name = "crdb-cmek-orders", action = "none", differences = {} },
      { kind = "key", name = "alias/a-g1", region = "us-east-1", action = "change", differences = {
        { field = "rotation", have = 90, want = 365 },
        { field = "policy.Action", have = { "kms:Encrypt", "kms:*" }, want = { "kms:Encrypt", "kms:Decrypt" } },
      } },
      { kind = "key", name = "alias/b-g1", region = "us-west-2", action = "refuse", reason = "it is another cluster's", differences = {} },
      { kind = "cluster_cmek", name = "orders", action = "create", irreversible = true, reason = "CMEK stays", differences = {} },
    },
  }
end

test["a plan begins with the AWS account, the ARN, the organization and the cluster"] = function()
  local text = require("ui.plan").render(report(), (sink()))
  test.equal(text:match "^(.-\n.-\n)", "AWS account 210987654321 as arn:aws:iam::210987654321:user/operator\n"
    .. "organization Example Co (0f4be3a2), cluster orders (8b6d7a10)\n")
end

test["a plan ends with the sum, and says what was refused"] = function()
  test.matches(require("ui.plan").render(report(), (sink())), "\nPlan: 1 to create, 1 to change, 0 to delete, 1 refused\n$")
end

test["each step has its mark, and an irreversible one an exclamation mark and its reason"] = function()
  local text = require("ui.plan").render(report(), (sink()))
  test.contains(text, "\n =   role")
  test.contains(text, "\n ~   key           us-east-1  alias/a-g1\n")
  test.contains(text, "\n x   key           us-west-2  alias/b-g1\n       it is another cluster's\n")
  test.contains(text, "\n +!  cluster_cmek")
  test.contains(text, "cannot be undone: CMEK stays")
end

test["a difference of texts is one line, of lists their elements, marked"] = function()
  local text = require("ui.plan").render(report(), (sink()))
  test.contains(text, "       rotation: 90 → 365\n")
  test.contains(text, "       policy.Action:\n           kms:Encrypt\n         - kms:*\n         + kms:Decrypt\n")
end

test["a plan without steps to take says that there is nothing to do"] = function()
  local calm = report()
  calm.summary, calm.steps = { create = 0, change = 0, delete = 0, unchanged = 4, refused = 0 }, { calm.steps[1] }
  local text = require("ui.plan").render(calm, (sink()))
  test.matches(text, "Nothing to do: all 4 are as wanted.\nPlan: 0 to create, 0 to change, 0 to delete\n$")
end

test["a difference of statements shows the changed lines and those beside them"] = function()
  local have = { Effect = "Allow", Principal = "*", Resource = "*", Sid = "a" }
  local want = { Effect = "Allow", Principal = "arn", Resource = "*", Sid = "a" }
  test.equal(require("ui.diff").lines(have, want),
    { '    "Effect": "Allow",', '-   "Principal": "*",', '+   "Principal": "arn",', '    "Resource": "*",' })
end

test["differences of a policy stand by statement and field, with what stays beside what goes and comes"] = function()
  local changed = report()
  changed.steps = { { kind = "key", name = "alias/a-g1", region = "us-east-1", action = "change", differences = {
    { field = "policy.Statement[Use]", want = '{"Sid":"Use","Effect":"Allow"}' },
    { field = "policy.Statement[Admin].Principal.AWS", have = "*", want = { "arn:a", "arn:b" } },
    { field = "policy.Statement[Admin].Condition.StringEquals.aws:x", have = { "y", "z" } },
    { field = "policy.Id", have = "x", want = "y" },
    { field = "trust.Statement[1].Effect", have = "Deny", want = "Allow" } } } }
  test.contains(require("ui.plan").render(changed, (sink())), [[
       policy, statement 'Use':
         + {
         +   "Effect": "Allow",
         +   "Sid": "Use"
         + }
       policy, statement 'Admin':
         Principal.AWS:
           - *
           + arn:a
           + arn:b
         Condition.StringEquals.aws:x:
           - y
           - z
       policy.Id: x → y
       trust, statement 1:
         Effect:
           - Deny
           + Allow
]])
end

test["a plan that makes something says how to see it in full"] = function()
  test.contains(require("ui.plan").render(report(), (sink())), "\nwith --requests: ")
  test.truthy(not require("ui.plan").render(report(), (sink()), true):find("--requests", 1, true))
end

test["a plan that is kept in a file has the warnings, which a terminal has shown already"] = function()
  local warned = report()
  warned.warnings = { { text = "a statement is kept", region = "us-east-1" }, { text = "mind", region = json.null } }
  test.contains(require("ui.plan").render(warned, (sink())), "\nwarning: us-east-1: a statement is kept\nwarning: mind\nPlan: ")
  test.truthy(not require("ui.plan").render(warned, (sink { terminal = true })):find("warning", 1, true))
end

test["what is not there is said to be none"] = function()
  test.equal(require("ui.diff").lines(nil, "x"), { "(none) → x" })
  test.equal(require("ui.diff").lines(json.null, "x"), { "(none) → x" })
end

test["columns are as wide as their widest character count, not their bytes"] = function()
  test.equal(require("ui.table").render { { "é", "b" }, { "aaa", "c" } }, "é    b\naaa  c\n")
end

test["spans of time read well from tenths of a second to hours"] = function()
  local duration = require("ui.time").duration
  test.equal({ duration(0.44), duration(12.4), duration(200), duration(7500) }, { "0.4 s", "12 s", "3 min 20 s", "2 h 5 min" })
end

test["a name two letters off is found, a strange one is not"] = function()
  local near = require("ui.near").near
  test.equal(near("consle", { "enable", "console" }), { "console" })
  test.equal(near("clutser", { "role", "cluster" }), { "cluster" })
  test.equal(near("zzz", { "enable", "console" }), {})
end

test["under --json stdout holds the document alone"] = function()
  local output, written = sink { json = "document" }
  output:result "for people"
  output:event { kind = "step" }
  output:document { schema = "x/1" }
  test.equal(written.stdout, '{\n  "schema": "x/1"\n}\n')
end

test["under --json=lines each event and the document is a line"] = function()
  local output, written = sink { json = "lines" }
  output:result "for people"
  output:event { kind = "step" }
  output:document { schema = "x/1" }
  test.equal(written.stdout, '{"kind":"step"}\n{"schema":"x/1"}\n')
end

test["colour is for terminals, and neither NO_COLOR nor TERM=dumb has any"] = function()
  test.equal((sink { terminal = true }):paint("red", "x"), "\27[31mx\27[0m")
  test.equal((sink { terminal = true, NO_COLOR = "1" }):paint("red", "x"), "x")
  test.equal((sink { terminal = true, TERM = "dumb" }):paint("red", "x"), "x")
  test.equal((sink {}):paint("red", "x"), "x")
end

test["what steers a terminal is taken out of what is written, but for what is ours"] = function()
  local evil = "a\27]0;title\7b\27[2Jc\27[5Ad\re\1\2\127\xC2\x9B31m\r\n\tz\n"
  local plain, there = sink {}
  plain:result(evil)
  plain:note(evil)
  local tamed = "a?]0;title?b?[2Jc?[5Ad?e????31m\n\tz\n"
  test.equal(there, { stdout = tamed, stderr = tamed })
  local shown, screen = sink { terminal = true }
  shown:result("\27[31mred\27[0m " .. evil)
  test.equal(screen.stdout, "\27[31mred\27[0m " .. tamed)
  shown:note "\r\27[2A\27[32mx\27[0m\27[K\n\27[J\27]52;c;x\7"   -- only what is drawn moves the cursor
  test.equal(screen.stderr, "??[2A\27[32mx\27[0m?[K\n?[J?]52;c;x?")
end

test["a failure names the service, the code, the request and what to do next"] = function()
  local text = require("ui.result").failure {
    what = "making the key in us-east-1", service = "kms", operation = "CreateKey", region = "us-east-1",
    code = "AccessDeniedException", message = "not allowed", request_id = "r-1", next = "cmek resume",
  }
  test.equal(text, "making the key in us-east-1: kms CreateKey us-east-1: AccessDeniedException: not allowed\n"
    .. "request ID r-1\nnext: cmek resume\n")
end

test["a secret in a failure is told by no document"] = function()
  local secret = require("secret").new("never-to-be-seen-value", "cloud")
  local failure = require "ui.failure"
  test.raises(function() return "x" .. secret end, "")
  test.equal(failure.document("plain").message, "plain")
end

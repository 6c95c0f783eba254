local s = require "schema"

return s.document("cmek.journal/1", "One run as its journal has it, line by line.", {
  id = s.text, status = s.one_of { "done", "unfinished", "failed", "declined", "stopped" }, path = s.text, ["time?"] = s.time,
  ["recipe?"] = s.text, ["cluster?"] = s.text, entries = s.list(s.object { kind = s.text, seq = s.count, ["time?"] = s.time }),
})

local s = require "schema"

return s.document("cmek.runs/1", "The runs whose journals there are, oldest first.", {
  directory = s.text,
  runs = s.list(s.object {
    id = s.text, status = s.one_of { "done", "unfinished", "failed", "declined", "stopped", "unreadable" }, ["time?"] = s.time,
    ["ended?"] = s.or_null(s.text),
    ["recipe?"] = s.text, ["command?"] = s.or_null(s.text), ["cluster?"] = s.text, ["path?"] = s.text, ["message?"] = s.text,
    ["next?"] = s.or_null(s.text),
  }),
})

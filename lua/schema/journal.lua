local s = require "schema"

local text_or_null = s.or_null(s.text)

local write = s.object { time = text_or_null, service = text_or_null, operation = text_or_null, region = text_or_null, target = text_or_null,
  attempt = s.or_null(s.integer), effect = text_or_null, outcome = s.one_of { "answered", "unsent", "lost", "stopped", "none" },
  status = s.or_null(s.integer), code = text_or_null, request_id = text_or_null, seconds = s.or_null(s.number) }

return s.document("cmek.journal/1", "What one run did, by its journal, and the journal line by line.", {
  id = s.text, status = s.one_of { "done", "unfinished", "failed", "declined", "stopped", "unreadable" }, path = s.text, ["time?"] = s.time,
  ended = text_or_null, begun = s.list(s.text), ["recipe?"] = s.text, script = s.boolean, hash = text_or_null,
  trusted = s.boolean,
  version = text_or_null,
  ["cluster?"] = s.text, aws = s.or_null(s.object { account_id = s.text, arn = s.text }), organization = text_or_null,
  typed = s.text, command = text_or_null,
  writes = s.list(write),
  keys = s.list(s.object { region = text_or_null, alias = text_or_null, attempt = text_or_null, key = text_or_null, result = s.text }),
  ["error?"] = s.failure, next = text_or_null,
  chain = s.object { whole = s.boolean, lines = s.count, cut = s.count, message = text_or_null },
  entries = s.list(s.object { kind = s.text, seq = s.count, ["time?"] = s.time }),
})

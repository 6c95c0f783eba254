local s = require "schema"

local orphan = s.object {
  kind = s.one_of { "key", "role" }, id = s.text, name = s.text, region = s.or_null(s.text), arn = s.text,
  cluster = s.object { id = s.text, name = s.or_null(s.text), state = s.or_null(s.text) },
  state = s.or_null(s.text), material = s.or_null(s.text), deletion_date = s.or_null(s.time), created = s.or_null(s.time), run = s.or_null(s.text),
  reason = s.one_of { "pending", "unseen", "gone", "lost-race", "unclaimed", "retired", "unused" }, why = s.text, clean = s.boolean,
  mend = s.or_null(s.text), result = s.or_null(s.one_of { "scheduled", "deleted", "left" }), ["left?"] = s.text, ["cancel?"] = s.text,
}

return s.document("cmek.orphans/1", "Keys and roles that cmek made and no cluster uses, each with why; `clean` says whether cmek orphans --clean "
  .. "may take it, `mend` is what to type, `unread` is what could not be looked at.", {
  aws = s.object { account_id = s.text, arn = s.text }, regions = s.list(s.text), clusters_asked = s.count, orphans = s.list(orphan),
  unread = s.list(s.object { what = s.text, region = s.or_null(s.text), why = s.text }), ["error?"] = s.failure,
})

local s = require "schema"

return s.published("cmek.sim_log/1", "A line of sim --log: one request and its answer; the lines do not say their schema.", s.object {
  time = s.time, service = s.or_null(s.text), operation = s.or_null(s.text), region = s.or_null(s.text), account = s.or_null(s.text),
  principal = s.or_null(s.text), status = s.integer, code = s.or_null(s.text), request_id = s.text, write = s.boolean,
})

-- Moments as services write them.
local time = require "time"

test["RFC 3339 in UTC, with a fraction or an offset, becomes seconds"] = function()
  test.equal(time.epoch "1970-01-01T00:00:00Z", 0.0)
  test.equal(time.epoch "2026-02-01T09:00:00Z", 1769936400.0)
  test.equal(time.epoch "2026-02-01T09:00:00.250000Z", 1769936400.25)
  test.equal(time.epoch "2026-02-01T10:30:00+01:30", 1769936400.0)
  test.equal(time.epoch "2026-02-01T04:00:00-0500", 1769936400.0)
  test.equal(time.epoch "2024-02-29T23:59:59Z", 1709251199.0)
  test.equal(time.epoch(12), 12)
end

test["what is no moment is nil"] = function()
  for _, text in ipairs { "", "tomorrow", "2026-02-01", "2026-02-01T09:00:00", "2026-02-01T09:00:00 CET", "20260201T090000Z" } do
    test.equal(time.epoch(text), nil)
  end
  test.equal(time.epoch(nil), nil)
end

test["an HTTP date becomes seconds"] = function()
  test.equal(time.http "Sun, 01 Feb 2026 09:00:00 GMT", 1769936400.0)
  for _, text in ipairs { "01 Feb 2026 09:00:00 GMT", "Sun, 01 Fob 2026 09:00:00 GMT", "Sun, 01 Feb 2026 09:00:00 CET", "3" } do
    test.equal(time.http(text), nil)
  end
end

test["seconds become text that reads back as the same"] = function()
  for _, moment in ipairs { 0, 951782399, 951782400, 1709164800, 1769936400, 4102444799, 4107542400 } do
    test.equal(time.epoch(time.text(moment)), moment + 0.0)
    test.equal(time.text(moment), os.date("!%Y-%m-%dT%H:%M:%SZ", moment))
  end
  test.equal(time.text(1769936400.9), "2026-02-01T09:00:00Z")
end

test["a length of time reads in the unit that fits"] = function()
  local words = {}
  for _, length in ipairs { 0, 40, 89, 90, 660, -1200, 5399, 5400, 172799, 172800, 864000 } do words[#words + 1] = time.span(length) end
  test.equal(words, { "0 s", "40 s", "89 s", "2 min", "11 min", "20 min", "90 min", "2 h", "48 h", "2 days", "10 days" })
end

local s = require "schema"

local function event(kind, members)
  members.kind = { const = kind }
  return s.object(members)
end

return s.document("cmek.event/1", "A line of --json=lines, except the last, which is the command's document.", {
  kind = s.text, time = s.time,
}, {
  oneOf = {
    event("planned", { step = s.step() }),
    event("plan", { report = require "schema.plan" }),
    event("step-start", { step = s.step() }),
    event("step-done", { step = s.step_done }),
    event("step-failed", { step = s.step_done, error = s.failure }),
    event("waiting", { reason = s.text, seconds = s.number }),
    event("warning", { text = s.text, ["region?"] = s.text }),
    event("say", { text = s.text }),
  },
})

return [[
Errors
  What a service refuses ends in three things: its cause, the evidence that cmek saw, and what to do or type next. A command that is
  printed can be pasted as it stands. Under --json they are members of the error: situation, cause, evidence, advice, commands, next.
  The situations that are known have names; cmek help errors NAME shows one, and cmek sim --fault NAME makes many of them.
]]

return [[
JSON
  --json prints one document on stdout, --json=lines an event a line and the document last; progress goes to stderr.
  stdout holds nothing else, also when the command fails: then it is cmek.error/1, unless the command has its own.
  Times are RFC 3339 in UTC. More members may stand beside those listed; what has a "?" may be missing.
  cmek help json plan prints the JSON Schema of cmek.plan/1, and so for each of these:
]]

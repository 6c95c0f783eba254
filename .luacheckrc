std = "lua54"
max_line_length = 150
files["tests"] = { globals = { "test" } }
files["recipes"] = { globals = {
  "ensure", "read", "preflight", "handover", "layout", "go_on", "task", "policy", "names", "wait", "say", "ask", "sorted", "resource",
  "cloud", "iam", "kms", "sts", "tagging",
} }
files["lua/resource"] = files["recipes"]
files["lua/meta"] = { ignore = { "212", "241" } }   -- they describe arguments and methods, and use none

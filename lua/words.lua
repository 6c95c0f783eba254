--- The command words, in the order that help shows them. The command line, help, the manual page and completion read this table.
---@class words.Word
---@field [1] string      the word
---@field module string   what runs it; loaded when the word is typed
---@field usage string    what may follow it
---@field text string     one line of help
---@field raw boolean?    what follows is the word's own, --json included
---@field hidden boolean? not for people: help and completion leave it out
---@field takes string[]? what stands in its positions: "recipe", "run", "file", "topic", "schema", or words: "list|show"
---@field sub table<string, string[]>?  what follows such a word
---@field usual string?   the recipe when none is named
return {
  { "status",  module = "command.status",  usage = "[--cluster X]", text = "which clusters can have CMEK; of one: keys, role, what is due" },
  { "plan",    module = "command.plan",    usage = "RECIPE [--ARG …]", text = "what run would do", takes = { "recipe" } },
  { "run",     module = "command.run",     usage = "RECIPE [--ARG …]", text = "plan, ask, do", takes = { "recipe" } },
  { "verify",  module = "command.verify",  usage = "[RECIPE] [--ARG …]", text = "is it still so? without a recipe: console",
    takes = { "recipe" }, usual = "console" },
  { "resume",  module = "command.resume",  usage = "[RUN]", text = "finish a run that died", takes = { "run" } },
  { "destroy", module = "command.destroy", usage = "RECIPE [--ARG …]", text = "take it back, guarded",
    takes = { "recipe" } },
  { "orphans", module = "command.orphans", usage = "[--clean]", text = "made by cmek, used by nobody; --clean asks one by one" },
  { "runs",    module = "command.runs",    usage = "[show RUN]", text = "what was done", takes = { "list|show" }, sub = { show = { "run" } } },
  { "recipes", module = "command.recipes", usage = "", text = "list | show NAME | eject NAME [FILE] | diff FILE | check FILE | new NAME | test FILE",
    takes = { "list|show|eject|diff|check|new|test" },
    sub = { show = { "recipe" }, eject = { "recipe", "file" }, diff = { "file", "file" }, check = { "file" }, test = { "file" } } },
  { "exec",    module = "command.exec",    usage = "[--write] FILE [ARG…]", text = "a Lua script with the services at hand; - is stdin", raw = true,
    takes = { "file" } },
  { "repl",    module = "command.repl",    usage = "[RECIPE --ARG …]", text = "a prompt with all of it at hand, which reads until :allow-writes",
    takes = { "recipe" } },
  { "sim",     module = "sim.command",     usage = "[-- COMMAND]", text = "the simulated services, or COMMAND against them", raw = true },
  { "whoami",  module = "command.whoami",  usage = "", text = "which account and organization, as whom" },
  { "version", module = "command.version", usage = "", text = "also --licenses" },
  { "help",    module = "command.help",    usage = "[WORD]", text = "a command, a recipe or a topic", takes = { "topic" },
    sub = { json = { "schema" } } },
  { "completion", module = "command.completion", usage = "bash|zsh|fish", text = "for the shell: eval \"$(cmek completion bash)\"",
    takes = { "bash|zsh|fish" } },
  { "complete", module = "command.complete", usage = "", text = "what completion asks", raw = true, hidden = true },
}

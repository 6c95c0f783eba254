return [[
The prompt
  cmek repl opens a prompt with what recipes use at hand. An expression is printed, anything else is run; lines are read until a chunk
  is complete, and a chunk may have globals. cmek sim -- cmek repl tries it without an account.

    cloud.clusters()                              lists of records are printed as tables; what does not fit is cut: :page, :save FILE
    kms.list_keys { region = "us-east-1" }        the operations of iam, kms, sts, tagging, cloud, vault; TAB completes them
    read("cluster", "orders").regions             what recipes say: read, ensure, preflight, policy, names, task.map, wait, say, ask
    plan("console", { cluster = "orders" })       what a recipe would do; of cmek repl RECIPE --ARG …: plan(), and its arguments in arg
    _                                             the value before; _N is that of chunk N of :history

  It reads only. :allow-writes asks at the terminal, once; from then on the prompt is red, ensure makes what is missing, and what is sent is in
  a journal (cmek runs). It deletes nothing and does nothing that cannot be undone: that is for recipes.
  ^C ends what the chunk does, never a write that is on its way; ^D leaves; ^R searches in what was typed before.
  What a call takes stands below the line while it is typed; TAB completes, ?NAME tells more. Enter goes on in a new line while lines are missing,
  Alt-Enter always; up and down move in the lines of a chunk. Pasted lines are one chunk, or run one after the other up to the first that fails.
  What was typed is kept for later prompts, in a file of one's own; a chunk that holds what looks like a secret is not.
  Through a pipe (cmek repl < FILE) lines are run as they are, and the first error ends it with exit status 1. :help lists the commands.
]]

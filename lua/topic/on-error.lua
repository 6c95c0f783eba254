return [[
Stepping in
  With --on-error=repl (plan, run, verify, resume, and destroy while it looks for what there is) a prompt opens where a step of the recipe fails,
  instead of the end:

    cmek run ./mine.lua --cluster orders --on-error=repl
    mine.lua:31 write> :where                   the lines on whose way it has stopped; :where 2 looks at the variables of the second
    mine.lua:31 write> :locals                  the variables there; each can be read and set by its name
    mine.lua:31 write> call[2].rotation = 365   call holds the arguments of what has failed, as the recipe gave them
    mine.lua:31 write> :continue                calls it anew, and goes on with what comes of it; :quit ends with the error that it was

  :continue repeats the one call that has failed, such as ensure("key", …), with what is in call by then: neither the lines before it nor what
  stands in its parentheses are run again. Variables that were set are what the lines after it go on with. What is wrong outside can be put
  right meanwhile: it is read anew. A run makes nothing twice by it: an ensure that is repeated looks first at what the one before has left, as
  cmek resume does, and what the plan did not show is refused. Where the recipe's own words fail, as in cluster.nosuch[1], there is nothing to
  repeat: look, :quit, put the line right. In a kind of the recipe's own the prompt opens at the ensure that asks for it.
  What runs beside the failing step is done first; what fails meanwhile waits for its turn. A step that the plan refuses has not failed: the plan
  shows all of them, and nothing has been made.

  break() in a recipe, or breakpoint(), which editors take for Lua as well, opens the same prompt at its line, in each pass of a run: while it is
  planned and while it is done. :continue goes on with the next line. Where nobody sits at a terminal it is passed over, with a word.

  The prompt may write what its run may: nothing before the plan was agreed to, then create and change things; all of it is in the run's journal.
  After :quit, and after a prompt that was killed, cmek resume goes on. It wants a terminal, or lines on stdin: with --json, and with --yes or
  --confirm where stdin is no terminal, it is refused before anything is asked. ^C ends what the prompt does, ^D is :quit. The rest is as in
  cmek help prompt.
]]

return [[
Exit statuses
  0        done, or nothing to do
  1        failed, or declined
  2        what was typed cannot be meant; the credentials are another account's than --account
  3        changes are pending (plan --exit-code)
  4        no credentials, or they were refused; nothing was made
  5        something was made or deleted, and the run is not finished: cmek resume
  6        verify found differences, or checks that could not be made
  130 143  stopped by a signal, cleanly, before anything was made; 129 when the terminal went away
sim and exec return what their command or script returned.
]]

--- The words of `cmek help`.
local M = {}

M.OVERVIEW = [[
cmek gives a CockroachDB Cloud cluster a customer-managed encryption key in AWS, and looks after it.

  cmek status [--cluster X]        which clusters can have CMEK, or why not; keys in use
  cmek plan RECIPE [--ARG …]       what run would do
  cmek run RECIPE [--ARG …]        plan, ask, do
  cmek verify RECIPE [--ARG …]     is it still so?
  cmek resume [RUN]                finish a run that died
  cmek runs [show RUN]             what was done
  cmek recipes                     list | show NAME | eject NAME [FILE]
  cmek exec [--write] FILE [ARG…]  any Lua script, with the services at hand
  cmek sim [-- COMMAND]            the simulated services, or COMMAND against them
  cmek whoami                      which account and organization, as whom
  cmek version                     also --licenses
  cmek help [WORD]                 a command, a recipe, or: arguments, environment, json, status, writing

Try it without an account:  cmek sim -- cmek run console --cluster orders --enable
]]

--- Topics, and what they say.
M.TOPICS = {
  status = [[
Exit statuses
  0        done, or nothing to do
  1        failed, or declined
  2        what was typed cannot be meant; the credentials are another account's than --account
  3        changes are pending (plan --exit-code)
  4        no credentials, or they were refused; nothing was made
  5        something was made and the run is not finished: cmek resume
  6        verify found differences, or checks that could not be made
  130 143  stopped by a signal, cleanly, before anything was made
sim and exec return what their command or script returned.
]],
  environment = [[
Environment
  COCKROACH_API_KEY     the secret key of a service account with the role Cluster Operator; made in the Cloud
                        Console under Access Management, Service Accounts
  COCKROACH_API_JWT     a JWT instead, with COCKROACH_VANITY_NAME and, where it maps to several, COCKROACH_USERNAME
  COCKROACH_SERVER      another address of the Cloud API
  AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_CONFIG_FILE,
  AWS_SHARED_CREDENTIALS_FILE, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KMS …  as the AWS SDKs read them
  HTTPS_PROXY, NO_PROXY as curl reads them
  CMEK_STATE_DIR        where journals are kept; else $XDG_STATE_HOME/cmek
  CMEK_ARG_CLUSTER …    a recipe's arguments; flags are stronger, --args FILE is weaker
  NO_COLOR, TERM=dumb   no colour
]],
  arguments = [[
Arguments
  A recipe's arguments are its flags: cmek help console. Each comes from the first that has it: the flag, the
  environment (CMEK_ARG_ROLE for --role), the file of --args. A file of arguments is JSON, or Lua data:

    return { cluster = "orders-prod", rotation = 180 }

  Secrets are never arguments.
]],
  json = [[
JSON
  --json prints one document on stdout, --json=lines an event a line and the document last; progress goes to stderr.
  Times are RFC 3339 in UTC. More fields may stand beside these:
  cmek.plan/1     run{recipe,cluster{id,name},aws{account_id,arn}}, summary{create,change,delete,unchanged,refused},
                  steps[{kind,name,region,action,reason,irreversible,differences[{field,have,want}]}]
  cmek.run/1      the same run with id and status (done, failed, declined, unfinished), the same steps with arn and
                  result (done, failed, skipped), handover{region_specs[…]}, error{…} when it failed
  cmek.verify/1   checked[{id,object,region,result}], findings[{id,severity,object,region,field,have,want,mend}]
  cmek.error/1    error{what,service,operation,region,code,message,request_id,next}
]],
  writing = [[
Writing a recipe
  cmek recipes eject console my.lua writes a copy of a stock recipe; cmek plan ./my.lua --cluster … runs it.
  A recipe returns { api = 1, summary =, args =, touches =, run = function(arg) … end }.

    args     { name, text, type = "string"|"integer"|"boolean", default =, list = true, optional = true,
             choices = { … }, min =, max = }; each is a flag
    touches  the services it calls: cloud, iam, kms, sts, tagging

  Its world: ensure, read, preflight, handover, task.map, policy, names, wait, say, ask, sorted, resource, the
  services it touches, and require of policy, names, sorted, of files beside it and of stock recipes. There are no
  files, no clock, no network and no error handling: state what shall be with ensure; a failed run is run again.
]],
}

--- The names of the topics, sorted.
function M.names()
  local names = {}
  for name in require("sorted")(M.TOPICS) do names[#names + 1] = name end
  return names
end

return M

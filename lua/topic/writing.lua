return [[
Writing a recipe
  cmek recipes eject console my.lua writes a copy of a stock recipe; cmek plan ./my.lua --cluster … runs it. cmek recipes new NAME
  writes a small one with its sentences, cmek recipes check my.lua tells what is wrong with one by its lines without running it, and
  cmek recipes test my.lua tries it (cmek help testing). An ejected one says in its first line where it is from: after an upgrade
  cmek recipes diff my.lua shows what the stock recipe has changed since, apart from what you have.
  A recipe returns { api = 1, summary =, args =, touches =, run = function(arg) … end }.

    args     { name, text, type = "string"|"integer"|"boolean", default =, list = true, optional = true,
             choices = { … }, min =, max =, like = "role"|"path"|"principal"|"policy"|"tag"|"mount"|"credentials"|
             "region_nodes", required = true }; each is a flag. With a boolean one called drill a run plans, checks, and
             has given up the right to write
    touches  the services it calls: cloud, iam, kms, sts, tagging, vault, and others of AWS that aws.call reaches, by the name that they
             sign with: sns, sqs, events …

  Its world: ensure, read, layout, preflight, handover, go_on (the recipe that goes on, with its arguments), task.map, policy,
  names, wait, on_change, say, ask, sorted, resource, the services it touches, aws.call, and require of policy, names, sorted, of
  files beside it and of stock recipes. There are no files, no clock, no network and no error handling: state what shall be with
  ensure; a failed run is run again. cmek help NAME says of each what it takes, gives and raises: cmek help aws.call.

  A write that it calls itself (iam.tag_role { … }, aws.call { … }) is a step of the plan, done at every run; in on_change(function() … end)
  only where something was made or changed before it. One that cannot be done twice, such as a message, is not repeated when a run is
  taken up: that it was sent stands in the journal, and where its answer was lost cmek resume says so and does not send it again.

  Plan and question show the file's path, its SHA-256 (of files beside it that it requires at its top as well, which are named) and what
  it touches. --trust lifts the sandbox: the recipe has file, process, json, crypto, time, load, pcall and globals of its own; services it
  reaches as any other recipe does. The journal says so.

  Its function is run twice, for the plan and to do what was agreed to: what it asks for the second time has to be what its plan showed,
  as far as that could be known; else the run ends before the change.

  What goes wrong in it is told by its line, with what may have been meant; --traceback adds the calls that led there, --on-error=repl
  opens a prompt at that line, and so does break() in the recipe (cmek help on-error).

  resource { … } describes a kind of its own and gives the name that ensure takes: kind, actions ({ iam = { "TagRole" } },
  all that its functions call, of services that are touched), name(want), find(want), create(want); also differences(want, have) (a list
  of { field =, have =, want = }), update(want, have), delete(want, have), ready(have), region(want), absent (codes by which a service
  says to find that it is not there) and irreversible (why making it cannot be undone). It stands outside of run, in the recipe or in a
  file beside it that returns it. What `want` cannot know before the run may be passed on, not looked into: while find would ask about
  it, the thing counts as not there. plan, run, resume, verify and destroy treat it as one of cmek's own, but for two things: whether
  the credentials may do what it calls is not asked beforehand, and what has no delete is left as it is by destroy, which says so.
]]

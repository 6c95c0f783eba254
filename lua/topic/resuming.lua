return [[
Resuming
  A run that died is finished by cmek resume: it reads the run's journal, looks up what its last requests came to, and goes
  on. Without an ID it takes the newest that is not finished; cmek runs lists them.

  On another machine, with the journal copied there:  cmek resume PATH/RUN.jsonl, or cmek resume RUN --journal DIR.
  A run whose process is alive is not taken up, nor one of another AWS account, organization or cluster than the
  credentials and keys at hand: it is said whose it is. The profile is the one that it began with; --profile names another.
  Alive on another machine it cannot be seen from here; both then come to the same role and keys.

  Enabling CMEK and rotating may take the Cloud two hours. Once it has the keys of a run, resuming that run takes the Cloud's API
  key alone: AWS and Vault are not asked again, but for a lock that is given back.

  Without the journal, run the recipe again: the role is found by its name and tags, keys by the cluster's alias, and a key
  that the dead run had made and not given its alias yet is found by its tags and gone on with. That is safe while its maker
  lives: the alias decides, and both end with the same key. A key that the tag index does not show yet (seconds to minutes),
  or that tag:GetResources may not be asked for, is not found, and another is made; the journal would have found it.
]]

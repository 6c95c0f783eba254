--- What keeps a key or a role from being deleted: somebody uses it, or may.

return {
  { id = "destroy.in-use", title = "a cluster uses what was to be deleted",
    cause = "CMEK cannot be switched off: without its keys and role nobody can read the cluster's data and backups",
    evidence = "{uses}",
    next = "leave it in use; this tells whether it is as it should be", commands = { "{verify}" } },

  { id = "destroy.unasked", title = "a cluster does not say which keys it uses",
    cause = "nothing is deleted that a cluster may depend on, and what this one depends on cannot be seen",
    evidence = "of cluster {cluster} the Cloud says: {said}",
    next = "let the API key's service account read every cluster of the organization (Cluster Developer or more, on the organization), then do "
      .. "this again",
    commands = { "cmek status" } },

  { id = "destroy.attached", title = "more hangs on the role than cmek gives it",
    cause = "cmek attaches nothing to the role: whoever did may need it, and IAM deletes no role with something attached",
    evidence = "on {role}: {attached}",
    next = "detach it, if nobody needs it", commands = { "{detach}" } },

  { id = "destroy.trusted", title = "somebody else may assume the role as well",
    cause = "the role's trust policy has a statement that is not cmek's: whoever it lets in may be at work with the role",
    evidence = "{statement} of the trust policy of {role}",
    next = "take that statement out, if nobody needs it", commands = { "{put}" } },
}

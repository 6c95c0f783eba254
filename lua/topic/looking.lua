return [[
Looking at what there is
  cmek status                        every cluster that the API key sees: whether it can have CMEK or why not, and the Cloud's word for it
  cmek status --cluster X            its regions; each region's keys, current and past, with state, aliases, rotation dates and tags in KMS, and
                                     the Cloud's status and dates; its role and trust; what is due or wrong, with the command that mends it
  cmek status --cluster X --keys     also of each key which clusters still name it, in any status, and when it was last used, where KMS tells
  cmek status --cluster X --reach WAY  keys and roles of another account too: a profile, the ARN of a role to assume, or the layout's file

  It needs the Cloud's key alone; with AWS credentials it shows the AWS side as well. The Cloud allows ten requests a second, so 1,000
  clusters take about two minutes; it says how far it is. A cluster that may not be read hides no other, and is named: it may name any key.
  KMS tells of a last use where the key's policy allows kms:GetKeyLastUsage, in the key's own account, from when it records it.

  Past keys stay needed. CockroachDB publishes no rule of how long: older data files and every managed backup of a key's time need it. That
  a key is idle proves nothing, so no command of cmek's disables or deletes a key that a cluster names, current or past.
]]

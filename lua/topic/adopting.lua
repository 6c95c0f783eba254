return [[
Adopting
  A cluster whose CMEK was set up by hand has a role and keys that cmek leaves alone: they say nothing of whose they are.

    cmek run adopt --cluster orders --save-args orders.json
    cmek plan console --args orders.json

  The first reads from CockroachDB Cloud which roles and keys are in use, checks them and asks; then it tags each for this
  cluster and gives each key the cluster's alias (…-g1). Policies, trust, rotation and other tags stay as they are. The file
  holds their ARNs for --role and --key; without --save-args the command is printed with them. The second says what differs
  from what cmek would have made, with nothing to create; run does it, and keeps statements of others in the policies.

  Keys of every kind that CMEK can rest on are taken: with KMS's material, with material that somebody imported, made by Vault's key
  management (alias/hashicorp/…: where a Vault is configured it says which version of which key, and the tag cmek:material keeps
  it), multi-Region keys with their replicas, one key for several regions, a role for each region. The command that is printed names the
  layout (cmek help layouts) where it is not a key a region; a mapping without a name is gone on with as the Cloud has it, without a
  file. --save-layout FILE writes the mapping for --layout, for other clusters or to be kept.

  Keys and roles of other accounts are adopted there: --reach PROFILE, or --reach ARN of a role to assume. Then --save-layout is of use,
  since the file says how each is reached. What nothing leads to is told and left as it is; the cluster goes on using it.

  Refused, each with its reason: keys and roles that are tagged for another cluster or used by one; keys of a key store; keys without
  their material, or whose material expires; keys that are not Enabled, symmetric and for encrypting; an alias that points to another
  key; two keys of one AWS region. A wrong trust is told.

  A role and keys that were made by hand and are not in use yet are named as well: cmek plan console --role ARN --key ARN
  (a key a region; where none is named, one is made) prints the command that says whose they are.
]]

--- What of a cluster, or of the way that CockroachDB takes to its keys, is not as CMEK needs it.

local PRIVATE <const> = "CMEK needs a cluster that was created as a private one with advanced security"

return {
  { id = "cluster.network", title = "the cluster is public",
    cause = PRIVATE .. "; that is chosen when a cluster is made and cannot be changed",
    evidence = "the Cloud says network_visibility {network}",
    next = "make another cluster with private network visibility, and move the data; these can have CMEK", commands = { "cmek status" } },

  { id = "cluster.plan", title = "the cluster is not of the plan Advanced",
    cause = "clusters of the plans Basic and Standard share their machines, and have no keys of their own",
    evidence = "the Cloud says plan {plan}",
    next = "make an Advanced cluster, private, and move the data; these can have CMEK", commands = { "cmek status" } },

  { id = "cluster.cloud", title = "the cluster runs on another cloud",
    cause = "keys of AWS KMS serve clusters on AWS; this one takes keys of its own cloud",
    evidence = "the Cloud says cloud_provider {cloud}",
    next = "name a cluster on AWS; for this one follow the vendor's page for {cloud}", commands = { "cmek status" } },

  { id = "cluster.state", title = "the cluster is not ready, or is gone",
    cause = "a cluster can be given keys from the moment that it is made until it is deleted; making one takes about half an hour",
    evidence = "the Cloud says state {state}",
    next = "run this again when its state is CREATED", commands = { "cmek status --cluster {name}" } },

  { id = "cluster.account", title = "the Cloud names no AWS account for the cluster",
    cause = "the role has to trust the AWS account that the Cloud uses for this cluster, and it names none",
    evidence = "the Cloud says account_id '{account}'",
    next = "ask the vendor's support for the cluster's AWS account", commands = { "cmek status --cluster {name}" } },

  { id = "cluster.locked", title = "another job holds the cluster",
    fits = { service = "cloud", status = 503, message = "lock" },
    cause = "upgrades, scaling, maintenance and CMEK itself take a cluster one at a time",
    evidence = "the Cloud says state LOCKED, or '{message}'",
    next = "wait until its state is CREATED", commands = { "cmek status --cluster {name}" } },

  { id = "cluster.own-account", title = "the AWS credentials are of CockroachDB's account",
    cause = "role and keys belong into an account of yours; the account that the Cloud names for the cluster is the one that is let in",
    evidence = "the credentials and the cluster's account_id are both of {account}",
    next = "choose other credentials with --profile or the AWS_* variables", commands = { "cmek whoami" } },

  { id = "cluster.shape", title = "the cluster cannot grow like that",
    cause = "a cluster on AWS has one region or at least three, of those that the Cloud offers, with three nodes and more in each; a region "
      .. "is added with its key where CMEK is enabled, and not while it is revoked",
    evidence = "the cluster has {regions}",
    next = "look at its regions, then name others", commands = { "cmek status --cluster {name}" } },

  { id = "cluster.not-grown", title = "the Cloud took the new regions and the cluster does not have them",
    cause = "the Cloud's job of adding them failed, or was taken back: there may be no machines left in a region, or a quota is reached",
    evidence = "{said}",
    next = "look at the cluster and in the Cloud Console; where the cause is gone the run is taken up, with the keys that are made",
    commands = { "cmek status --cluster {name}" } },

  { id = "cmek.add-failed", title = "a new region is there and the Cloud could not use its key",
    cause = "while it added the region the Cloud lost its way to the key: role, trust or key changed under it, or something in AWS denies it",
    evidence = "{said}",
    next = "put right what differs; then the Cloud is given the key once more", commands = { "cmek status --cluster {name}" } },

  { id = "cmek.in-use", title = "CMEK is already enabled, with keys that are not cmek's",
    cause = "somebody enabled CMEK for this cluster by hand or with another tool; a second set of keys would serve nobody",
    evidence = "the Cloud names {keys} in {region}",
    next = "take over what is there, or leave it in use", commands = { "cmek run adopt --cluster {name}" } },

  { id = "cmek.other-key", title = "a region uses another key than the one that is to be enabled",
    cause = "CMEK is enabled once; giving a region another key is a rotation",
    evidence = "the Cloud names {key} with role {role} in {region} ({status})",
    next = "leave it in use and look at what there is, or see what the next key would be",
    commands = { "cmek status --cluster {name}", "cmek plan rotate --cluster {name}" } },

  { id = "cmek.not-enabled", title = "CMEK is not enabled, so that there is nothing to rotate or to add to",
    cause = "a rotation gives a cluster that uses keys of yours the next ones, and a new region gets one like them; the first keys are given by "
      .. "enabling",
    evidence = "{said}",
    next = "see what enabling would take", commands = { "cmek plan console --cluster {name} --enable" } },

  { id = "cmek.rotate-failed", title = "the Cloud took the new keys and could not use them",
    cause = "while it rotated, the Cloud lost its way to a new key; the region goes on with the key from before",
    evidence = "{said}",
    next = "put right what differs, then go on", commands = { "{mend}" } },

  { id = "cmek.revoked", title = "the cluster's CMEK is revoked",
    fits = { service = "cloud", status = 400, message = "revoked" },
    facts = function(refusal) return { said = ("%s answers '%s'"):format(refusal.operation, refusal.message) } end,
    cause = "somebody has revoked it, by cmek run revoke or at the Cloud: the cluster is kept from its keys, and takes no others",
    evidence = "{said}",
    next = "let it to its keys again, then send support the text that this prints", commands = { "{restore}" } },

  { id = "cluster.shared", title = "another cluster uses the same key or role",
    cause = "who takes or changes a key or a role of one cluster does so to all that use it: cmek looks after those that are one cluster's alone",
    evidence = "{uses}",
    next = "give each cluster a role and keys of its own; what each has is shown by", commands = { "cmek status" } },

  { id = "cmek.regions", title = "not every region of the cluster has a key",
    cause = "CMEK is enabled for all regions of a cluster at once: one that is left out is an error of the request",
    evidence = "{missing}",
    next = "make what is missing", commands = { "cmek run console --cluster {name}" } },

  { id = "layout.wrong", title = "the layout does not fit the cluster", exit = "usage",
    cause = "a layout says of every region of the cluster which key and which role it uses, once, and of no other region",
    evidence = "{wrong}",
    next = "mend it, or take one that has a name: own, shared, replica", commands = { "cmek help layouts" } },

  { id = "layout.other", title = "the cluster uses its keys in another layout",
    cause = "what is encrypted with a key needs that key: another key for a region is a rotation, not a run",
    evidence = "{region} uses {keys}",
    next = "name the layout that the cluster has, or leave --layout out; it is shown by", commands = { "cmek status --cluster {name}" } },

  { id = "kms.no-replica", title = "the alias points to a key that is no replica of the primary",
    cause = "a region has a key of its own already, and no key becomes a replica of another one",
    evidence = "{alias} points to {key} in {region}, and the primary is {primary}",
    next = "go on with the layout that the cluster has, or rotate to other keys; what there is shows",
    commands = { "cmek status --cluster {name}" } },

  { id = "cmek.swapped", title = "the ARNs of role and key are swapped",
    cause = "a key serves the cluster, and a role is what CockroachDB assumes to use it: each has an ARN, and their places are not the same",
    evidence = "{arn} is the ARN of a {is}",
    next = "give the key with --key and the role with --role; the cluster's own are shown by", commands = { "cmek status" } },

  { id = "cmek.enable-failed", title = "the Cloud took the keys and could not use them",
    cause = "while it enabled CMEK the Cloud lost its way to a key: role, trust or key changed under it, or something in AWS denies it",
    evidence = "{said}",
    next = "put right what differs, then go on", commands = { "{mend}" } },

  -- What CockroachDB meets when it tries a key: it says 'Insufficient permissions' to all of these.
  { id = "access.role-missing", title = "the role is gone",
    cause = "the role that the keys are to be used with is not there: it was not made yet, or was deleted",
    evidence = "IAM shows no role {role}",
    next = "make it", commands = { "{mend}" } },

  { id = "access.external-id", title = "the role wants another external ID",
    cause = "CockroachDB names the organization's ID as external ID, and the role's trust policy asks for something else",
    evidence = "the trust policy of {role} wants {wants}; the organization's ID is {organization_id}",
    next = "put the trust policy right", commands = { "{mend}" } },

  { id = "access.external-id-label", title = "the organization's label or name in the place of its ID",
    cause = "the external ID is the organization's ID, a UUID; its label and its name are for people",
    evidence = "the trust policy of {role} wants {wants}, which is the organization's {is}; its ID is {organization_id}",
    next = "put the trust policy right", commands = { "{mend}" } },

  { id = "access.trust-account", title = "the role trusts another account",
    cause = "each cluster is served from an AWS account of its own, and the role's trust policy does not name this one's",
    evidence = "the trust policy of {role} names {principals}; the cluster's account is {account}",
    next = "put the trust policy right", commands = { "{mend}" } },

  { id = "access.trust", title = "the role's trust policy does not let CockroachDB in",
    cause = "the trust policy has no statement that allows it, or one that denies it",
    evidence = "{verdict}",
    next = "put the trust policy right", commands = { "{mend}" } },

  { id = "access.key-missing", title = "the key is gone",
    cause = "the key that the Cloud is given does not exist in that region and account",
    evidence = "KMS shows no key {key}",
    next = "look at what the cluster uses and what there is", commands = { "cmek status --cluster {name}" } },

  { id = "access.key-disabled", title = "the key is disabled",
    cause = "somebody switched the key off: CockroachDB cannot use it, and nodes that restart cannot start",
    evidence = "KMS says KeyState {state} of {key}",
    next = "enable it", commands = { "aws kms enable-key --region {region} --key-id {key}" } },

  { id = "access.key-pending-deletion", title = "the key is to be deleted",
    cause = "somebody scheduled the key's deletion; when that is done, what it encrypts is lost",
    evidence = "KMS says KeyState {state} of {key}",
    next = "cancel the deletion, and enable the key, which is disabled then",
    commands = { "aws kms cancel-key-deletion --region {region} --key-id {key}", "aws kms enable-key --region {region} --key-id {key}" } },

  { id = "access.key-policy", title = "the key's policy does not let the role use it",
    cause = "role and key are there, and the key's policy does not grant the role what CockroachDB does with it, or denies it",
    evidence = "{verdict}",
    next = "put the key policy right", commands = { "{mend}" } },

  { id = "access.unseen", title = "CockroachDB cannot use the key, and nothing that can be seen says why",
    cause = "trust, key policy and key are right as far as can be seen from here; what cannot be seen are the organization's policies "
      .. "(SCP, RCP), and how long new things take to be known",
    evidence = "{said}",
    next = "ask who administers the AWS organization whether a policy denies kms or sts:AssumeRole, then look again",
    commands = { "cmek verify console --cluster {name}" } },
}

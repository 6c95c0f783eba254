--- What is in the way of a role or a key: somebody else's thing, a state that cannot be worked with, a policy that KMS does not take.

return {
  { id = "iam.role-foreign", title = "a role of that name is there that cmek did not make",
    cause = "cmek changes what it made, or was told to take over, and nothing else",
    evidence = "{arn} has no tag cmek:cluster",
    next = "name another role", commands = { "{other_role}" } },

  { id = "iam.role-of-another-cluster", title = "a role of that name serves another cluster",
    cause = "changing the role's trust for this cluster would cut the other one off from its keys",
    evidence = "{arn} has the tag cmek:cluster={owner}",
    next = "name another role", commands = { "{other_role}" } },

  { id = "kms.alias-taken", title = "the alias points to a key that is not this cluster's",
    cause = "somebody gave cmek's name for this cluster's key to a key of theirs: which key the cluster shall have is not cmek's to guess",
    evidence = "{alias} points to {key}; {why}",
    next = "give that key another name",
    commands = { "aws kms create-alias --region {region} --alias-name {alias}-theirs --target-key-id {key}",
      "aws kms delete-alias --region {region} --alias-name {alias}" } },

  { id = "kms.key-disabled", title = "the key is disabled",
    cause = "somebody switched the key off, maybe to take it from use: cmek does not switch it on behind their back",
    evidence = "KMS says KeyState Disabled of {key}",
    next = "enable it if it shall be used", commands = { "aws kms enable-key --region {region} --key-id {key}" } },

  { id = "kms.key-pending-deletion", title = "the key is to be deleted",
    cause = "somebody scheduled the key's deletion; when that is done, what it encrypts is lost",
    evidence = "KMS says KeyState {state} of {key}",
    next = "cancel the deletion and enable the key, if it shall be used",
    commands = { "aws kms cancel-key-deletion --region {region} --key-id {key}", "aws kms enable-key --region {region} --key-id {key}" } },

  { id = "kms.key-of-wrong-kind", title = "the key is of the wrong kind",
    cause = "CMEK takes a symmetric key for encrypting and decrypting; what a key is, it is for life",
    evidence = "KMS says {field} {value} of {key}",
    next = "take the alias from it, then run this again: it makes a key of the right kind",
    commands = { "aws kms delete-alias --region {region} --alias-name {alias}" } },

  { id = "kms.material-of-kms", title = "the key has material that KMS made",
    cause = "where a key's material is from is fixed for its life, and rotate makes the next key in the same way; as long as no cluster uses the "
      .. "key, it can be destroyed and made with material of Vault's",
    evidence = "KMS says Origin {origin} of {key}",
    next = "go on with the recipe that made it", commands = { "{again}" } },

  { id = "kms.material-elsewhere", title = "the key has other material of Vault's than is asked for",
    cause = "where a key's material is from is fixed for its life, and rotate makes the next key in the same way; as long as no cluster uses the "
      .. "key, it can be destroyed and made in another form or with another engine",
    evidence = "the tag {tag} of {key} says {source}",
    next = "go on as it was made", commands = { "{as_it_was}" } },

  { id = "kms.material-gone", title = "the key's material is gone, and Vault has it",
    cause = "the material was deleted from KMS, or has expired; until it is imported again nobody can read what it encrypts",
    evidence = "KMS says KeyState PendingImport of {key}; its tag {tag} says {source}",
    next = "import the same material again", commands = { "{import}" } },

  { id = "kms.material-lost", title = "the key's material is gone, and nothing gives it back by itself",
    cause = "the material was deleted from KMS, or has expired; what it encrypts can be read again only with the same material",
    evidence = "KMS says KeyState PendingImport of {key}; where its material is from is {source}",
    next = "import the same material again, if anybody kept it (aws kms get-parameters-for-import); other material does not fit this key" },

  { id = "kms.material-expires", title = "the key's material expires",
    cause = "from its end on nobody can read what it encrypts, and CockroachDB cannot start: CMEK needs material that does not expire",
    evidence = "KMS says ExpirationModel KEY_MATERIAL_EXPIRES of {key}; where its material is from is {source}",
    next = "import the same material again before it ends, with KEY_MATERIAL_DOES_NOT_EXPIRE; whose material is Vault's: cmek run vault-transit" },

  { id = "kms.policy-unreadable", title = "the key's policy may not be read",
    cause = "a policy that cannot be read cannot be kept when another one is put",
    evidence = "kms:GetKeyPolicy on {key} is denied",
    next = "allow kms:GetKeyPolicy on it, or use other credentials (--profile)", commands = { "cmek whoami" } },

  { id = "kms.orphan-principal", title = "the key's policy names a role or user that was deleted",
    cause = "KMS takes no policy that names nobody; a role that is made again under its old name is another one",
    evidence = "{statement} of the policy of {key} names {id}",
    next = "put the policy without that statement", commands = { "{put}" } },

  { id = "kms.principal-unknown", title = "KMS does not know a principal of the key's policy",
    fits = { service = "kms", codes = "MalformedPolicyDocumentException", message = "principal" },
    facts = function(refusal) return { seen = ("KMS says '%s'"):format(refusal.message) } end,
    cause = "a new role is not known to KMS for some seconds, at times minutes; a role that is not there, or was made again, never is",
    evidence = "{seen}",
    next = "run this again; if it stays so, check the ARNs given with --admin and --role" },

  { id = "kms.lockout", title = "the key's policy would lock out who puts it",
    fits = { service = "kms", codes = "MalformedPolicyDocumentException", message = "will not allow you to update" },
    cause = "KMS takes no policy under which the caller could not put another one; the vendor page's statement alone is such a policy",
    evidence = "KMS answers this to {source}",
    next = "name who administers the keys with --admin ARN, or allow kms:PutKeyPolicy to these credentials in IAM", commands = { "cmek whoami" } },

  { id = "kms.policy-size", title = "the key's policy is too long",
    fits = { service = "kms", codes = "LimitExceededException", operations = "PutKeyPolicy" },
    cause = "a key's policy may have 32,768 bytes; statements of others are kept, and count",
    evidence = "KMS answers {code} to {operation}",
    next = "remove statements of the key's policy that nobody needs",
    commands = { "aws kms get-key-policy --region {region} --key-id {KeyId} --policy-name default --output text" } },

  { id = "iam.role-exists", title = "a role of that name came up meanwhile",
    fits = { service = "iam", codes = "EntityAlreadyExists" },
    cause = "somebody made a role of this name between the plan and the run; names of roles are unique in an account, whatever their path",
    evidence = "IAM answers {code} to CreateRole",
    next = "look whose it is, then run this again", commands = { "aws iam get-role --role-name {RoleName}" } },

  { id = "kms.alias-exists", title = "the alias was taken meanwhile",
    fits = { service = "kms", codes = "AlreadyExistsException" },
    cause = "somebody gave the alias to another key between the plan and the run",
    evidence = "KMS answers {code} to {operation} {AliasName}",
    next = "run this again: the plan shows whose the key is", commands = { "aws kms describe-key --region {region} --key-id {AliasName}" } },

  { id = "kms.state", title = "the key is in a state that this cannot be done in",
    fits = { service = "kms", codes = "KMSInvalidStateException DisabledException" },
    cause = "a key that is disabled, to be deleted, or still being made takes no such change",
    evidence = "KMS says '{message}'",
    next = "look at the key's state", commands = { "aws kms describe-key --region {region} --key-id {KeyId}" } },

  { id = "kms.not-found", title = "KMS does not know the key",
    fits = { service = "kms", codes = "NotFoundException" },
    cause = "the key was deleted, is of another account or region, or was made moments ago",
    evidence = "KMS says '{message}'",
    next = "look whether account and region are the right ones", commands = { "cmek whoami" } },

  { id = "iam.not-found", title = "IAM does not know the thing",
    fits = { service = "iam", codes = "NoSuchEntity" },
    cause = "the role, user, group or policy was deleted, is of another account, has another name, or was made moments ago",
    evidence = "IAM says '{message}'",
    next = "look whether the account is the right one", commands = { "cmek whoami" } },
}

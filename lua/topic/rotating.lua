return [[
Rotating
  cmek run rotate --cluster X gives a cluster with CMEK the next key in every region: what the Cloud says is in use has generation N by
  its alias (…-gN), and the new key becomes generation N+1. Policy, tags, KMS's rotation and the kind of the key move forward; the role
  stays. What is written from then on needs the new key, what was written before, and backups from then, the old one: old keys stay
  enabled, and no date is known after which one is not needed. There is no way back but another rotation, so the cluster's name is asked.

  --only REGION   some regions alone (repeatable); they may be at different generations
  --to N          names the generation: where it is in use nothing is done, and regions that are behind come along. Without it the next
                  one is meant; within a day after a rotation it has to be named, so that a run that is repeated makes no second key
  --rewrap        no new keys: the Cloud wraps its store key anew with what KMS has now. It does not follow KMS's own rotation by
                  itself. --on-demand has KMS rotate first, which it does 25 times in a key's life
  --reach WAY     a profile, the ARN of a role to assume, or the layout's file: leads to another account that keys in use are of, in which
                  the next ones are made (repeatable). A role of another account than its key is let to the new key as well, and
                  keeps the old one
  --key ARN       of an account that nothing leads to: the next key, made by those whose it is; what they type is printed

  A rotation that was begun and not finished comes first, and is said. cmek resume goes on to the generation that the run set out for.
  Once the Cloud has the keys, resuming takes the Cloud's API key alone, on any machine that has the journal.

  Where the material comes from Vault, Vault makes the next: of a transit key the version N+1, which is imported; without a copy a new
  data key; of a key of the key management engine the version N+1, whose KMS key Vault makes and cmek takes over. Policy of the token,
  beside what the recipe wants that made the keys (cmek prints the lines that are missing):
    transit  transit/keys/NAME/rotate create, update; transit/export/encryption-key/NAME/N read
    keymgmt  keymgmt/key/NAME/rotate create, update

  One operator at a time: with keys from Vault a run writes itself down in secret/data/cmek/rotation-of-… of a KV engine of version 2,
  by check-and-set, and gives that back when it is done; create, read, update on that path. --lock vault:MOUNT/data/PATH names another
  place, for keys of KMS as well. Where there is none it is said: two rotations at once end with one key a region and generation all
  the same. Who finds it held is told by which run; cmek resume RUN finishes that one, --take-over RUN goes on in its place.
]]

return [[
Keys that Vault makes in KMS
  cmek run vault --cluster X is for Vault Enterprise (Advanced Data Protection) and HCP, whose key management engine (keymgmt) makes keys in
  AWS KMS by itself. Any other Vault, and OpenBao, can do cmek run vault-transit (cmek help material).

  The engine is mounted where there is none. In each region then, all named crdb-cmek-NAME-ID-REGION: a KMS provider, a key (aes256-gcm96),
  and its distribution (purpose encrypt,decrypt; protection hsm), for which Vault makes a KMS key of origin EXTERNAL, fills it and gives it
  an alias of its own, alias/hashicorp/…. That key is tagged, gets the cluster's alias, whose number is the version of Vault's key, and the
  crdb-cmek-kms policy. The material is in Vault and in KMS, never in cmek. A request to distribute is sent once; where its answer is
  lost, what has come of it is looked up. A distribution that failed may leave KMS keys without material: they are shown, not deleted.

  AWS credentials of Vault, --provider-credentials. They go to Vault as secrets, in the body of one request, and nowhere else:
    server               the identity of Vault's own server, of which Vault is told nothing (the default, and the best where it can be had)
    profile:NAME         the keys that stand in a profile of ~/.aws/credentials or ~/.aws/config
    environment          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, which may be references into Vault
    file:PATH            a file of mode 0600, INI or JSON: access_key and secret_key, or the names that AWS has for them
    vault:kv/data/PATH   an entry of KV version 2 with such fields; #ID,KEY behind it names others
  Vault never shows them again, so whether they are right is unknown, in plan and verify. --update-credentials sends them again. They need
  kms: CreateKey, GetParametersForImport, ImportKeyMaterial, EnableKey, DisableKey, ScheduleKeyDeletion, CreateAlias, UpdateAlias,
  DeleteAlias, ListAliases, TagResource and DescribeKey, in the account of cmek's own.

  Where the account administers the keys, its IAM policies decide what Vault may do with them. With --admin those alone administer, and a
  statement of its own keeps Vault's rights: for --vault-principal ARN, or for whose the credentials are, where cmek was given them.

  A key that somebody rotated in Vault stays as it is: the version that the cluster uses is handed over, and the newer one is told. cmek run
  rotate --cluster X goes on to it. Vault's min_enabled_version must not pass the version in use: Vault disables the older KMS keys.

  Policy of the token, in each region (cmek prints the lines that are missing), for a mount called keymgmt:
    sys/mounts/keymgmt                                    create, update (where it is to be mounted)
    keymgmt/kms/crdb-cmek-NAME-ID-REGION                  create, read, update
    keymgmt/key/crdb-cmek-NAME-ID-REGION                  create, read, update
    keymgmt/key/crdb-cmek-NAME-ID-REGION/kms              list
    keymgmt/kms/crdb-cmek-NAME-ID-REGION/key/crdb-cmek-…  create, read, update
]]

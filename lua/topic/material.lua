return [[
Material from Vault
  cmek run vault-transit --cluster X imports key material that Vault's transit engine has made into a KMS key of each region (origin
  EXTERNAL). It needs no Vault Enterprise; OpenBao will do. The material never expires: keys whose material does are refused for CMEK.

  --form exportable, the default. Vault keeps the material as an exportable transit key crdb-cmek-NAME-ID-REGION, one a region; its
    version N is the material of generation N. If it is ever deleted from KMS, run imports the same again. In clear it is in Vault's
    memory, in KMS, and for some milliseconds in cmek's: as Vault's answer (base64, inside TLS on the way) and as 32 bytes that are
    wrapped with KMS's public key by RSAES_OAEP_SHA_256. Both are in memory that is not swapped out and is wiped as soon as the wrapped
    form is there; what libraries have held of the answer is wiped when they free it, at the latest when cmek ends. No file, journal,
    log or command line sees it. exportable cannot be taken back in Vault: who may read transit/export/encryption-key/… has the key.
    Backups of Vault hold it too.
  --form wrapped. Vault makes the material under KMS's public key (a data key of which it gives out nothing else), so it is in clear
    in Vault and in KMS alone, and cmek never has it. Nobody keeps a copy: if somebody calls kms:DeleteImportedKeyMaterial, which acts at
    once and has no waiting time, everything that the key encrypts is lost. The public key is in Vault as tmp-… for as long as that takes.

  KMS gives its public key and import token for one key and for a day: RSA_4096, or RSA_2048 where a KMS refuses that. The key's alias
  is claimed when its material is there, so who has the alias can be used. The tag cmek:material says where it is from. KMS rotates no
  imported material. With --layout replica each replica is given its primary's material by an import of its own (exportable alone).

  The transit engine is mounted where there is none, a step of the plan. Policy of the token, in each region (cmek prints the lines that
  are missing), for a mount called transit:
    exportable  transit/keys/crdb-cmek-NAME-ID-REGION                       create, read, update
                transit/export/encryption-key/crdb-cmek-NAME-ID-REGION/1    read
    wrapped     transit/keys/tmp-ID-*                                       create, delete, update
                transit/datakey/wrapped/tmp-ID-*                            create, update

  destroy schedules the KMS keys for deletion and leaves the transit keys until KMS has deleted them: cmek help deleting.
]]

return [[
Checks of verify
  Each has an ID that stays. Its result is ok, finding or unknown (it could not be made); a check that rests on another
  one which is not ok is left out, so that a fault is told once. Those with a region are made in every region.
  cloud.organization         the organization can be read (listed when it cannot)
  cluster.exists             the cluster can be read (listed when it cannot)
  cluster.plan               its plan is ADVANCED
  cluster.cloud              it runs on AWS
  cluster.network            its network is private
  cluster.state              it is there and not being made
  cluster.account            the Cloud names the AWS account that uses the keys
  aws.account                the AWS credentials are not of that account
  vault.open                 Vault can be asked, and is not sealed
  role.exists                the role is there
  role.owner                 its tag cmek:cluster names this cluster
  role.tags                  its tag cmek:run is there, and those that are asked for
  role.trust                 its trust policy has the statement for CockroachDB, which allows
  role.trust.principal       that statement trusts the cluster's AWS account
  role.trust.action          it allows sts:AssumeRole
  role.trust.external_id     it wants the organization's ID as external ID
  role.trust.foreign         no other statement lets another account or service assume the role
  role.path                  its path is the one that is asked for, if one is
  role.permissions           no policies are attached to the role: it needs none
  role.session               its sessions last an hour
  role.boundary              its permissions boundary is the one that is asked for, and lets the role use the keys
  role.organization          the organization's service control policies, where IAM tells, do so too
  role.access                all in all, CockroachDB may assume the role
  role_use.exists            a role that uses keys of another account has a policy of its own that allows it
  role_use.policy            and that is as wanted: the five actions, on these keys
  vault_mount.exists         the engine that is asked for is mounted
  vault_mount.type           it is of the type that is asked for
  transit_key.exists         the material is there in Vault: a transit key of the region's name
  transit_key.type           it is an aes256-gcm96 key, neither derived nor convergent
  transit_key.version        the version that KMS has is still there
  transit_key.exportable     it can be exported, so that its material can be imported again
  transit_key.kept           Vault does not allow its deletion
  vault_provider.exists      Vault has a way to KMS in the region: a provider of the region's name
  vault_provider.kind        it leads to AWS KMS
  vault_provider.region      in this region
  vault_provider.credentials its credentials (always unknown: Vault shows none)
  vault_key.exists           the key of the region's name is there in Vault
  vault_key.type             it is an aes256-gcm96 key, the one type that KMS takes
  vault_key.kept             Vault does not allow its deletion
  vault_distribution.exists  Vault has the region's key in KMS, by the provider of the region
  vault_distribution.purpose for encrypting and decrypting
  vault_distribution.protection protected by hsm, as all that KMS keeps
  vault_distribution.enabled Vault does not keep the version that is in use disabled
  vault_distribution.version the version that is in use is Vault's newest: no rotation was left half done
  key.exists                 the alias is there and points to a key
  key.owner                  its tag cmek:cluster names this cluster
  key.state                  it is Enabled: neither disabled nor to be deleted
  key.spec                   it is a symmetric key of the customer's, for encrypting and decrypting
  key.origin                 its material was made by KMS, or comes from Vault where that is asked for
  key.material               material that was imported is there, and does not expire
  key.tags                   its tags cmek:region and cmek:run are there and right, and so are those that are asked for
  key.policy                 its policy can be read, and is cmek's by Version and Id
  key.policy.use             the statement that lets the role use it is as wanted, field by field
  key.policy.administration  so is the statement of those who administer it
  key.policy.foreign         no other statement lets others use or administer it, or its role do more
  key.revoked                no revocation of cmek's keeps the role from it
  key.control                those who administer it may still change its policy: nothing denies it
  key.rotation               KMS rotates it
  key.rotation.period        in the wanted number of days
  key.grants                 no grant lets another account use it
  key.replica                where it is to be a replica: it is one of the cluster's multi-Region key
  key.access                 all in all, the role may use it
  cluster_cmek.exists        CMEK is enabled for the cluster
  cluster_cmek.regions       every region of the cluster is named once, and no other
  cluster_cmek.key           the region uses this key
  cluster_cmek.role          with this role
  cluster_cmek.enabled       region and key are ENABLED
  cmek_rotation.in_use       the region uses a key of cmek's, which can be used
  cmek_rotation.finished     no rotation was begun and left unfinished
  cmek_rotation.generation   the region uses the key of the generation that is named
  cmek_rotation.enabled      region and key are ENABLED
  cluster_regions.exists     the cluster has the region
  cluster_regions.nodes      with so many nodes
  Statements of others in policies are kept and shown; those that let other accounts or services in are findings.
  A kind that a recipe describes itself has KIND.exists and KIND.as_wanted; a write that it calls itself is unknown (call).
]]

return [[
Layouts
  Every region of a cluster needs a key and a role. --layout says which:

  own           a key of its own in each region: what is done without --layout. A region that loses its key stops alone
  shared        one key for all regions. It is allowed, slower for the other regions, which ask KMS from afar, and riskier: with that
                key, or with KMS in its region, no node of any region can start
  replica       one multi-Region key with a replica in each other region: the same material everywhere, asked of KMS nearby. Each
                replica has a policy, an alias and tags of its own, which are kept equal, and can be disabled or deleted alone
  FILE          any mapping of regions to keys and roles: a text with a / or ending in .lua, Lua data that is read and never run

  shared and replica have their key, or its primary, in the cluster's first region by name; shared:REGION and replica:REGION name
  another. Stay with the one that the cluster was set up with: another key is a rotation.

  In a file each region has a table. It is checked before anything is made: every region of the cluster once, and no other.

    return {
      ["eu-west-1"] = { },                               a key of its own, made here
      ["us-east-1"] = { replica_of = "eu-west-1" },      a replica of that key, which is then made multi-Region
      ["us-west-2"] = { key = "us-east-1" },             the key of another region, from afar
      ["eu-west-2"] = { key = "arn:aws:kms:…" },         a key that is there, also in another AWS region than the cluster's
      ["ap-south-1"] = { role = "arn:aws:iam::…" },      a role of its own: a name to have one made, or the ARN of one that is there
    }

  cmek recipes show layouts/residency, layouts/existing and layouts/accounts are examples; cmek run multi-region has its mapping in
  itself, to be ejected and edited. plan draws the layout and says what stops when a key or a region is lost.

  Keys and roles of other AWS accounts: an ARN says the account, and profile = "NAME" or role_arn = "arn:aws:iam::…" of the entry says
  how to get there; without key the region's key is made in that account. A role and a key of different accounts need both sides, the
  key's policy and a policy of the role's own (crdb-cmek-kms), and both are put. What is of an account that nothing reaches is not
  looked at: the statement or the command that its owners need is printed, and verify says that it is unknown. Keys are added to the
  role's policy and none is taken out, since data and backups need the earlier ones. rotate, add-region, adopt, revoke, restore and
  status get there by --reach, which takes the layout's file too; destroy takes things back in every account by --layout.

  A region's key is found by its alias there, so a cluster has one key in an AWS region; a region that shares it names the other.
  The multi-Region primary's alias is claimed before the first replica is made. KMS rotates the primary, and its replicas with it;
  imported material (cmek help material) is imported into each.
]]

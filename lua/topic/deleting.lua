return [[
Deleting
  cmek destroy RECIPE … takes back what the recipe makes: it shows what would go, wants the cluster's name typed (or --confirm
  NAME; --yes does not cover it), and goes in reverse order. cmek orphans shows what cmek made and no cluster uses; with --clean
  it asks about each by its ID.

  Nothing goes that a cluster names for its CMEK, in any status, also a deleted cluster that the Cloud still lists; and nothing at
  all when one cluster cannot be asked. The Cloud is asked again right before, and once more afterwards: a key that a cluster began
  to use meanwhile is taken back.

  A key    is tagged cmek:state=retired and scheduled for deletion with the longest window, 30 days; then it loses its alias, so that
           cmek run can make a new chain. Until the date the command that is printed takes it back; cmek run does the rest.
  A role   is deleted when no key of the cluster is left, at once. What others attached to it, or another statement of its trust
           policy, keeps it. A role made again under its name is another one to the policies that named it: cmek run puts them right.
  In Vault, transit: what imports have left (tmp-ID-…) is taken away. A transit key stays as long as any KMS key of the cluster's regions
           has its material by the tag cmek:material, also one that waits for its end: if its deletion is cancelled, the material can be
           imported again. cmek destroy after that day deletes it, for good.
  In Vault, keymgmt: the distribution, the key, the provider of each region. Vault schedules the KMS keys of all versions when a
           distribution goes, so the Cloud is asked about each of them, and cmek has scheduled them itself before, with 30 days. A Vault
           that refuses such keys (that is documented nowhere) gets them back for a moment, so that it schedules them. A key that is
           taken back later is one of KMS alone.
  An engine goes last, when cmek has mounted it for this cluster, as its description says, and nothing is left in it. What the token
           lacks is printed as lines for its policy before anything goes. A Vault that cannot be asked keeps nobody from taking back
           what is in AWS: what it has stays, and destroying again takes it away.
  A kind that a recipe describes itself goes by its delete; without one it stays. What was there before and
  was taken over, by its ARN or by cmek run adopt, stays with its alias and tags, and is no orphan.

  A destroying that died half-way is finished by cmek resume, or by destroying again.
]]

return [[
Adding regions
  cmek run add-region --cluster X --add ap-southeast-2=3 [--add …] adds regions to a cluster that has CMEK: a key in each of them first,
  for the role that the cluster uses, then one request to the Cloud, then two waits: until the cluster has grown (about half an hour a
  region), and until each new region uses its key.

  Checked before anything is made: the Cloud offers the region on AWS, no region stands twice, at least 3 nodes in each, one region or
  at least three in all, CMEK is enabled and not revoked. The new keys are of the form that the others have: made by KMS, multi-Region,
  replicas of the same primary, one that all regions share, with material of Vault's transit, or made by Vault's key management
  (--provider-credentials as of the recipe vault). Where the others differ, name a key of the region by --key ARN. Where the cluster uses
  several roles, --role says which the new regions get. Keys that are all of another account get company there (--reach, as rotate has it).

  The request holds all regions with their nodes, as the Cloud shows them a moment before, and the keys of the new ones alone. A region
  that somebody else has added meanwhile stays; where one was taken out, or the same one was added with another key, nothing is sent.
  A locked cluster is waited for. A request whose answer was lost is looked up and not sent again: cmek resume asks once more where the
  Cloud shows nothing of it.

  The nodes are paid for from the moment that they run, so the plan marks the step ! and the cluster's name is typed (--confirm NAME).
  No region is taken out by cmek, also not by destroy.
]]

-- Two regions of one jurisdiction have the same key material, a replica beside the nodes of each; the third has a key that never leaves it.
-- cmek plan console --cluster NAME --layout ./residency.lua
return {
  ["us-east-1"] = {},                               -- the primary of a multi-Region key
  ["us-west-2"] = { replica_of = "us-east-1" },     -- its replica: the same material, a policy and an alias of its own
  ["eu-west-1"] = {},                               -- a key of its own, which can be disabled without the others
}

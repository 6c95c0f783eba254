-- Keys and roles that are there, by their ARNs, beside what cmek makes. They must say whose they are (cmek run adopt, or the tag that is
-- printed); what of them differs from what CMEK needs is shown, and put right by run. The ARNs are made up.
return {
  ["us-east-1"] = { key = "arn:aws:kms:us-east-1:210987654321:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e" },
  ["us-west-2"] = { key = "us-east-1" },                                   -- the same key, from afar: slower, and lost with it
  ["eu-west-1"] = { role = "arn:aws:iam::210987654321:role/crdb-eu" },     -- a key that is made, used with a role that is there
}

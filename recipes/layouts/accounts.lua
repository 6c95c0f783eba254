-- Keys in the account of a security team, used with a role of the account that runs cmek: an entry says how its account is reached. Both
-- sides are put: the keys' policies, and a policy of the role's own. Profile, role and account are made up.
return {
  ["us-east-1"] = { profile = "security" },                                                      -- made there, by that profile
  ["us-west-2"] = { role_arn = "arn:aws:iam::345678901234:role/key-administration" },            -- made there, by a role that is assumed
  ["eu-west-1"] = { key = "arn:aws:kms:eu-west-1:345678901234:key/5b1f7c2e-0d34-4c1e-8f5a-9e7a6b5c4d3e" },   -- theirs: what they do is printed
}

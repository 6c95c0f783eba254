return [[
Guard rails
  --account ID                 the AWS account that the credentials must be of
  console --tag KEY=VALUE      on the role and the keys, repeatable; one that is missing or different is drift. Tags that are
                               not named stay as they are; cmek: and aws: are not for you
  console --role-path PATH     of a new role, such as /security/; a role keeps its path
  console --permissions-boundary ARN   on the role; it must exist and leave the role what the keys' policies give it
  console --admin ARN          who administers the keys, repeatable: roles, users, an account's root; you must be among them
  console --multi-region-key   keys that AWS can replicate; a key keeps its kind

  Before a policy is put, it is judged as it would stand, with the statements of others that are kept in it: you can still
  change it; nobody is let in by a wildcard; the role that CockroachDB assumes gets kms:Encrypt, kms:Decrypt,
  kms:GenerateDataKey*, kms:DescribeKey, kms:ReEncrypt* and no more; it fits the service's quota. A permissions boundary or an
  organization's policy that takes these from the role is named, as far as IAM tells. Recipes of your own are held to the same.
]]

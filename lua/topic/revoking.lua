return [[
Revoking, and the way back
  Break-glass: cmek run revoke --cluster orders takes its keys from a cluster, at once and everywhere. It is a full outage on purpose:
  the cluster restarts and cannot start. Nothing is deleted, neither role nor key nor data.

    cmek run revoke --cluster orders --drill       now and then: could it be done? It changes nothing; exit 0: all is ready, 1: it would
                                                   be refused, 6: something could not be checked
    cmek plan revoke --cluster orders
    cmek run revoke --cluster orders               wants the cluster's name typed, or --yes --confirm orders
    cmek run restore --cluster orders              the way back, as far as it is yours; then the printed text to support

  First the role is kept from every key that the Cloud names for the cluster, current and past, in any status and region, and from each
  replica of a multi-Region key: beside the other statements of its policy, which stay as they are, stands

    {"Sid":"Deny use of the key while CMEK is revoked","Effect":"Deny","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt",
     "kms:GenerateDataKey*","kms:ReEncrypt*","kms:CreateGrant"],"Resource":"*",
     "Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::…:role/crdb-cmek-orders-…"}}}

  which holds against other statements and grants. When KMS shows it in all of them the Cloud is told (PATCH {"action":"REVOKE"}) and
  waited for. A run that dies between is finished by cmek resume, or by the same command. No other run takes the statement away: console,
  verify and status say that the cluster is revoked.

  restore takes exactly this statement out of every policy, and says what else keeps the cluster from a key. The Cloud keeps CMEK REVOKED:
  no call of its API ends that. Its support does, on a ticket with the cluster's ID and the organization's, which restore prints.

  Keys of other accounts: --reach with a profile, the ARN of a role to assume, or the layout's file leads there. Where nothing leads,
  --elsewhere ARN says that the statement is put, or taken away, by those whose key it is; its text is printed.

  Refused, before anything is changed: another cluster names the role or one of the keys, or a cluster cannot be asked; a key is of
  another account and neither reached nor said to be changed elsewhere; a policy may not be read or would not be taken (32,768 bytes; a
  deleted role in it; you could not change it again); CMEK was never enabled. A key that waits for its deletion gets the statement too;
  the command that saves it is printed.
]]

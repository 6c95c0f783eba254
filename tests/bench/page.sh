#!/bin/bash
# The vendor page's Step 1 and Option A, then "Enabling CMEK", as people paste them: bash, curl, jq and the AWS CLI, one after the
# other. Does less than `cmek run console --enable`: it asks nothing beforehand, keeps no journal, sets no rotation, reads nothing back.
set -euo pipefail
api() { curl -s -f -K - "$@" "$COCKROACH_SERVER/api/v1/$path" <<< "header = \"Authorization: Bearer $COCKROACH_API_KEY\""; }

organization=$(path=organization api | jq -r .id)
cluster=$(path=clusters api | jq '.clusters[] | select(.name == "orders")')
id=$(jq -r .id <<< "$cluster")
aws=$(jq -r .account_id <<< "$cluster")

role=$(aws iam create-role --role-name crdb-cmek-page --query Role.Arn --output text --assume-role-policy-document "{\"Version\":\"2012-10-17\",
  \"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::$aws:root\"},\"Action\":\"sts:AssumeRole\",
  \"Condition\":{\"StringEquals\":{\"sts:ExternalId\":\"$organization\"}}}]}")
root=${role%:role/*}:root
policy="{\"Version\":\"2012-10-17\",\"Id\":\"crdb-cmek-kms\",\"Statement\":[
  {\"Sid\":\"Allow use of the key for CMEK\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"$role\"},\"Resource\":\"*\",
   \"Action\":[\"kms:Encrypt\",\"kms:Decrypt\",\"kms:GenerateDataKey*\",\"kms:DescribeKey\",\"kms:ReEncrypt*\"]},
  {\"Sid\":\"Allow administration\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"$root\"},\"Resource\":\"*\",\"Action\":\"kms:*\"}]}"

specs=[]
for region in $(jq -r '.regions[].name' <<< "$cluster"); do
  key=$(aws kms create-key --region "$region" --policy "$policy" --query KeyMetadata.Arn --output text)
  aws kms create-alias --region "$region" --alias-name alias/crdb-cmek-page --target-key-id "$key"
  specs=$(jq -c --arg region "$region" --arg uri "$key" --arg role "$role" \
    '. + [{region: $region, key_spec: {type: "AWS_KMS", uri: $uri, auth_principal: $role}}]' <<< "$specs")
done
path=clusters/$id/cmek api -H 'Content-Type: application/json' -d "{\"region_specs\":$specs}" > /dev/null
until [ "$(path=clusters/$id/cmek api | jq -r .status)" = ENABLED ]; do sleep 0.25; done

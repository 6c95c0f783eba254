"""local-kms as KMS (AWS_ENDPOINT_URL_KMS), moto for the rest, a cluster of one region: key, policy, alias, rotation, and the first
thing that local-kms refuses.
usage: local_kms.py CMEK; the last line is the tally.
"""
import json, os, sys, tempfile
import peer
from peer import check, equal

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret-for-moto", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
ACCOUNT = "123456789012"

if not peer.inside():
    binary = os.path.join(os.path.dirname(peer.PEERS), "bin", "local-kms")
    with peer.Server([os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]) as moto, \
            tempfile.TemporaryDirectory() as data, \
            peer.Server([binary], PORT="PORT", KMS_ACCOUNT_ID=ACCOUNT, KMS_REGION="us-east-1", KMS_DATA_PATH=data) as local:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=moto.url, AWS_ENDPOINT_URL_KMS=local.url, **KEYS)

import boto3

CMEK = sys.argv[1]
kms = boto3.client("kms", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL_KMS"])
cluster = peer.find_cluster("orders-one")
name = f"crdb-cmek-orders-one-{cluster['id'][-12:]}"
FIVE = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*"]

status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders-one", "--yes", "--json")
check("run is done", status == 0, (status, out[-600:], err[-600:]))
arn = json.loads(out)["handover"]["region_specs"][0]["key_spec"]["uri"]
keys = kms.list_keys()["Keys"]
equal("one key", [k["KeyArn"] for k in keys], [arn])
key = kms.describe_key(KeyId=arn)["KeyMetadata"]
equal("a symmetric key in use", (key["KeyState"], key["KeySpec"], key["KeyUsage"]), ("Enabled", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"))
equal("the alias", [(a["AliasName"], a["TargetKeyId"]) for a in kms.list_aliases()["Aliases"]], [(f"alias/{name}-g1", key["KeyId"])])
policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
use = next(s for s in policy["Statement"] if s["Sid"] == "Allow use of the key for CMEK")
equal("the policy", (policy["Id"], use["Action"], use["Principal"]["AWS"]), ("crdb-cmek-kms", FIVE, f"arn:aws:iam::{ACCOUNT}:role/{name}"))
equal("rotation", kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"], True)
tags = {t["TagKey"]: t["TagValue"] for t in kms.list_resource_tags(KeyId=arn)["Tags"]}
equal("the tags", (tags["cmek:cluster"], tags["cmek:region"]), (cluster["id"], "us-east-1"))

status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders-one", "--yes", "--json")
equal("the second run finds nothing to do", (status, {s["action"] for s in json.loads(out)["steps"]}), (0, {"none"}))

# The first thing of cmek's that local-kms refuses: it knows no list of rotations.
with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
    script.write('kms.list_key_rotations { region = "us-east-1", KeyId = arg[1] }\n')
    script.flush()
    status, out, err = peer.run(CMEK, "exec", script.name, arn)
check("what it does not know is told with the service, the operation and its words",
      status == 1 and "kms ListKeyRotations us-east-1" in err, (status, out, err))
peer.done()

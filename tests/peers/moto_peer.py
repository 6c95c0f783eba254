"""moto as AWS and the simulated Cloud (`cmek sim --only cloud --mixed`): plan, run, run again, a change by hand, plan, repair.
boto3 reads back what was made, field by field. moto checks no signature and no policy; what it answers is what counts.
usage: moto_peer.py CMEK; the last line is the tally.
"""
import json, os, sys
import peer
from peer import check, equal

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret-for-moto", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
FIVE = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*"]

if not peer.inside():
    with peer.Server([os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]) as moto:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=moto.url, **KEYS)

import boto3

CMEK = sys.argv[1]
ACCOUNT = "123456789012"
iam = boto3.client("iam", region_name="us-east-1")


def kms(region):
    return boto3.client("kms", region_name=region)


def cmek(*argv):
    status, out, err = peer.run(CMEK, *argv)
    return status, out, err


def steps(out):
    return {(s["kind"], s["region"]): s for s in json.loads(out)["steps"]}


cluster = peer.find_cluster("orders")
organization = peer.cloud("GET", "/organization")[1]
name = f"crdb-cmek-orders-{cluster['id'][-12:]}"
regions = sorted(r["name"] for r in cluster["regions"])

status, out, err = cmek("plan", "console", "--cluster", "orders", "--json", "--exit-code")
equal("plan wants to create a role and three keys", (status, json.loads(out)["summary"]["create"]), (3, 4))
check("moto's HTML page is told in words, not as HTML", "500" in err and "<" not in err, err)

status, out, err = cmek("run", "console", "--cluster", "orders", "--enable", "--yes", "--confirm", "orders", "--json")
check("run is done", status == 0, (status, out[-600:], err[-600:]))
document = json.loads(out)
specs = {s["region"]: s["key_spec"] for s in document["handover"]["region_specs"]}
equal("a key for each region", sorted(specs), regions)
equal("the Cloud uses them", peer.cloud("GET", f"/clusters/{cluster['id']}/cmek")[1]["status"], "ENABLED")

role = iam.get_role(RoleName=name)["Role"]
equal("the role's ARN", role["Arn"], f"arn:aws:iam::{ACCOUNT}:role/{name}")
trust = role["AssumeRolePolicyDocument"]["Statement"][0]
equal("the role trusts the cluster's account", trust["Principal"], {"AWS": f"arn:aws:iam::{cluster['account_id']}:root"})
equal("with the organization as external ID", trust["Condition"], {"StringEquals": {"sts:ExternalId": organization["id"]}})
equal("for AssumeRole alone", trust["Action"], "sts:AssumeRole")
equal("the role bears the cluster's tag", {t["Key"]: t["Value"] for t in role["Tags"]}["cmek:cluster"], cluster["id"])
equal("the role has no permissions", (iam.list_role_policies(RoleName=name)["PolicyNames"],
                                      iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]), ([], []))

for region in regions:
    client, arn = kms(region), specs[region]["uri"]
    key = client.describe_key(KeyId=arn)["KeyMetadata"]
    equal(f"{region}: a symmetric key in use", (key["KeyState"], key["KeySpec"], key["KeyUsage"], key["Origin"]),
          ("Enabled", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS"))
    policy = json.loads(client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
    equal(f"{region}: the policy's name", policy["Id"], "crdb-cmek-kms")
    use = next(s for s in policy["Statement"] if s["Sid"] == "Allow use of the key for CMEK")
    equal(f"{region}: the five actions for the role", (use["Effect"], use["Principal"]["AWS"], use["Action"], use["Resource"]),
          ("Allow", role["Arn"], FIVE, "*"))
    check(f"{region}: the account administers", any(f"{ACCOUNT}:root" in json.dumps(s["Principal"]) for s in policy["Statement"]), policy)
    tags = {t["TagKey"]: t["TagValue"] for t in client.list_resource_tags(KeyId=arn)["Tags"]}
    equal(f"{region}: the tags", (tags["cmek:cluster"], tags["cmek:region"], "cmek:attempt" in tags), (cluster["id"], region, True))
    equal(f"{region}: rotation", client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"], True)
    aliases = [a["AliasName"] for a in client.list_aliases(KeyId=arn)["Aliases"]]
    equal(f"{region}: the alias", aliases, [f"alias/{name}-g1"])
    equal(f"{region}: one key and no more", len(client.list_keys()["Keys"]), 1)

status, out, err = cmek("run", "console", "--cluster", "orders", "--yes", "--json")
equal("the second run finds nothing to do", (status, {s["action"] for s in json.loads(out)["steps"]}), (0, {"none"}))

# By hand: an action less in one policy, and a statement of a colleague's; the trust of the role opened.
region = regions[0]
arn = specs[region]["uri"]
policy = json.loads(kms(region).get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
next(s for s in policy["Statement"] if s["Sid"] == "Allow use of the key for CMEK")["Action"] = ["kms:Encrypt"]
policy["Statement"].append({"Sid": "Colleague", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                            "Action": "kms:DescribeKey", "Resource": "*"})
kms(region).put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))
kms(regions[1]).disable_key_rotation(KeyId=specs[regions[1]]["uri"])
iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}))

status, out, err = cmek("plan", "console", "--cluster", "orders", "--json", "--exit-code")
seen = steps(out)
equal("plan has changes", status, 3)
check("plan shows the changed policy by field",
      any("Allow use of the key for CMEK" in d["field"] for d in seen[("key", region)]["differences"]), seen[("key", region)])
check("plan shows the rotation", any("rotation" in d["field"] for d in seen[("key", regions[1])]["differences"]), seen[("key", regions[1])])
check("plan shows the trust", seen[("role", None)]["action"] == "change" and seen[("role", None)]["differences"], seen[("role", None)])
equal("the third key is as wanted", seen[("key", regions[2])]["action"], "none")

status, out, err = cmek("run", "console", "--cluster", "orders", "--yes", "--json")
equal("run repairs", status, 0)
policy = json.loads(kms(region).get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
sids = {s.get("Sid"): s for s in policy["Statement"]}
equal("the five actions are back", sids["Allow use of the key for CMEK"]["Action"], FIVE)
check("the colleague's statement is kept", "Colleague" in sids, sids)
equal("rotation is back", kms(regions[1]).get_key_rotation_status(KeyId=specs[regions[1]]["uri"])["KeyRotationEnabled"], True)
trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
check("the trust is closed again", [s["Principal"] for s in trust] == [{"AWS": f"arn:aws:iam::{cluster['account_id']}:root"}], trust)
status, out, err = cmek("plan", "console", "--cluster", "orders", "--json", "--exit-code")
equal("nothing is left to do", status, 0)
peer.done()

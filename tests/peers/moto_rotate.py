"""Rotation with moto as AWS and cmek sim as the Cloud alone: the next keys, a rotation in one region, the same keys anew with KMS's rotation on
demand. boto3 reads back what was made. usage: moto_rotate.py CMEK; the last line is the tally.
"""
import json, os, sys
import peer
from peer import check, equal

if not peer.inside():
    with peer.Server([os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]) as moto:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=moto.url, AWS_ACCESS_KEY_ID="AKIAMOTOMOTOMOTOMOTO", AWS_SECRET_ACCESS_KEY="moto",
                   AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")

import boto3

CMEK = sys.argv[1]
CLUSTER = "8b6d7a10-4c1e-4b7a-9a53-0f2c6e9d41b7"
NAME = "crdb-cmek-orders-0f2c6e9d41b7"
REGIONS = ["eu-west-1", "us-east-1", "us-west-2"]
kms = {region: boto3.client("kms", region_name=region) for region in REGIONS}


def cmek(*words):
    status, out, err = peer.run(CMEK, *words, "--json")
    try:
        return status, json.loads(out)
    except ValueError:
        check("cmek " + " ".join(words) + " prints one document", False, (status, out, err))
        return status, {}


def rotate(*words):
    return cmek("run", "rotate", "--cluster", "orders", "--yes", "--confirm", "orders", *words)


def uris(report):
    return {s["region"]: s["key_spec"]["uri"] for s in report["handover"]["region_specs"]}


def aliases(region):
    return {a["AliasName"].rpartition("-g")[2]: a["TargetKeyId"] for a in kms[region].list_aliases()["Aliases"] if NAME in a["AliasName"]}


def in_the_cloud(region):
    info = peer.cloud("GET", f"/clusters/{CLUSTER}/cmek")[1]
    return [(k["spec"]["uri"], k["status"]) for r in info["region_infos"] if r["region"] == region for k in r["key_infos"]]


status, report = cmek("run", "console", "--cluster", "orders", "--enable", "--yes", "--confirm", "orders", "--tag", "team=payments")
equal("enabled", (status, report["run"]["status"]), (0, "done"))
old = uris(report)
for region in REGIONS:
    policy = json.loads(kms[region].get_key_policy(KeyId=old[region], PolicyName="default")["Policy"])
    policy["Statement"].append({"Sid": "Audit", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:DescribeKey",
                                "Resource": "*"})
    kms[region].put_key_policy(KeyId=old[region], PolicyName="default", Policy=json.dumps(policy))

status, report = cmek("plan", "rotate", "--cluster", "orders", "--exit-code")
equal("a plan wants three keys and the Cloud's change", (status, report["summary"]["create"], report["summary"]["change"]), (3, 3, 1))
status, report = rotate()
equal("run does it", (status, report["run"]["status"]), (0, "done"))
new = uris(report)
for region in REGIONS:
    equal(f"{region}: generations by alias", aliases(region), {"1": old[region].rpartition("/")[2], "2": new[region].rpartition("/")[2]})
    equal(f"{region}: both enabled", [kms[region].describe_key(KeyId=k)["KeyMetadata"]["KeyState"] for k in (old[region], new[region])], ["Enabled"] * 2)
    policies = [json.loads(kms[region].get_key_policy(KeyId=k, PolicyName="default")["Policy"]) for k in (old[region], new[region])]
    equal(f"{region}: the policy moved forward, the statement of others as well",
          *[sorted(json.dumps(s, sort_keys=True) for s in p["Statement"]) for p in policies])
    tags = {t["TagKey"]: t["TagValue"] for t in kms[region].list_resource_tags(KeyId=new[region])["Tags"]}
    equal(f"{region}: and the tag of the company", (tags["team"], tags["cmek:cluster"]), ("payments", CLUSTER))
    check(f"{region}: KMS rotates the new one", kms[region].get_key_rotation_status(KeyId=new[region])["KeyRotationEnabled"])
    equal(f"{region}: the Cloud's account", in_the_cloud(region), [(old[region], "DISABLED"), (new[region], "ENABLED")])
equal("a second run does nothing", (rotate()[1]["summary"]["unchanged"]), 4)
equal("verify finds nothing", cmek("verify", "rotate", "--cluster", "orders")[1]["findings"], [])

status, report = rotate("--only", "us-west-2", "--to", "3")
equal("one region alone", (status, sorted(aliases("us-west-2")), sorted(aliases("us-east-1"))), (0, ["1", "2", "3"], ["1", "2"]))
status, report = rotate("--to", "3")
equal("the others follow", (status, report["summary"]["create"], {r: len(aliases(r)) for r in REGIONS}), (0, 2, {r: 3 for r in REGIONS}))

used = uris(report)
status, report = rotate("--rewrap", "--on-demand")
equal("the same keys anew", (status, uris(report), report["summary"]["create"]), (0, used, 0))
for region in REGIONS:
    equal(f"{region}: KMS rotated once", [r["RotationType"] for r in kms[region].list_key_rotations(KeyId=used[region])["Rotations"]], ["ON_DEMAND"])
    equal(f"{region}: no other key", len(kms[region].list_keys()["Keys"]), 3)
equal("status has nothing due of the keys", [d for d in cmek("status", "--cluster", "orders")[1]["clusters"][0]["due"] if "rotated the key" in d["text"]], [])
peer.done()

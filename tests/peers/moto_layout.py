"""moto as AWS, cmek sim as the Cloud alone: layouts. A multi-Region key with its replicas is made, verified, changed by hand with
boto3 and repaired, then taken back. boto3 reads back what was made.
usage: moto_layout.py CMEK; the last line is the tally.
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
HOME, OTHERS = "eu-west-1", ["us-east-1", "us-west-2"]
kms = {region: boto3.client("kms", region_name=region) for region in [HOME] + OTHERS}


def cmek(*words):
    """The exit status and the document of a command."""
    status, out, err = peer.run(CMEK, *words, "--json")
    try:
        return status, json.loads(out)
    except ValueError:
        check("cmek " + " ".join(words) + " prints one document", False, (status, out, err))
        return status, {}


def summary(report):
    return {k: v for k, v in report.get("summary", {}).items() if v}


def replicas_need_tags(words):
    """moto's ReplicateKey leaves the tags out, so its replicas are nobody's: they are left alone until somebody says whose they are."""
    for _ in OTHERS:
        status, report = cmek("run", *words, "--yes")
        check("a replica without tags is left alone", status in (1, 5) and "cmek:cluster" in json.dumps(report["error"]), report.get("error"))
        for region in OTHERS:
            for key in kms[region].list_keys()["Keys"]:
                kms[region].tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "cmek:cluster", "TagValue": CLUSTER}])
        if sum(len(kms[region].list_keys()["Keys"]) for region in OTHERS) == len(OTHERS):
            return


def replicas():
    words = ["console", "--cluster", "orders", "--layout", "replica"]
    status, report = cmek("plan", *words, "--exit-code")
    equal("plan wants a role, a key and two replicas", (status, summary(report)), (3, {"create": 4}))
    replicas_need_tags(words)
    status, report = cmek("run", *words, "--yes")   # moto's IDs are not KMS's, so the Cloud takes none
    equal("run makes them", (status, report.get("run", {}).get("status"), report.get("error")), (0, "done", None))
    keys = {s["region"]: s["key_spec"]["uri"] for s in report["handover"]["region_specs"]}
    ids = {arn.split("/")[-1] for arn in keys.values()}
    check("one ID in every region, of a multi-Region key", len(ids) == 1 and all(i.startswith("mrk-") for i in ids), keys)
    policies = {r: json.loads(kms[r].get_key_policy(KeyId=a, PolicyName="default")["Policy"]) for r, a in keys.items()}
    equal("the policies are equal", [policies[r] for r in OTHERS], [policies[HOME]] * 2)
    for region, arn in keys.items():
        data = kms[region].describe_key(KeyId=arn)["KeyMetadata"]
        equal(f"{region}: the key", (data["KeyState"], data["MultiRegion"]), ("Enabled", True))
        aliases = [a["AliasName"] for a in kms[region].list_aliases()["Aliases"] if a.get("TargetKeyId") == data["KeyId"]]
        equal(f"{region}: its alias", aliases, [f"alias/{NAME}-g1"])
        tags = {t["TagKey"]: t["TagValue"] for t in kms[region].list_resource_tags(KeyId=arn)["Tags"]}
        equal(f"{region}: its tag", tags.get("cmek:region"), region)
    status, report = cmek("verify", *words)
    equal("verify finds nothing", (status, report.get("findings")), (0, []))
    equal("a second run finds nothing to do", summary(cmek("run", *words, "--yes")[1]), {"unchanged": 4})
    changed = policies["us-west-2"]
    changed["Statement"][0]["Action"].remove("kms:Decrypt")
    kms["us-west-2"].put_key_policy(KeyId=keys["us-west-2"], PolicyName="default", Policy=json.dumps(changed))
    status, report = cmek("verify", *words)
    equal("a replica's policy that was changed is found", (status, sorted({(f["id"], f["region"]) for f in report.get("findings", [])})),
          (6, [("key.policy.use", "us-west-2")]))
    status, report = cmek("run", *words, "--yes")
    equal("and repaired", (status, summary(report)), (0, {"change": 1, "unchanged": 3}))


def destroy():
    status, report = cmek("destroy", "console", "--cluster", "orders", "--layout", "replica", "--confirm", "orders")
    equal("destroy takes the replicas back, then their primary, then the role", (status, summary(report)), (0, {"delete": 4}))
    equal("in this order", [s["kind"] for s in report["steps"]], ["replica", "replica", "key", "role"])
    states = [kms[r].describe_key(KeyId=kms[r].list_keys()["Keys"][0]["KeyId"])["KeyMetadata"]["KeyState"] for r in OTHERS]
    equal("KMS says so", states, ["PendingDeletion"] * 2)


replicas()
destroy()
peer.done()

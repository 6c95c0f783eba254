"""local-kms, a KMS by another hand, beside moto for the rest and cmek sim as the Cloud: one region, one account.
usage: local_kms.py CMEK; the last line is the tally.
"""
import atexit, json, os, shutil, sys, tempfile, time
import peer
from peer import check, equal

if not peer.inside():
    data = tempfile.mkdtemp(prefix="cmek-local-kms-")
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    moto = [os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]
    local = [os.path.join(os.path.dirname(peer.PEERS), "bin", "local-kms")]
    with peer.Server(moto) as rest, peer.Server(local, PORT="PORT", KMS_ACCOUNT_ID="123456789012", KMS_REGION="us-east-1", KMS_DATA_PATH=data) as kms:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=rest.url, AWS_ENDPOINT_URL_KMS=kms.url, AWS_ACCESS_KEY_ID="AKIAMOTOMOTOMOTOMOTO",
                   AWS_SECRET_ACCESS_KEY="moto", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")

import boto3

CMEK = sys.argv[1]
kms = boto3.client("kms", region_name="us-east-1")


def cmek(*words):
    status, out, err = peer.run(CMEK, *words, "--json")
    return status, json.loads(out) if out.startswith("{") else check("cmek " + " ".join(words) + " prints a document", False, (status, out, err))


def console():
    status, report = cmek("run", "console", "--cluster", "orders-one", "--enable", "--yes", "--confirm", "orders-one")
    equal("run makes role and key, and enables CMEK", (status, report["run"]["status"]), (0, "done"))
    spec = report["handover"]["region_specs"][0]["key_spec"]
    data = kms.describe_key(KeyId=spec["uri"])["KeyMetadata"]
    equal("the key", (data["Arn"], data["KeyUsage"], data["KeyState"]), (spec["uri"], "ENCRYPT_DECRYPT", "Enabled"))
    policy = json.loads(kms.get_key_policy(KeyId=spec["uri"], PolicyName="default")["Policy"])
    equal("its policy", (policy["Id"], policy["Statement"][0]["Principal"]), ("crdb-cmek-kms", {"AWS": spec["auth_principal"]}))
    equal("its alias", [a["AliasName"] for a in kms.list_aliases()["Aliases"] if a.get("TargetKeyId") == data["KeyId"]],
          ["alias/crdb-cmek-orders-one-91d3b7a2e5f4-g1"])
    equal("its rotation", kms.get_key_rotation_status(KeyId=spec["uri"])["KeyRotationEnabled"], True)
    tags = {t["TagKey"]: t["TagValue"] for t in kms.list_resource_tags(KeyId=spec["uri"])["Tags"]}
    equal("its cluster's tag", tags["cmek:cluster"], "5e0c94f3-27ab-4d18-8c66-91d3b7a2e5f4")
    return spec["uri"]


def again(key):
    status, report = cmek("run", "console", "--cluster", "orders-one", "--yes")
    equal("a second run finds nothing to do", (status, report["summary"]["unchanged"], report["summary"]["create"]), (0, 2, 0))
    kms.disable_key_rotation(KeyId=key)
    equal("plan sees the rotation that was switched off", cmek("plan", "console", "--cluster", "orders-one", "--exit-code")[0], 3)
    equal("run switches it on again", (cmek("run", "console", "--cluster", "orders-one", "--yes")[0],
                                       kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]), (0, True))
    equal("one key was made in all this", len(kms.list_keys()["Keys"]), 1)


def first_refusal(key):
    """What local-kms does not have, it says with 501 and a line of text: no reason to try again."""
    path = os.path.join(os.environ["PEER_SCRATCH"], "rotations.lua")
    with open(path, "w") as f:
        f.write('kms.list_key_rotations { region = "us-east-1", KeyId = arg[1] }\n')
    began = time.time()
    status, out, err = peer.run(CMEK, "exec", path, key)
    check("ListKeyRotations is the first thing it refuses", status == 1 and "ListKeyRotations" in err and "501" in err, (status, err))
    check("and is not tried again and again", time.time() - began < 5, time.time() - began)
    check("its own words are told", "not implemented" in err, err)


def rest_of_life(key):
    """verify, drift, verify, repair; destroy as far as local-kms goes."""
    def findings():
        return sorted(f["id"] for f in cmek("verify", "console", "--cluster", "orders-one")[1]["findings"])
    equal("verify finds nothing", findings(), [])
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"][0]["Action"].remove("kms:Decrypt")
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    equal("verify finds the action that was taken away", findings(), ["key.policy.use"])
    equal("run gives it back", cmek("run", "console", "--cluster", "orders-one", "--yes")[0], 0)
    equal("verify finds nothing again", findings(), [])
    status, report = cmek("destroy", "console", "--cluster", "orders-one", "--yes", "--confirm", "orders-one")
    equal("destroy refuses what the cluster uses", (status, report["summary"]["refused"]), (1, 2))
    equal("the key stays", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Enabled")


key = console()
again(key)
rest_of_life(key)
first_refusal(key)
peer.done()

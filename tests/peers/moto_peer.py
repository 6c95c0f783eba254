"""moto as AWS, cmek sim as the Cloud alone: a whole life. Plan, run, verify, run again; changes by hand with boto3 are found by verify
and plan, by field, and repaired; CMEK is revoked and restored; what is not in use is destroyed. boto3 reads back what was made. moto's account is 123456789012; it evaluates no policy, so the simulated Cloud reads them.
usage: moto_peer.py CMEK; the last line is the tally.
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
ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*"]
iam = boto3.client("iam", region_name="us-east-1")
kms = {region: boto3.client("kms", region_name=region) for region in REGIONS}


def cmek(*words):
    """The exit status and the document of a command; {} where it printed none."""
    status, out, err = peer.run(CMEK, *words, "--json")
    try:
        return status, json.loads(out)
    except ValueError:
        check("cmek " + " ".join(words) + " prints one document", False, (status, out, err))
        return status, {}


def summary(report):
    return {k: v for k, v in report["summary"].items() if v}


def fields(report):
    """What a plan wants to change: (kind, region, field)."""
    return sorted((s["kind"], s["region"] or "", d["field"]) for s in report["steps"] for d in s["differences"] or [])


def plan_and_run():
    status, report = cmek("plan", "console", "--cluster", "orders", "--exit-code")
    equal("plan wants a role and three keys", (status, summary(report)), (3, {"create": 4}))
    equal("and makes nothing", (iam.list_roles()["Roles"], [len(kms[r].list_keys()["Keys"]) for r in REGIONS]), ([], [0, 0, 0]))
    status, report = cmek("run", "console", "--cluster", "orders", "--enable", "--yes", "--confirm", "orders")
    equal("run does it", (status, report["run"]["status"]), (0, "done"))
    specs = report["handover"]["region_specs"]
    equal("the Cloud has these keys enabled", [(r["region"], r["status"], r["key_infos"][-1]["spec"]["uri"]) for r in
                                              peer.wait_enabled(CLUSTER)["region_infos"]],
          sorted((s["region"], "ENABLED", s["key_spec"]["uri"]) for s in specs))
    status, report = cmek("run", "console", "--cluster", "orders", "--yes")
    equal("a second run finds nothing to do", (status, summary(report)), (0, {"unchanged": 4}))
    return {s["region"]: s["key_spec"]["uri"] for s in specs}, specs[0]["key_spec"]["auth_principal"]


def read_back(keys, role):
    organization, cluster = peer.cloud("GET", "/organization")[1], peer.find_cluster("orders")
    got = iam.get_role(RoleName=NAME)["Role"]
    equal("the role's ARN", got["Arn"], role)
    equal("its trust, field by field", got["AssumeRolePolicyDocument"]["Statement"],
          [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{cluster['account_id']}:root"}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": organization["id"]}}}])
    equal("its tag", {t["Key"]: t["Value"] for t in iam.list_role_tags(RoleName=NAME)["Tags"]}.get("cmek:cluster"), CLUSTER)
    equal("no permissions", (iam.list_role_policies(RoleName=NAME)["PolicyNames"], iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]), ([], []))
    for region, arn in keys.items():
        client = kms[region]
        data = client.describe_key(KeyId=arn)["KeyMetadata"]
        equal(f"{region}: the key", (data["Arn"], data["KeySpec"], data.get("KeyUsage"), data["Origin"], data["KeyState"]),
              (arn, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS", "Enabled"))
        policy = json.loads(client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        equal(f"{region}: its policy's Id and first statement", (policy["Id"], policy["Statement"][0]),
              ("crdb-cmek-kms", {"Sid": "Allow use of the key for CMEK", "Effect": "Allow", "Principal": {"AWS": role}, "Action": ACTIONS, "Resource": "*"}))
        check(f"{region}: the account administers it", any(s["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"} and s["Action"] == "kms:*"
                                                          for s in policy["Statement"]), policy)
        aliases = [a for a in client.list_aliases()["Aliases"] if a.get("TargetKeyId") == data["KeyId"]]
        equal(f"{region}: its alias", [a["AliasName"] for a in aliases], [f"alias/{NAME}-g1"])
        tags = {t["TagKey"]: t["TagValue"] for t in client.list_resource_tags(KeyId=arn)["Tags"]}
        equal(f"{region}: its tags", (sorted(tags), tags["cmek:cluster"], tags["cmek:region"]),
              (["cmek:attempt", "cmek:cluster", "cmek:region", "cmek:run"], CLUSTER, region))
        equal(f"{region}: its rotation", client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"], True)
        equal(f"{region}: one key", len(client.list_keys()["Keys"]), 1)


def change_by_hand(keys, role):
    trust = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] = "exco"
    iam.update_assume_role_policy(RoleName=NAME, PolicyDocument=json.dumps(trust))
    kms["us-east-1"].disable_key_rotation(KeyId=keys["us-east-1"])
    policy = json.loads(kms["us-west-2"].get_key_policy(KeyId=keys["us-west-2"], PolicyName="default")["Policy"])
    policy["Statement"][0]["Action"].remove("kms:Decrypt")
    policy["Statement"].append({"Sid": "Auditors", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:Describe*", "Resource": "*"})
    kms["us-west-2"].put_key_policy(KeyId=keys["us-west-2"], PolicyName="default", Policy=json.dumps(policy))


def verify(name, cluster="orders"):
    """The findings of verify: (id, region), each once."""
    status, report = cmek("verify", "console", "--cluster", cluster)
    found = sorted({(f["id"], f["region"] or "") for f in report.get("findings", [])})
    equal(name + ": the exit status fits", status, 6 if found else 0)
    check(name + ": every check is listed", len(report.get("checked", [])) > 25, report.get("checked"))
    return found


def repair(keys):
    equal("verify finds exactly what was changed", verify("verify after changes by hand"),
          [("key.policy.use", "us-west-2"), ("key.rotation", "us-east-1"), ("role.trust.external_id", "")])
    status, report = cmek("plan", "console", "--cluster", "orders", "--exit-code")
    equal("plan wants to change what was changed", (status, summary(report)), (3, {"change": 3, "unchanged": 1}))
    seen = fields(report)
    for kind, region, word in (("role", "", "ExternalId"), ("key", "us-east-1", "otation"), ("key", "us-west-2", "Action")):
        check(f"and names the field: {kind} {region} {word}", any(k == kind and r == region and word in f for k, r, f in seen), seen)
    check("but not the statement of others", not any("Auditors" in f for _, _, f in seen), seen)
    status, report = cmek("run", "console", "--cluster", "orders", "--yes")
    equal("run repairs it", (status, report["run"]["status"]), (0, "done"))
    trust = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
    equal("the external ID is the organization's again", trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"],
          "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90")
    equal("the rotation is on again", kms["us-east-1"].get_key_rotation_status(KeyId=keys["us-east-1"])["KeyRotationEnabled"], True)
    policy = json.loads(kms["us-west-2"].get_key_policy(KeyId=keys["us-west-2"], PolicyName="default")["Policy"])
    equal("the actions are five again", sorted(policy["Statement"][0]["Action"]), sorted(ACTIONS))
    check("and the statement of others stayed", any(s.get("Sid") == "Auditors" for s in policy["Statement"]), policy)
    equal("nothing is left to do", cmek("plan", "console", "--cluster", "orders", "--exit-code")[0], 0)
    equal("and verify finds nothing", verify("verify after the repair"), [])


def destroy(keys):
    """Nothing goes that a cluster uses; of another cluster, which does not use its key yet, everything does."""
    status, report = cmek("destroy", "console", "--cluster", "orders", "--yes", "--confirm", "orders")
    equal("destroy refuses what is in use", (status, summary(report)), (1, {"refused": 4}))
    equal("and touches none of it", [kms[r].describe_key(KeyId=a)["KeyMetadata"]["KeyState"] for r, a in keys.items()], ["Enabled"] * 3)
    specs = cmek("run", "console", "--cluster", "orders-one", "--yes")[1]["handover"]["region_specs"]
    arn, name = specs[0]["key_spec"]["uri"], specs[0]["key_spec"]["auth_principal"].split("/")[-1]
    equal("verify of a cluster that is not enabled finds nothing", verify("verify of orders-one", "orders-one"), [])
    status, report = cmek("destroy", "console", "--cluster", "orders-one", "--yes", "--confirm", "orders-one")
    equal("destroy takes key and role back", (status, report["run"]["status"], summary(report)), (0, "done", {"delete": 2}))
    data = kms["us-east-1"].describe_key(KeyId=arn)["KeyMetadata"]
    equal("the key is to be deleted, and has its longest window", (data["KeyState"], (data["DeletionDate"] - data["CreationDate"]).days in (29, 30)),
          ("PendingDeletion", True))
    check("its alias is gone", not any("orders-one" in a["AliasName"] for a in kms["us-east-1"].list_aliases()["Aliases"]))
    check("so is the role", name not in [r["RoleName"] for r in iam.list_roles()["Roles"]])
    status, report = cmek("run", "console", "--cluster", "orders-one", "--yes")
    equal("a run after it makes both anew", (status, summary(report)), (0, {"create": 2}))
    check("and does not go on with the retired key", report["handover"]["region_specs"][0]["key_spec"]["uri"] != arn, arn)


def html_page():
    """moto answers what it does not know with a page for people and status 500."""
    path = os.path.join(os.environ["PEER_SCRATCH"], "simulate.lua")
    with open(path, "w") as f:
        f.write('iam.simulate_principal_policy { PolicySourceArn = "arn:aws:iam::123456789012:user/moto", ActionNames = { "iam:GetRole" } }\n')
    status, out, err = peer.run(CMEK, "exec", path)
    equal("an HTML page is a failure", status, 1)
    check("that names service, operation, status and what came", all(w in err for w in ("iam", "SimulatePrincipalPolicy", "500", "HTML")), err)
    check("and neither a traceback nor markup", not any(w in err for w in ("traceback", "<html", "<!doctype", "attempt to")), err)


def wrong_trust():
    """The Cloud's access check reads moto's policies: a role that trusts another account is refused."""
    cluster = peer.find_cluster("orders-one")
    role = iam.create_role(RoleName="wrong", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    key = kms["us-east-1"].create_key()["KeyMetadata"]["Arn"]
    status, answer = peer.cloud("POST", f"/clusters/{cluster['id']}/cmek", {"region_specs": [
        {"region": "us-east-1", "key_spec": {"type": "AWS_KMS", "uri": key, "auth_principal": role}}]})
    equal("a role with a wrong trust is refused by the Cloud", (status, answer["code"]), (400, 3))


def policies(keys):
    return {r: json.loads(kms[r].get_key_policy(KeyId=a, PolicyName="default")["Policy"]) for r, a in keys.items()}


def revoke(keys, role):
    """Every policy gets the Deny and nothing else, the Cloud is told; and the way back. boto3 reads what stands in the policies."""
    before, cmek_of = policies(keys), f"/clusters/{CLUSTER}/cmek"
    status, report = cmek("run", "revoke", "--cluster", "orders", "--drill", "--yes", "--confirm", "orders")
    equal("a drill says that moto does not tell our rights", (status, report["drill"]["ready"]), (6, False))
    equal("and changes nothing", (policies(keys), peer.cloud("GET", cmek_of)[1]["status"]), (before, "ENABLED"))
    status, report = cmek("run", "revoke", "--cluster", "orders", "--yes", "--confirm", "orders")
    equal("revoke does it", (status, report["run"]["status"], summary(report)), (0, "done", {"change": 4}))
    for region, policy in policies(keys).items():
        denies = [s for s in policy["Statement"] if s["Effect"] == "Deny"]
        equal(f"{region}: one Deny, for the role alone", [s["Condition"] for s in denies], [{"ArnEquals": {"aws:PrincipalArn": role}}])
        equal(f"{region}: all else as it was", {**policy, "Statement": [s for s in policy["Statement"] if s["Effect"] != "Deny"]}, before[region])
    info = peer.cloud("GET", cmek_of)[1]
    equal("the Cloud has it revoked", (info["status"], {r["status"] for r in info["region_infos"]}), ("REVOKED", {"REVOKED"}))
    status, answer = peer.cloud("PUT", cmek_of, {"region_specs": [{"region": r["region"], "key_spec": r["key_infos"][-1]["spec"]} for r in info["region_infos"]]})
    equal("and takes no keys", (status, answer["code"]), (400, 9))
    equal("verify tells the revocation", verify("verify of a revoked cluster"),
          [("cluster_cmek.enabled", r) for r in REGIONS] + [("key.revoked", r) for r in REGIONS])
    status, report = cmek("run", "restore", "--cluster", "orders", "--yes")
    equal("restore does it", (status, summary(report)), (0, {"change": 3, "unchanged": 1}))
    equal("and the policies are what they were", policies(keys), before)
    check("the text for support names cluster and organization", all(w in report["ticket"]["text"] for w in (CLUSTER, "0f4be3a2-6a1c-4d5e-9b7f-2c8d1e6a7f90")),
          report["ticket"])


keys, role = plan_and_run()
equal("verify finds nothing", verify("verify after the run"), [])
read_back(keys, role)
change_by_hand(keys, role)
repair(keys)
html_page()
wrong_trust()
revoke(keys, role)
destroy(keys)
peer.done()

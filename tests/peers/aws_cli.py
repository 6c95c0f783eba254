"""The AWS CLI and curl do the vendor page's steps by hand, against cmek sim; then cmek must leave what they made alone.
usage: aws_cli.py CMEK; the last line is the tally.
"""
import json, os, sys
import peer
from peer import check, equal

if not peer.inside():
    peer.enter()

CMEK = sys.argv[1]
ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*"]


def aws(*words):
    """A command of the AWS CLI: its answer; a failure is one of the sentence that asks."""
    status, out, err = peer.run("aws", *words, "--output", "json")
    if status != 0:
        check("aws " + " ".join(words[:2]), False, err)
        return {}
    return json.loads(out) if out.strip() else {}


def curl(method, path, body=None):
    argv = ["curl", "-s", "--request", method, "--url", os.environ["COCKROACH_SERVER"] + "/api/v1" + path,
            "--header", "Authorization: Bearer " + os.environ["COCKROACH_API_KEY"]]
    if body is not None:
        argv += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    return json.loads(peer.run(*argv)[1])


def trust(cluster, organization):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{cluster['account_id']}:root"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": organization["id"]}}}]})


def key_policy(role):
    account = role.split(":")[4]
    return json.dumps({"Version": "2012-10-17", "Id": "crdb-cmek-kms", "Statement": [
        {"Sid": "Allow use of the key for CMEK", "Effect": "Allow", "Principal": {"AWS": role}, "Action": ACTIONS, "Resource": "*"},
        {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}]})


def make_role(name, cluster, organization):
    return aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust(cluster, organization))["Role"]["Arn"]


def make_key(region, alias, role):
    key = aws("kms", "create-key", "--region", region, "--key-spec", "SYMMETRIC_DEFAULT", "--key-usage", "ENCRYPT_DECRYPT", "--policy", key_policy(role))
    arn = key["KeyMetadata"]["Arn"]
    aws("kms", "create-alias", "--region", region, "--alias-name", alias, "--target-key-id", arn)
    return arn


def by_hand(organization):
    """The page's Step 1 and Step 2 option A, then Enabling CMEK."""
    cluster = peer.find_cluster("orders")
    role = make_role("crdb-by-hand", cluster, organization)
    keys = {r["name"]: make_key(r["name"], "alias/crdb-by-hand", role) for r in cluster["regions"]}
    aliases = aws("kms", "list-aliases", "--region", "us-west-2")["Aliases"]
    equal("the CLI lists the alias it made", [a["AliasName"] for a in aliases if "by-hand" in a["AliasName"]], ["alias/crdb-by-hand"])
    aws("kms", "enable-key-rotation", "--region", "us-west-2", "--key-id", keys["us-west-2"], "--rotation-period-in-days", "365")
    equal("and the rotation", aws("kms", "get-key-rotation-status", "--region", "us-west-2", "--key-id", keys["us-west-2"])["RotationPeriodInDays"], 365)
    specs = [{"region": r, "key_spec": {"type": "AWS_KMS", "uri": uri, "auth_principal": role}} for r, uri in keys.items()]
    equal("curl enables CMEK", curl("POST", f"/clusters/{cluster['id']}/cmek", {"region_specs": specs}).get("status"), "ENABLING")
    equal("and sees it enabled", peer.wait_enabled(cluster["id"])["status"], "ENABLED")
    return keys


def refusal_of_keys_in_use(keys):
    status, out, err = peer.run(CMEK, "plan", "console", "--cluster", "orders")
    equal("plan refuses a cluster that uses keys of others", status, 1)
    for region, uri in keys.items():
        check(f"and names the one in {region}", uri in out + err, out + err)
    status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders", "--yes")
    check("so does run", status == 1 and keys["us-east-1"] in out + err, (status, out, err))


def refusal_of_names_without_tags(organization):
    cluster = peer.find_cluster("orders-one")
    name = f"crdb-cmek-{cluster['name']}-{cluster['id'][-12:]}"
    arn = make_key("us-east-1", f"alias/{name}-g1", make_role(name, cluster, organization))
    status, out, err = peer.run(CMEK, "plan", "console", "--cluster", "orders-one", "--json")
    report = json.loads(out)
    equal("plan refuses a role and a key that bear cmek's names without its tags",
          (status, [(s["kind"], s["action"]) for s in report["steps"]]), (1, [("role", "refuse"), ("key", "refuse")]))
    check("and says of what", name in out and report["steps"][1]["reason"], report["steps"])
    status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders-one", "--yes")
    equal("run refuses too", status, 1)
    tags = aws("kms", "list-resource-tags", "--region", "us-east-1", "--key-id", arn)
    equal("and adopted nothing on its own", tags.get("Tags"), [])


def adopted(keys):
    """What the CLI made is taken over by adopt, and the CLI sees what became of it."""
    taken = peer.take_over(CMEK, "orders", ["rotation"])
    equal("the file of arguments holds the ARNs", (taken["cluster"], sorted(taken["key"]), taken["role"].endswith(":role/crdb-by-hand")),
          ("orders", sorted(keys.values()), True))
    for region, arn in keys.items():
        names = sorted(a["AliasName"] for a in aws("kms", "list-aliases", "--region", region, "--key-id", arn)["Aliases"])
        equal(f"{region}: the CLI's alias stays, cmek's is beside it", (names[0], len(names), names[1].startswith("alias/crdb-cmek-orders-")),
              ("alias/crdb-by-hand", 2, True))
        tags = {t["TagKey"] for t in aws("kms", "list-resource-tags", "--region", region, "--key-id", arn)["Tags"]}
        equal(f"{region}: its tags", sorted(tags), ["cmek:cluster", "cmek:region", "cmek:run"])
    tags = {t["Key"] for t in aws("iam", "list-role-tags", "--role-name", "crdb-by-hand")["Tags"]}
    equal("the role's tags", sorted(tags), ["cmek:cluster", "cmek:run"])


def counts():
    keys = sum(len(aws("kms", "list-keys", "--region", r)["Keys"]) for r in ("us-east-1", "us-west-2", "eu-west-1"))
    return len(aws("iam", "list-roles")["Roles"]), keys


equal("the CLI is who the environment says", aws("sts", "get-caller-identity")["Account"], "210987654321")
organization = curl("GET", "/organization")
keys = by_hand(organization)
refusal_of_keys_in_use(keys)
refusal_of_names_without_tags(organization)
adopted(keys)
equal("nothing was made beside what the CLI made: roles, keys", counts(), (2, 4))
peer.done()

"""moto as AWS, cmek sim as the Cloud alone: three people, each with own credentials, and what a company asks of role and keys. boto3 reads
back boundary, path, tags and kind of key.
usage: moto_duties.py CMEK; the last line is the tally.
"""
import json, os, sys, tempfile
import peer
from peer import check, equal

if not peer.inside():
    with peer.Server([os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]) as moto:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=moto.url, AWS_ACCESS_KEY_ID="AKIAMOTOMOTOMOTOMOTO", AWS_SECRET_ACCESS_KEY="moto",
                   AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")

import boto3

CMEK = sys.argv[1]
NAME = "crdb-cmek-orders-0f2c6e9d41b7"
ADMIN = "arn:aws:iam::123456789012:role/security/keys"
iam = boto3.client("iam", region_name="us-east-1")
directory = tempfile.mkdtemp()
facts, spec, args = (os.path.join(directory, name) for name in ("facts", "spec", "args"))


CLOUD = ["env", "-u", "AWS_ACCESS_KEY_ID", "-u", "AWS_SECRET_ACCESS_KEY", "-u", "AWS_SESSION_TOKEN"]
AWS = ["env", "-u", "COCKROACH_API_KEY"]


def cmek(who, *words):
    """The exit status of a command of somebody, and what it printed."""
    status, out, err = peer.run(*who, CMEK, *words)
    return status, out + err


def company():
    boundary = iam.create_policy(PolicyName="limits", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}))["Policy"]["Arn"]
    narrow = iam.create_policy(PolicyName="narrow", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Sid": "Look", "Effect": "Allow", "Action": "kms:Describe*", "Resource": "*"}]}))["Policy"]["Arn"]
    iam.create_role(RoleName="keys", Path="/security/", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}]}))
    return boundary, narrow


def make(boundary, narrow):
    rules = ["--tag", "team=data", "--tag", "cost center=47:11", "--role-path", "/cmek/", "--admin", ADMIN,
             "--admin", "arn:aws:iam::123456789012:root"]
    status, text = cmek(AWS, "run", "console", "--facts", facts, *rules, "--permissions-boundary", narrow, "--yes")
    check("a boundary that keeps the role from the keys is named", status == 1 and 'statement 1 "Look"' in text, text)
    status, text = cmek(AWS, "run", "console", "--facts", facts, *rules, "--permissions-boundary", narrow + "er", "--yes")
    check("so is one that does not exist", status == 1 and narrow + "er does not exist" in text, text)
    equal("and nothing is made", [r["RoleName"] for r in iam.list_roles()["Roles"]], ["keys"])
    status, text = cmek(AWS, "run", "console", "--facts", facts, *rules, "--permissions-boundary", boundary, "--out", spec, "--save-args", args, "--yes")
    check("who has AWS alone makes role and keys", status == 0, text)


def read_back(boundary):
    role = iam.get_role(RoleName=NAME)["Role"]
    equal("the role's path and boundary", (role["Path"], role["PermissionsBoundary"]["PermissionsBoundaryArn"]), ("/cmek/", boundary))
    tags = {t["Key"]: t["Value"] for t in iam.list_role_tags(RoleName=NAME)["Tags"]}
    equal("its tags", (tags["team"], tags["cost center"]), ("data", "47:11"))
    with open(spec) as file:
        handed = json.load(file)
    equal("the hand-over is of this account", handed["account"], "123456789012")
    for one in handed["region_specs"]:
        client, arn = boto3.client("kms", region_name=one["region"]), one["key_spec"]["uri"]
        check(f"{one['region']}: a single-Region key", "key/mrk-" not in arn, arn)
        tags = {t["TagKey"]: t["TagValue"] for t in client.list_resource_tags(KeyId=arn)["Tags"]}
        equal(f"{one['region']}: its tags", (tags["team"], tags["cost center"]), ("data", "47:11"))
        statements = json.loads(client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])["Statement"]
        equal(f"{one['region']}: who administers it", sorted(statements[1]["Principal"]["AWS"]), sorted([ADMIN, "arn:aws:iam::123456789012:root"]))
    return handed


def drift(handed):
    one = handed["region_specs"][0]
    client, arn = boto3.client("kms", region_name=one["region"]), one["key_spec"]["uri"]
    client.tag_resource(KeyId=arn, Tags=[{"TagKey": "team", "TagValue": "theirs"}])
    iam.delete_role_permissions_boundary(RoleName=NAME)
    status, text = cmek(AWS, "plan", "console", "--facts", facts, "--args", args, "--exit-code")
    check("a tag and a boundary that were changed by hand are drift", status == 3 and "tags.team: theirs → data" in text
          and "PermissionsBoundary" in text, text)
    status, text = cmek(AWS, "run", "console", "--facts", facts, "--args", args, "--yes")
    check("and repaired", status == 0, text)
    status, text = cmek(AWS, "plan", "console", "--facts", facts, "--args", args, "--exit-code")
    check("so that nothing is left to do", status == 0, text)


def multi_region():
    """Not enabled: the IDs that moto gives such keys are none that the Cloud takes."""
    status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders-one", "--multi-region-key", "--yes", "--json")
    equal("multi-Region keys are made", status, 0)
    arn = json.loads(out)["handover"]["region_specs"][0]["key_spec"]["uri"]
    metadata = boto3.client("kms", region_name=arn.split(":")[3]).describe_key(KeyId=arn)["KeyMetadata"]
    check("and are", "key/mrk-" in arn and metadata.get("MultiRegion", True), metadata)
    status, out, err = peer.run(CMEK, "run", "console", "--cluster", "orders", "--multi-region-key", "--yes", "--role-path", "/cmek/")
    check("a single-Region key is not made one", status == 1 and "is a single-Region key" in out + err, out + err)


status, text = cmek(CLOUD, "status", "--cluster", "orders", "--facts", facts)
check("who has the Cloud alone writes the facts", status == 0, text)
boundary, narrow = company()
make(boundary, narrow)
drift(read_back(boundary))
multi_region()
status, text = cmek(CLOUD, "run", "enable", "--spec", spec, "--yes", "--confirm", "orders")
check("who has the Cloud alone enables CMEK", status == 0, text)
equal("in every region", sorted(r["status"] for r in peer.cloud("GET", f"/clusters/{peer.find_cluster('orders')['id']}/cmek")[1]["region_infos"]),
      ["ENABLED"] * 3)
peer.done()

"""boto3 as a client of cmek sim: AWS's own SDK does the page's steps and judges signatures, shapes, errors and pages.
usage: boto3_client.py CMEK; the last line is the tally.
"""
import json, os, sys
import peer
from peer import check, equal, refused

# The cluster's account is the second simulated one, so that somebody here can assume the role as CockroachDB would.
COCKROACH = {"aws_access_key_id": "AKIASIMULATEDCMEK002", "aws_secret_access_key": "simulated/secret/not-a-real-one/00000002"}
CLUSTERS = [{"name": "peer", "account_id": "345678901234", "regions": ["us-east-1", "eu-west-1", "us-west-2"]}]
ACTIONS = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:ReEncrypt*"]

if not peer.inside():
    peer.enter("--seed", "3", clusters=CLUSTERS)

import boto3
from botocore.config import Config

QUICK = Config(retries={"max_attempts": 1})


def client(service, region="us-east-1", **more):
    return boto3.client(service, region_name=region, config=QUICK, **more)


def trust(account, external_id):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole",
                                                    "Condition": {"StringEquals": {"sts:ExternalId": external_id}}}]}


def key_policy(role, account):
    return {"Version": "2012-10-17", "Id": "crdb-cmek-kms", "Statement": [
        {"Sid": "Allow use of the key for CMEK", "Effect": "Allow", "Principal": {"AWS": role}, "Action": ACTIONS, "Resource": "*"},
        {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}]}


def identity():
    who = client("sts").get_caller_identity()
    equal("the operator is who the environment says", (who["Account"], who["Arn"]), ("210987654321", "arn:aws:iam::210987654321:user/operator"))
    refused("an unknown access key is refused", "InvalidClientTokenId",
            client("sts", aws_access_key_id="AKIAUNKNOWNUNKNOWN00", aws_secret_access_key="x").get_caller_identity)
    refused("a wrong secret is refused", "SignatureDoesNotMatch",
            client("sts", aws_access_key_id=COCKROACH["aws_access_key_id"], aws_secret_access_key="x").get_caller_identity)
    refused("KMS words that its own way", "InvalidSignatureException",
            client("kms", aws_access_key_id=COCKROACH["aws_access_key_id"], aws_secret_access_key="x").list_keys)
    return who["Account"]


def step_1(organization, cluster):
    iam = client("iam")
    document = trust(cluster["account_id"], organization["id"])
    role = iam.create_role(RoleName="crdb-peer", AssumeRolePolicyDocument=json.dumps(document), Tags=[{"Key": "team", "Value": "a b/ü"}])["Role"]
    got = iam.get_role(RoleName="crdb-peer")["Role"]
    equal("the trust comes back as it was sent", got["AssumeRolePolicyDocument"], document)
    equal("ARN and tags of the role", (got["Arn"], got["Tags"]), ("arn:aws:iam::210987654321:role/crdb-peer", [{"Key": "team", "Value": "a b/ü"}]))
    check("the role has a unique ID and a date", got["RoleId"].startswith("AROA") and got["CreateDate"].year >= 2025, got)
    refused("a second role of the name", "EntityAlreadyExists", lambda: iam.create_role(RoleName="CRDB-Peer", AssumeRolePolicyDocument=json.dumps(document)))
    refused("a role that is not there", "NoSuchEntity", lambda: iam.get_role(RoleName="nobody"))
    refused("a trust that is no JSON", "MalformedPolicyDocument", lambda: iam.create_role(RoleName="x", AssumeRolePolicyDocument="{"))
    document["Statement"][0]["Sid"] = "Trust"
    iam.update_assume_role_policy(RoleName="crdb-peer", PolicyDocument=json.dumps(document))
    equal("an updated trust", iam.get_role(RoleName="crdb-peer")["Role"]["AssumeRolePolicyDocument"], document)
    for i in range(5):
        iam.create_role(RoleName=f"page-{i}", AssumeRolePolicyDocument=json.dumps(document))
    names = [r["RoleName"] for page in iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}) for r in page["Roles"]]
    equal("all roles, two a page", names, ["crdb-peer"] + [f"page-{i}" for i in range(5)])
    return role["Arn"]


def step_2(region, role, account):
    kms = client("kms", region)
    policy = key_policy(role, account)
    made = kms.create_key(Policy=json.dumps(policy), Description="peer", Tags=[{"TagKey": "cmek:region", "TagValue": region}])["KeyMetadata"]
    arn, key = made["Arn"], made["KeyId"]
    equal(f"{region}: a symmetric key for encryption", (made["KeySpec"], made["KeyUsage"], made["Origin"], made["KeyState"], made["MultiRegion"]),
          ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS", "Enabled", False))
    check(f"{region}: its ARN", arn == f"arn:aws:kms:{region}:{account}:key/{key}", arn)
    equal(f"{region}: its policy by meaning", json.loads(kms.get_key_policy(KeyId=key)["Policy"]), policy)
    kms.create_alias(AliasName="alias/peer", TargetKeyId=key)
    equal(f"{region}: found by alias", kms.describe_key(KeyId="alias/peer")["KeyMetadata"]["Arn"], arn)
    refused(f"{region}: a second alias of the name", "AlreadyExistsException", lambda: kms.create_alias(AliasName="alias/peer", TargetKeyId=key))
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    rotation = kms.get_key_rotation_status(KeyId=key)
    equal(f"{region}: rotation", (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]), (True, 180))
    equal(f"{region}: tags", kms.list_resource_tags(KeyId=key)["Tags"], [{"TagKey": "cmek:region", "TagValue": region}])
    found = client("resourcegroupstaggingapi", region).get_resources(TagFilters=[{"Key": "cmek:region", "Values": [region]}], ResourceTypeFilters=["kms:key"])
    equal(f"{region}: found by tag", [r["ResourceARN"] for r in found["ResourceTagMappingList"]], [arn])
    return arn


def policies(role, account):
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    alone = key_policy(role, account)
    alone["Statement"].pop()
    refused("the page's statement alone locks out", "MalformedPolicyDocumentException", lambda: kms.put_key_policy(KeyId=key, Policy=json.dumps(alone)))
    refused("a principal that does not exist", "MalformedPolicyDocumentException",
            lambda: kms.put_key_policy(KeyId=key, Policy=json.dumps(key_policy("arn:aws:iam::210987654321:role/nobody", account))))
    kms.put_key_policy(KeyId=key, Policy=json.dumps(key_policy(role, account)))
    equal("a policy that was put", json.loads(kms.get_key_policy(KeyId=key)["Policy"])["Id"], "crdb-cmek-kms")
    refused("a key that is not there", "NotFoundException", lambda: kms.describe_key(KeyId="11111111-2222-3333-4444-555555555555"))
    refused("a key ID of no form", "NotFoundException", lambda: kms.describe_key(KeyId="nonsense"))
    refused("an alias without its prefix", "ValidationException", lambda: kms.create_alias(AliasName="peer", TargetKeyId=key))
    for i in range(5):
        kms.create_alias(AliasName=f"alias/page-{i}", TargetKeyId=key)
    names = [a["AliasName"] for page in kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2}) for a in page["Aliases"]]
    equal("all aliases, two a page", [n for n in names if "page" in n], [f"alias/page-{i}" for i in range(5)])
    keys = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}) for k in page["Keys"]]
    equal("all keys, one a page", len(keys), 2)


def use(arn):
    kms = client("kms")
    context = {"cluster": "peer", "note": "ü"}
    sealed = kms.encrypt(KeyId=arn, Plaintext=b"store key", EncryptionContext=context)
    equal("what was encrypted can be decrypted", kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)["Plaintext"], b"store key")
    refused("but not in another context", "InvalidCiphertextException", lambda: kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={}))
    tampered = bytearray(sealed["CiphertextBlob"])
    tampered[-1] ^= 1
    refused("nor when a bit is changed", "InvalidCiphertextException", lambda: kms.decrypt(CiphertextBlob=bytes(tampered), EncryptionContext=context))
    data = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
    equal("a data key and its wrapping agree", kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"], data["Plaintext"])
    refused("a dry run says it would work", "DryRunOperationException", lambda: kms.encrypt(KeyId=arn, Plaintext=b"x", DryRun=True))
    kms.rotate_key_on_demand(KeyId=arn)
    equal("old ciphertexts live on after a rotation", kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)["Plaintext"], b"store key")


def states():
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    refused("a disabled key does not encrypt", "DisabledException", lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))
    kms.enable_key(KeyId=key)
    check("a key to be deleted has a date", kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["DeletionDate"].year >= 2025)
    refused("and does not encrypt", "KMSInvalidStateException", lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))
    kms.cancel_key_deletion(KeyId=key)
    equal("and is disabled when it shall stay", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")


def as_cockroach(role, arn, organization):
    """What CockroachDB Cloud does: assume the role with the external ID, then use the key."""
    sts = client("sts", **COCKROACH)
    refused("no external ID", "AccessDenied", lambda: sts.assume_role(RoleArn=role, RoleSessionName="crdb"))
    refused("a wrong one", "AccessDenied", lambda: sts.assume_role(RoleArn=role, RoleSessionName="crdb", ExternalId=organization["label"]))
    got = sts.assume_role(RoleArn=role, RoleSessionName="crdb", ExternalId=organization["id"])["Credentials"]
    session = {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"], "aws_session_token": got["SessionToken"]}
    equal("the session is the role's", client("sts", **session).get_caller_identity()["Arn"], "arn:aws:sts::210987654321:assumed-role/crdb-peer/crdb")
    kms = client("kms", **session)
    sealed = kms.encrypt(KeyId=arn, Plaintext=b"k")["CiphertextBlob"]
    equal("the role encrypts and decrypts", kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"k")
    check("the role re-encrypts", kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=arn)["CiphertextBlob"])
    refused("the role may not disable the key", "AccessDeniedException", lambda: kms.disable_key(KeyId=arn))
    refused("nor does a wrong session token pass", "UnrecognizedClientException", client("kms", **dict(session, aws_session_token="x")).list_keys)


def enable(cluster, role, keys):
    specs = [{"region": r, "key_spec": {"type": "AWS_KMS", "uri": arn, "auth_principal": role}} for r, arn in keys.items()]
    status, answer = peer.cloud("POST", f"/clusters/{cluster['id']}/cmek", {"region_specs": specs})
    equal("the specification is accepted", (status, answer.get("status")), (200, "ENABLING"))
    info = peer.wait_enabled(cluster["id"])
    equal("and every region's key is enabled", [(r["region"], r["key_infos"][-1]["status"]) for r in info["region_infos"]],
          [(r, "ENABLED") for r in sorted(keys)])


def adopted(keys):
    """The chain that boto3 made is taken over; what boto3 tagged and named stays."""
    kms = client("kms")
    policy = json.loads(kms.get_key_policy(KeyId=keys["us-east-1"])["Policy"])
    policy["Statement"].append({"Sid": "Auditors", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "kms:Describe*",
                                "Resource": "*"})
    policy["Statement"][0]["Action"].remove("kms:ReEncrypt*")
    kms.put_key_policy(KeyId=keys["us-east-1"], Policy=json.dumps(policy))
    taken = peer.take_over(sys.argv[1], "peer", ["policy.Statement[Allow use of the key for CMEK].Action", "rotation"])
    equal("the role was named by its ARN", taken["role"], "arn:aws:iam::210987654321:role/crdb-peer")
    tags = {t["Key"]: t["Value"] for t in client("iam").get_role(RoleName="crdb-peer")["Role"]["Tags"]}
    equal("the role's own tag stays", (tags["team"], tags["cmek:cluster"]), ("a b/ü", cluster["id"]))
    for region, arn in keys.items():
        names = [a["AliasName"] for a in client("kms", region).list_aliases(KeyId=arn)["Aliases"]]
        check(f"{region}: both aliases", len(names) == 2 and "alias/peer" in names, names)
        equal(f"{region}: rotation as cmek wants it", client("kms", region).get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"], 365)
    policy = json.loads(kms.get_key_policy(KeyId=keys["us-east-1"])["Policy"])
    equal("the statement of others stayed, the action is back", (sorted(s["Sid"] for s in policy["Statement"]), "kms:ReEncrypt*" in policy["Statement"][0]["Action"]),
          (["Allow use of the key for CMEK", "Auditors", "Enable IAM User Permissions"], True))


account = identity()
organization, cluster = peer.cloud("GET", "/organization")[1], peer.find_cluster("peer")
role = step_1(organization, cluster)
keys = {region["name"]: step_2(region["name"], role, account) for region in cluster["regions"]}
policies(role, account)
use(keys["us-east-1"])
states()
as_cockroach(role, keys["us-east-1"], organization)
enable(cluster, role, keys)
adopted(keys)
peer.done()

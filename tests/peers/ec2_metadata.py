"""amazon-ec2-metadata-mock, AWS's own metadata server, gives cmek its credentials; moto takes them, cmek sim is the Cloud alone.
It speaks IMDSv2 alone here, and hands out credentials that expired in 2020: static stability, as an instance in trouble has it.
usage: ec2_metadata.py CMEK; the last line is the tally.
"""
import json, os, sys, urllib.error, urllib.request
import peer
from peer import check, equal

if not peer.inside():
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    mock = os.path.join(os.path.dirname(peer.PEERS), "bin", "ec2-metadata-mock")
    moto = os.path.join(peer.PEERS, "bin", "moto_server")
    with peer.Server([mock, "--imdsv2", "-n", "127.0.0.1", "-p", "PORT"]) as imds, peer.Server([moto, "-H", "127.0.0.1", "-p", "PORT"]) as aws:
        peer.enter("--only", "cloud", "--mixed", AWS_EC2_METADATA_SERVICE_ENDPOINT=imds.url, AWS_ENDPOINT_URL=aws.url, AWS_DEFAULT_REGION="us-east-1",
                   AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")

import botocore.session

CMEK = sys.argv[1]
IMDS = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
ROLES = "/latest/meta-data/iam/security-credentials/"
ROLE = "baskinc-role"


def ask(method, path, **headers):
    request = urllib.request.Request(IMDS + path, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def whoami(**more):
    status, output, errors = peer.run(CMEK, "whoami", "--json", **more)
    return status, json.loads(output)["aws"], errors


equal("it wants a token", ask("GET", ROLES)[0], 401)
token = ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds="60")[1]
given = json.loads(ask("GET", ROLES + ROLE, X_aws_ec2_metadata_token=token)[1])
check("its credentials expired years ago", given["Expiration"] < "2021", given["Expiration"])

status, aws, errors = whoami()
equal("cmek uses them", (status, aws["access_key_id"], aws["kind"]), (0, given["AccessKeyId"], "metadata"))
equal("and says of which role", aws["source"], f"the instance's metadata, role {ROLE}")
equal("and when they expired", aws["expired_at"], given["Expiration"])
check("with a warning", "warning: the instance's metadata service hands out credentials that expired at " + given["Expiration"] in errors, errors)
seen = errors + json.dumps(aws)
check("and shows neither key nor token", given["SecretAccessKey"] not in seen and given["Token"] not in seen)
equal("v1 is not needed", whoami(AWS_EC2_METADATA_V1_DISABLED="true")[0], 0)
status, aws, _ = whoami(AWS_EC2_METADATA_DISABLED="true")
equal("they can be left out", (status, aws["account_id"]), (4, None))

keys = botocore.session.Session().get_credentials()
equal("botocore gets the same", (keys.access_key, keys.method), (given["AccessKeyId"], "iam-role"))

config = os.path.join(os.environ["PEER_SCRATCH"], "config")
with open(config, "w") as f:
    f.write("[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/ops\ncredential_source = Ec2InstanceMetadata\n")
status, aws, _ = whoami(AWS_CONFIG_FILE=config, AWS_PROFILE="ops")
equal("a role is assumed with them", (status, aws["kind"], aws["arn"].split("/")[1]), (0, "role", "ops"))

status, output, errors = peer.run(CMEK, "run", "console", "--cluster", "orders-one", "--yes", "--json")
equal("a run makes everything with them", (status, json.loads(output)["run"]["status"]), (0, "done"))
peer.done()

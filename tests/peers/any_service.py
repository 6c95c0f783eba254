"""Services that recipes of one's own call. boto3 and the AWS CLI as clients of the simulated SNS; aws.call, in scripts of cmek exec,
as a client of moto, by every protocol, boto3 reading back what it made; and botocore as the one who knows how services are spoken to.
usage: any_service.py CMEK; the last line is the tally.
"""
import json, os, sys, tempfile
import peer
from peer import check, equal, refused

CMEK = os.path.abspath(sys.argv[1])
MOTO = [os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAMOTOMOTOMOTOMOTO", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
# cmek's names are those that services sign with; botocore's are its own
BOTOCORE = {"tagging": "resourcegroupstaggingapi", "monitoring": "cloudwatch", "states": "stepfunctions"}
REGIONS = ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"]


def wire():
    """Protocol, version or target, host and signing name of each service that cmek knows."""
    import botocore.session
    from botocore.endpoint_provider import EndpointProvider
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    partitions = loader.load_data("partitions")
    with tempfile.TemporaryDirectory(prefix="cmek-peer-") as scratch:
        path = os.path.join(scratch, "answers.json")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "any_service.lua")
        status, out, err = peer.run(CMEK, "test", script, path, *REGIONS)
        if not check("cmek says what it knows", status == 0, out + err):
            return
        with open(path) as f:
            answers = json.load(f)
    check("it knows services", len(answers["known"]) >= 20)
    rules = {}
    for name, seen in answers["known"].items():
        botocore_name = BOTOCORE.get(name, name)
        data = session.get_service_model(botocore_name).metadata
        spoken = [p for p in data.get("protocols", [data["protocol"]])]
        kind = "json" if seen["protocol"].startswith("json-") else seen["protocol"]
        check(f"{name}: its protocol", kind in spoken, (seen, spoken))
        if kind == "json":
            equal(f"{name}: its target", (seen["protocol"], seen["target"]), ("json-" + data["jsonVersion"], data["targetPrefix"]))
        else:
            equal(f"{name}: its version", seen["version"], data["apiVersion"])
        equal(f"{name}: it signs so", data.get("signingName", data["endpointPrefix"]), name)
        rules[name] = EndpointProvider(loader.load_service_model(botocore_name, "endpoint-rule-set-1"), partitions)
    for asked in answers["hosts"]:
        try:
            want = rules[asked["service"]].resolve_endpoint(Region=asked["region"], UseFIPS=asked["fips"], UseDualStack=False).url
        except Exception:   # rules of another kind, or no such host
            continue
        if asked["service"] == "organizations":   # one for a partition; cmek wants its region named where FIPS is on
            continue
        equal(f"{asked['service']} {asked['region']} fips={asked['fips']}", asked["url"], want)


def script(url, text, write=True):
    """A script of cmek exec against moto: what it printed, decoded, or its refusal."""
    with tempfile.TemporaryDirectory(prefix="cmek-peer-") as scratch:
        path = os.path.join(scratch, "script.lua")
        with open(path, "w") as f:
            f.write(text)
        words = ["exec"] + (["--write", "--yes"] if write else []) + [path]
        status, out, err = peer.run(CMEK, *words, AWS_ENDPOINT_URL=url, COCKROACH_API_KEY="CCDB1_x", CMEK_STATE_DIR=scratch, **KEYS)
    if status != 0:
        return {"failed": err}
    return json.loads(out)


def by_every_protocol(url):
    """aws.call speaks to moto; boto3 finds what it made."""
    import boto3
    client = lambda name: boto3.client(name, region_name="us-east-1", endpoint_url=url, aws_access_key_id="AKIAMOTOMOTOMOTOMOTO", aws_secret_access_key="moto")
    made = script(url, """
      local call = function(service, operation, parameters, more)
        local request = { service = service, operation = operation, region = "us-east-1", parameters = parameters }
        for name, value in pairs(more or {}) do request[name] = value end
        return aws.call(request)
      end
      local topic = call("sns", "CreateTopic", { Name = "keys", Tags = { { Key = "team", Value = "a b/ü" } },
        ["Attributes.entry.1.key"] = "DisplayName", ["Attributes.entry.1.value"] = "Keys" }).TopicArn
      local queue = call("sqs", "CreateQueue", { QueueName = "keys", Attributes = { DelaySeconds = "5" }, tags = { team = "x" } }).QueueUrl
      call("events", "PutRule", { Name = "keys", ScheduleExpression = "rate(1 day)" })
      call("secretsmanager", "CreateSecret", { Name = "keys", SecretString = "not-a-real-secret" })
      call("monitoring", "PutMetricAlarm", { AlarmName = "keys", MetricName = "m", Namespace = "n", Statistic = "Sum", Period = 60,
        EvaluationPeriods = 1, Threshold = 1, ComparisonOperator = "GreaterThanThreshold" })
      call("scheduler", "CreateScheduleGroup", { Tags = { { Key = "a", Value = "b" } } },
        { protocol = "rest-json", method = "POST", path = "/schedule-groups/keys" })
      call("s3", "CreateBucket", nil, { protocol = "rest-xml", method = "PUT", path = "/cmek-keys" })
      call("s3", "PutBucketTagging", nil, { protocol = "rest-xml", method = "PUT", path = "/cmek-keys", query = { tagging = "" },
        body = "<Tagging><TagSet><Tag><Key>team</Key><Value>x</Value></Tag></TagSet></Tagging>" })
      local vpc = call("ec2", "CreateVpc", { CidrBlock = "10.0.0.0/16", TagSpecification = {
        { ResourceType = "vpc", Tag = { { Key = "team", Value = "x" } } } } }).vpc.vpcId
      local message = call("sns", "Publish", { TopicArn = topic, Message = "done", Subject = "CMEK" }).MessageId
      local secret = call("secretsmanager", "GetSecretValue", { SecretId = "keys" })
      print(json.encode { topic = topic, queue = queue, vpc = vpc, message = message, secret = tostring(secret.SecretString), name = secret.Name })
    """)
    if not check("all calls were answered", "failed" not in made, made):
        return
    sns = client("sns")
    equal("SNS has the topic", sns.get_topic_attributes(TopicArn=made["topic"])["Attributes"]["DisplayName"], "Keys")
    equal("its tag", sns.list_tags_for_resource(ResourceArn=made["topic"])["Tags"], [{"Key": "team", "Value": "a b/ü"}])
    check("a message has an ID", len(made["message"]) == 36, made)
    sqs = client("sqs")
    equal("SQS has the queue", sqs.get_queue_attributes(QueueUrl=made["queue"], AttributeNames=["DelaySeconds"])["Attributes"], {"DelaySeconds": "5"})
    equal("EventBridge has the rule", [r["Name"] for r in client("events").list_rules()["Rules"]], ["keys"])
    equal("CloudWatch has the alarm", [a["AlarmName"] for a in client("cloudwatch").describe_alarms()["MetricAlarms"]], ["keys"])
    check("the scheduler has the group", "keys" in [g["Name"] for g in client("scheduler").list_schedule_groups()["ScheduleGroups"]])
    equal("S3 has the bucket's tag", client("s3").get_bucket_tagging(Bucket="cmek-keys")["TagSet"], [{"Key": "team", "Value": "x"}])
    equal("EC2 has the VPC's tag", client("ec2").describe_vpcs(VpcIds=[made["vpc"]])["Vpcs"][0]["Tags"], [{"Key": "team", "Value": "x"}])
    equal("a secret is none of Lua's texts", (made["secret"], made["name"]), ("****", "keys"))
    read = script(url, """
      local found = aws.call { service = "sns", operation = "GetTopicAttributes", region = "us-east-1", parameters = { TopicArn = "%s" } }
      local vpcs = aws.call { service = "ec2", operation = "DescribeVpcs", region = "us-east-1", parameters = { VpcId = { "%s" } } }.vpcSet
      local ok, refused = pcall(aws.call, { service = "sns", operation = "GetTopicAttributes", region = "us-east-1",
        parameters = { TopicArn = "arn:aws:sns:us-east-1:123456789012:nobody" } })
      print(json.encode { display = found.Attributes.DisplayName, tag = vpcs[1].tagSet[1].value, ok = ok, code = refused.code, status = refused.status })
    """ % (made["topic"], made["vpc"]), write=False)
    equal("reads need no right to write, and refusals have their code", read, {"display": "Keys", "tag": "x", "ok": False, "code": "NotFound", "status": 404})
    said = script(url, 'aws.call { service = "sns", operation = "Publish", region = "us-east-1", parameters = { TopicArn = "%s" } }' % made["topic"], write=False)
    check("a write without --write does not leave", "door: sns Publish is a write" in said.get("failed", ""), said)
    refusals(url)


def refusals(url):
    """The error of each protocol, as moto words it: code and status as boto3 reads them."""
    for name, text, code in [
        ("JSON 1.0", 'service = "sqs", operation = "GetQueueUrl", parameters = { QueueName = "nobody" }', "QueueDoesNotExist"),
        ("JSON 1.1", 'service = "secretsmanager", operation = "DescribeSecret", parameters = { SecretId = "nobody" }', "ResourceNotFoundException"),
        ("EC2", 'service = "ec2", operation = "DescribeVpcs", parameters = { VpcId = { "vpc-00000000" } }', "InvalidVpcID.NotFound"),
        ("REST and XML", 'service = "s3", operation = "GetBucketTagging", protocol = "rest-xml", method = "GET", path = "/nobody-has-this", '
                         'query = { tagging = "" }', "NoSuchBucket"),
        ("REST and JSON", 'service = "scheduler", operation = "GetScheduleGroup", protocol = "rest-json", method = "GET", '
                          'path = "/schedule-groups/nobody"', "ResourceNotFoundException"),
    ]:
        said = script(url, 'local ok, refused = pcall(aws.call, { region = "us-east-1", %s }) print(json.encode { code = refused.code or tostring(refused) })' % text)
        check(f"{name}: its refusal has a code", code in str(said.get("code", said)), said)


def as_clients():
    """Inside cmek sim: boto3 and the AWS CLI."""
    import boto3
    from botocore.config import Config
    quick = Config(retries={"max_attempts": 1})
    sns = boto3.client("sns", region_name="us-east-1", config=quick)
    topic = sns.create_topic(Name="peer", Attributes={"DisplayName": "Peer & <co>"}, Tags=[{"Key": "team", "Value": "ü"}])["TopicArn"]
    equal("the topic's ARN", topic, "arn:aws:sns:us-east-1:210987654321:peer")
    equal("made again it is the same", sns.create_topic(Name="peer")["TopicArn"], topic)
    refused("otherwise it is refused", "InvalidParameter", lambda: sns.create_topic(Name="peer", Attributes={"DisplayName": "x"}))
    got = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    equal("its attributes", (got["DisplayName"], got["Owner"], got["TopicArn"]), ("Peer & <co>", "210987654321", topic))
    equal("its policy is JSON", json.loads(got["Policy"])["Statement"][0]["Resource"], topic)
    check("what is published has an ID", len(sns.publish(TopicArn=topic, Message="ü", Subject="x")["MessageId"]) == 36)
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "more", "Value": ""}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["team"])
    equal("its tags", sns.list_tags_for_resource(ResourceArn=topic)["Tags"], [{"Key": "more", "Value": ""}])
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="new")
    equal("an attribute that was set", sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"], "new")
    for i in range(3):
        sns.create_topic(Name=f"page-{i}")
    names = [t["TopicArn"].split(":")[-1] for page in sns.get_paginator("list_topics").paginate() for t in page["Topics"]]
    equal("all topics", names, ["page-0", "page-1", "page-2", "peer"])
    refused("a topic that is not there", "NotFound", lambda: sns.publish(TopicArn=topic + "x", Message="m"))
    refused("an ARN that is none", "InvalidParameter", lambda: sns.get_topic_attributes(TopicArn="peer"))
    refused("a message that says nothing", "InvalidParameter", lambda: sns.publish(TopicArn=topic, Message=""))
    refused("tags of nothing", "ResourceNotFound", lambda: sns.list_tags_for_resource(ResourceArn=topic + "x"))
    reader = boto3.client("sns", region_name="us-east-1", config=quick, aws_access_key_id="AKIASIMULATEDREAD0001",
                          aws_secret_access_key="simulated/secret/not-a-real-one/00000003")
    check("who may only look sees it", len(reader.list_topics()["Topics"]) > 0)
    refused("and publishes nothing", "AuthorizationError", lambda: reader.publish(TopicArn=topic, Message="m"))
    wrong = boto3.client("sns", region_name="us-east-1", config=quick, aws_access_key_id="AKIASIMULATEDREAD0001", aws_secret_access_key="x")
    refused("a wrong secret", "SignatureDoesNotMatch", wrong.list_topics)
    status, out, err = peer.run("aws", "sns", "publish", "--topic-arn", topic, "--message", "from the CLI", "--output", "json")
    check("the CLI publishes", status == 0 and "MessageId" in out, (out, err))
    status, out, err = peer.run("aws", "sns", "delete-topic", "--topic-arn", topic)
    equal("and deletes, twice", (status, peer.run("aws", "sns", "delete-topic", "--topic-arn", topic)[0]), (0, 0))
    status, out, err = peer.run("aws", "sns", "get-topic-attributes", "--topic-arn", topic)
    check("then it is gone", status != 0 and "(NotFound)" in err and "Topic does not exist" in err, err)
    check("what is not simulated says so", "is not simulated here" in peer.run("aws", "events", "list-rules")[2])


if peer.inside():
    peer.passed, peer.failed = int(os.environ["PEER_PASSED"]), int(os.environ["PEER_FAILED"])   # what came before
    as_clients()
    peer.done()

wire()
with peer.Server(MOTO) as moto:
    by_every_protocol(moto.url)
peer.enter(PEER_PASSED=str(peer.passed), PEER_FAILED=str(peer.failed))

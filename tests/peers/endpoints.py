"""botocore as the one who knows AWS's hosts: every region of every partition, FIPS, dual-stack and STS's old global endpoint, each
service's URL and signing region as botocore's rules have it. Nothing is sent.

    endpoints.py CMEK
"""
import itertools, json, os, sys, tempfile

import botocore.exceptions, botocore.session
from botocore.endpoint_provider import EndpointProvider

import peer

SERVICES = {"iam": "iam", "kms": "kms", "sts": "sts", "tagging": "resourcegroupstaggingapi"}
session = botocore.session.Session()
loader = session.get_component("data_loader")
rules = {name: EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))
         for name, service in SERVICES.items()}


def regions():
    """All that botocore lists for a service of ours, and two that are newer than it."""
    names = set()
    for partition in session.get_available_partitions():
        for service in ["kms", "sts"]:
            names.update(session.get_available_regions(service, partition))
    return sorted(names | {"ap-southeast-9", "us-gov-north-1"})


def undocumented(setting):
    """Hosts of IAM that botocore makes up from a template and AWS lists nowhere: cmek refuses to guess where credentials go."""
    region, fips, dual = setting["region"], setting["fips"], setting["dual"]
    return region.split("-")[1].startswith("iso") and (fips or dual) or region.startswith(("cn-", "eusc-")) and fips and dual


def by_botocore(setting):
    answer = {}
    for name, provider in rules.items():
        parameters = {"Region": setting["region"], "UseFIPS": setting["fips"], "UseDualStack": setting["dual"]}
        if name == "sts":
            parameters["UseGlobalEndpoint"] = setting["legacy"]
        try:
            endpoint = provider.resolve_endpoint(**parameters)
        except botocore.exceptions.EndpointProviderError:   # the partition has none
            answer[name] = None
            continue
        schemes = endpoint.properties.get("authSchemes", [{}])
        answer[name] = [endpoint.url, schemes[0].get("signingRegion", setting["region"])]
    return answer


def main():
    settings = [{"region": region, "fips": fips, "dual": dual, "legacy": legacy}
                for region in regions() for fips, dual, legacy in itertools.product([False, True], repeat=3)
                if not (legacy and (fips or dual))]
    with tempfile.TemporaryDirectory(prefix="cmek-peer-") as scratch:
        asked, answered = os.path.join(scratch, "settings.jsonl"), os.path.join(scratch, "answers.jsonl")
        with open(asked, "w") as f:
            f.writelines(json.dumps(setting) + "\n" for setting in settings)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "endpoints.lua")
        status, output, errors = peer.run(os.path.abspath(sys.argv[1]), "test", script, asked, answered)
        if not peer.check("cmek computes all endpoints", status == 0, output + errors):
            peer.done()
        with open(answered) as f:
            answers = [json.loads(line) for line in f]
    peer.equal("an answer to every setting", len(answers), len(settings))
    for setting, answer in zip(settings, answers):
        want = by_botocore(setting)
        if "error" in answer:
            peer.check(f"{setting} is rightly refused", undocumented(setting) or None in want.values(), [answer, want])
        else:
            for name in SERVICES:
                if want[name] is not None:
                    peer.equal(f"{setting} {name}", answer[name], want[name])
    peer.done()


main()

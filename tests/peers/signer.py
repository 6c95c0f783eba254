"""botocore as a second signer: random requests from a seed, each signed by botocore and by cmek, every signature equal.

    signer.py CMEK [SEED [REQUESTS]]

What both get is the same request in two spellings. botocore gets a URL, or raw parameters; cmek gets the path and the query as
they go on the wire, where any character may or may not be percent-encoded. Every fourth request is signed in its query instead.
"""
import base64, datetime, hashlib, json, os, random, sys, tempfile
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import peer

SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20260102
REQUESTS = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
UNRESERVED = "-_.~"
LETTERS = "abcXYZ0129-_.~"
AWKWARD = LETTERS + " !\"$'()*,:;<>@[]^`{|}/?#&=+%\\éüß→日本😀"
WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-3", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]
SERVICES = ["iam", "sts", "kms", "tagging", "execute-api"]
UNSIGNED = ["User-Agent", "Expect", "Transfer-Encoding", "X-Amzn-Trace-Id"]  # neither signs these: cmek is not given them
rng = random.Random(SEED)


def text(alphabet, least, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(least, most)))


def any_case(escape):
    return escape.lower() if rng.random() < 0.3 else escape


def on_the_wire(name, keep):
    """Percent-encoded where it must be, and here and there where it need not; what is in keep may stay as it is."""
    spelled = ""
    for c in name:
        free = c in UNRESERVED or c.isascii() and c.isalnum() or c in keep
        spelled += c if free and rng.random() < 0.9 else "".join(any_case(f"%{b:02X}") for b in c.encode())
    return spelled


def random_path():
    segments = []
    for _ in range(rng.randint(0, 6)):
        kind = rng.random()
        if kind < 0.2:
            segments.append(rng.choice([".", "..", "", "...", ".a", "a.."]))
        elif kind < 0.5:
            segments.append(text(LETTERS, 1, 8))
        else:  # raw, as a custom endpoint may have it, or encoded already: either is encoded once more
            raw = text(AWKWARD, 1, 8).replace("?", "x").replace("#", "y").replace("/", "z").replace("\\", "w")
            segments.append(raw if rng.random() < 0.5 else quote(raw, safe=""))
    return "/" + "/".join(segments) + rng.choice(["", "/"]) if rng.random() < 0.95 else ""


def random_parameters(repeated):
    names = [text(AWKWARD, 1, 8) for _ in range(rng.randint(0, 6))]
    if repeated and names:
        names += [rng.choice(names) for _ in range(rng.randint(0, 3))]
    elif not repeated:
        names = list(dict.fromkeys(names))
    return [(name, text(AWKWARD, 0, 12)) for name in names]


def random_headers(body):
    headers = []
    for _ in range(rng.randint(0, 6)):
        name = rng.choice(["X-Amz-Target", "x-amz-meta-", "Content-Type", "My-Header", "X-", "ACCEPT", "if_match"])
        name += text(LETTERS.replace(".", ""), 1, 3) if name.endswith("-") else ""
        value = text(LETTERS + "   \t\"',;=/é日", 0, 24)
        headers.append((name, value))
        if rng.random() < 0.2:
            headers.append((rng.choice([name, name.lower(), name.upper()]), text(LETTERS + "  ", 0, 9)))
    if rng.random() < 0.2:
        headers.append(("X-Amz-Content-SHA256", hashlib.sha256(body).hexdigest()))
    return headers


def random_origin():
    """A URL's beginning, and the Host that goes with it: lower case, the port unless it is the scheme's own."""
    scheme = rng.choice(["http", "https"])
    host = rng.choice(["127.0.0.1", "[::1]", text(WORD, 1, 9) + ".amazonaws.com", "KMS.eu-west-1.amazonaws.com"])
    port = rng.choice([None, 80, 443, rng.randint(1, 65535)])
    shown = host.lower() + (f":{port}" if port and port != {"http": 80, "https": 443}[scheme] else "")
    return f"{scheme}://{host}" + (f":{port}" if port else ""), shown


def random_case(number):
    presign = number % 4 == 3
    body = b"" if presign else rng.choice([b"", rng.randbytes(rng.randint(1, 300)), text(AWKWARD, 1, 200).encode(), b"Action=ListUsers&Version=2010-05-08"])
    origin, host = random_origin()
    moment = datetime.datetime(2015, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 20 * 365 * 86400))
    return {
        "presign": presign, "method": "GET" if presign else rng.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
        "origin": origin, "host": host, "path": random_path(), "parameters": random_parameters(repeated=not presign),
        "in_url": presign or rng.random() < 0.5, "headers": random_headers(body), "body": body,
        "unsigned": rng.sample(UNSIGNED, rng.randint(0, 2)), "moment": moment, "expires": rng.randint(1, 604800),
        "access_key_id": "AKIA" + text(WORD.upper(), 16, 16), "secret": text(WORD + "+/", rng.choice([1, 40, 40, 40, 90]), 100),
        "token": text(WORD + "+/", 20, 900) + rng.choice(["", "=", "=="]) if rng.random() < 0.4 else None,
        "region": rng.choice(REGIONS), "service": rng.choice(SERVICES),
    }


def by_botocore(case):
    """The Authorization header, or the query, and the canonical request."""
    url = case["origin"] + case["path"]
    if case["in_url"] and case["parameters"]:
        url += "?" + "&".join(f"{quote(k, safe=UNRESERVED)}={quote(v, safe=UNRESERVED)}" for k, v in case["parameters"])
    request = AWSRequest(method=case["method"], url=url, data=case["body"], params=None if case["in_url"] else case["parameters"])
    for name, value in case["headers"] + [(name, "unsigned") for name in case["unsigned"]]:
        request.headers[name] = value
    credentials = Credentials(case["access_key_id"], case["secret"], case["token"])
    botocore.auth.get_current_datetime = lambda: case["moment"]
    if case["presign"]:
        signer = botocore.auth.SigV4QueryAuth(credentials, case["service"], case["region"], expires=case["expires"])
    else:
        signer = botocore.auth.SigV4Auth(credentials, case["service"], case["region"])
    seen = []
    canonical = signer.canonical_request
    signer.canonical_request = lambda r: seen.append(canonical(r)) or seen[-1]
    signer.add_auth(request)
    return request.url.partition("?")[2] if case["presign"] else request.headers["Authorization"], seen[-1]


def for_cmek(case):
    """The same request as sigv4.sign or sigv4.presign takes it."""
    stamp = case["moment"].strftime("%Y%m%dT%H%M%SZ")
    headers = case["headers"] + [("Host", case["host"])]
    pairs = [on_the_wire(k, ":@!$'()*,;/") + "=" + on_the_wire(v, ":@!$'()*,;/=") for k, v in case["parameters"]]
    request = {name: case[name] for name in ["presign", "method", "path", "access_key_id", "secret", "region", "service"]}
    request.update(query="&".join(pairs), stamp=stamp, body=base64.b64encode(case["body"]).decode())
    if case["presign"]:
        request.update(expires=case["expires"], **({"session_token": case["token"]} if case["token"] else {}))
    else:
        headers += [("X-Amz-Date", stamp)] + ([("X-Amz-Security-Token", case["token"])] if case["token"] else [])
    rng.shuffle(headers := keep_order(headers))
    request["headers"] = [pair for group in headers for pair in group]
    return request


def keep_order(headers):
    """Groups of headers that have one name: those are joined in the order they came, so only the groups may be shuffled."""
    groups = {}
    for name, value in headers:
        groups.setdefault(name.lower(), []).append([name, value])
    return list(groups.values())


def signature(signed):
    """What is compared: all of an Authorization header; of a query the signature, for the request's own parameters are spelled freely."""
    return signed.rpartition("X-Amz-Signature=")[2] if "X-Amz-Signature=" in signed else signed


def main():
    cases = [random_case(number) for number in range(REQUESTS)]
    with tempfile.TemporaryDirectory(prefix="cmek-peer-") as scratch:
        asked, answered = os.path.join(scratch, "requests.jsonl"), os.path.join(scratch, "answers.jsonl")
        with open(asked, "w") as f:
            f.writelines(json.dumps(for_cmek(case), ensure_ascii=False) + "\n" for case in cases)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "signer.lua")
        status, output, errors = peer.run(os.path.abspath(sys.argv[1]), "test", script, asked, answered)
        if not peer.check("cmek signs all requests", status == 0, output + errors):
            peer.done()
        with open(answered) as f:
            answers = [json.loads(line) for line in f]
    peer.equal("an answer to every request", len(answers), len(cases))
    for number, (case, answer) in enumerate(zip(cases, answers)):
        signed, canonical = by_botocore(case)
        got, want = signature(answer["signed"]), signature(signed)
        if not peer.equal(f"request {number} of seed {SEED} has botocore's signature", got, want):
            print(f"         {case}")
            for ours, theirs in zip(answer["canonical_request"].split("\n"), canonical.split("\n")):
                print(f"  cmek     {ours}" + ("" if ours == theirs else f"\n  botocore {theirs}"))
    peer.done()


main()

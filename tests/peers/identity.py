"""botocore as judge of who we are: over set-ups of files, environment and command line from a seed, cmek and botocore agree on access key
ID, kind of source and region, or both refuse. Each known difference stands in a table with the sentence that decides it; botocore then
reads the set-up rewritten to its own ways.
The services are a stand-in that answers alike whoever asks: keys are named after what they were got with, so that equal IDs mean equal ways.
usage: identity.py CMEK [SEED [COUNT]]; the last line is the tally.
"""
import hashlib, http.server, json, os, re, shutil, stat, subprocess, sys, tempfile, threading, urllib.parse
import peer
from identity_cases import ROLE, generated
from peer import check, equal

CMEK = os.path.abspath(sys.argv[1])
SEED, COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 1, int(sys.argv[3]) if len(sys.argv) > 3 else 90
START_URL = "https://peer.awsapps.com/start"
KINDS = {"env": "environment", "shared-credentials-file": "static", "config-file": "static", "custom-process": "process", "assume-role": "role",
         "assume-role-with-web-identity": "web-identity", "sso": "sso", "container-role": "container", "iam-role": "metadata"}


def name_of(*parts):
    return "ASIA" + hashlib.sha256("|".join(parts).encode()).hexdigest()[:16].upper()


LATER = "2099-01-01T00:00:00Z"


class Services(http.server.BaseHTTPRequestHandler):
    """STS, the portal, a container and an instance, for anybody."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body, kind="application/json"):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self):
        self.say(200, "imds-token", "text/plain")

    def do_GET(self):
        path = self.path
        if path == "/container":
            return self.say(200, dict(AccessKeyId=name_of("container", self.headers.get("Authorization") or ""), SecretAccessKey="s" * 30,
                                      Token="t" * 30, Expiration=LATER))
        if path == "/latest/meta-data/iam/security-credentials/":
            return self.say(200, "instance-role", "text/plain")
        if path == "/latest/meta-data/iam/security-credentials/instance-role":
            return self.say(200, dict(Code="Success", Type="AWS-HMAC", AccessKeyId=name_of("instance"), SecretAccessKey="s" * 30, Token="t" * 30,
                                      LastUpdated="2026-01-01T00:00:00Z", Expiration=LATER))
        if path.startswith("/federation/credentials"):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
            key = name_of(self.headers["x-amz-sso_bearer_token"], query["account_id"][0], query["role_name"][0])
            keys = dict(accessKeyId=key, secretAccessKey="s" * 30, sessionToken="t" * 30, expiration=4070908800000)
            return self.say(200, dict(roleCredentials=keys))
        self.say(404, {})

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        action = form.get("Action", ["none"])[0]
        signer = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization") or "")
        if action == "GetCallerIdentity":
            inner = "<Account>210987654321</Account><Arn>arn:aws:iam::210987654321:user/peer</Arn><UserId>AIDAPEER</UserId>"
        elif action.startswith("AssumeRole"):
            external, token = form.get("ExternalId", [""])[0], form.get("WebIdentityToken", [""])[0]
            key = name_of(action, form["RoleArn"][0], external, token, signer.group(1) if signer else "")
            inner = (f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{'s' * 30}</SecretAccessKey><SessionToken>{'t' * 30}</SessionToken>"
                     f"<Expiration>{LATER}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROAPEER:x</AssumedRoleId>"
                     f"<Arn>arn:aws:sts::210987654321:assumed-role/x/x</Arn></AssumedRoleUser>")
        else:
            return self.say(400, {})
        self.say(200, f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{inner}</{action}Result>'
                 f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>", "text/xml")


# ---- the two ----

def setup_home():
    """A home with sign-ins, a token and a program that prints keys."""
    home = tempfile.mkdtemp(prefix="cmek-identity-")
    cache = os.path.join(home, ".aws", "sso", "cache")
    os.makedirs(cache)
    for key, token, ends in (("my-session", "sso-token-one", LATER), (START_URL, "sso-token-two", LATER),
                             ("old-session", "sso-token-old", "2020-01-01T00:00:00Z")):
        with open(os.path.join(cache, hashlib.sha1(key.encode()).hexdigest() + ".json"), "w") as f:
            json.dump(dict(startUrl=START_URL, region="eu-west-1", accessToken=token, expiresAt=ends), f)
    with open(os.path.join(home, "token"), "w") as f:
        f.write("web-identity-token")
    program = os.path.join(home, "keys")
    with open(program, "w") as f:
        f.write("""#!/bin/sh
[ "$1" = FAIL ] && { echo 'no keys today' >&2; exit 3; }
[ "$1" = OLD ] && more=',"Expiration":"2020-01-01T00:00:00Z"'
printf '{"Version":1,"AccessKeyId":"AKIAPROCESS%s","SecretAccessKey":"not-a-real-key"%s}' "$1" "$more"
""")
    os.chmod(program, stat.S_IRWXU)
    return home, program


def variables_of(case, home):
    for name in "config", "credentials":
        with open(os.path.join(home, name), "w") as f:
            f.write(case[name])
    return dict(case["environment"], HOME=home, PATH=os.environ["PATH"], AWS_CONFIG_FILE=os.path.join(home, "config"),
                AWS_SHARED_CREDENTIALS_FILE=os.path.join(home, "credentials"))


def by_cmek(case, variables):
    argv = [CMEK, "whoami", "--json"] + (["--profile", case["profile"]] if case["profile"] else [])
    extra = dict(COCKROACH_SERVER=case["environment"]["AWS_ENDPOINT_URL"], COCKROACH_API_KEY="not-a-key")
    r = subprocess.run(argv, env=dict(variables, **extra), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    aws = json.loads(r.stdout)["aws"]
    case["said"] = aws.get("error", {}).get("message")
    if aws["access_key_id"] is None:
        return "refused", aws["region"]
    return (aws["access_key_id"], aws["kind"]), aws["region"]


def by_botocore(case, variables):
    import botocore.session
    os.environ.clear()
    os.environ.update(variables)
    session = botocore.session.Session(profile=case["profile"])
    try:
        region = session.get_config_variable("region")
    except Exception:
        region = None
    try:
        keys = session.get_credentials()
        seen = (keys.get_frozen_credentials().access_key, KINDS.get(keys.method, keys.method)) if keys else "refused"
        case["theirs"] = None
    except Exception as error:
        seen, case["theirs"] = "refused", f"{type(error).__name__}: {error}"
    return seen, region


# ---- what is known to differ ----

def with_environment(case, **changes):
    variables = {**case["environment"], **changes}
    return dict(case, environment={name: value for name, value in variables.items() if value is not None})


def with_config(case, pattern, by):
    return dict(case, config=re.sub(pattern, by, case["config"], flags=re.M))


def variable(name):
    return lambda case: case["environment"].get(name)


def text(pattern):
    return lambda case: re.search(pattern, case["config"], re.M)


# Each: the sentence that decides it; whether a set-up has it; the set-up rewritten so that botocore's reading of it is cmek's of the original.
DIFFERENCES = [
    ("region: explicit > AWS_REGION > AWS_DEFAULT_REGION > profile; botocore reads only AWS_DEFAULT_REGION, reading both is what users expect",
     variable("AWS_REGION"), lambda case: with_environment(case, AWS_DEFAULT_REGION=case["environment"]["AWS_REGION"])),
    ("profile: explicit > AWS_PROFILE (> AWS_DEFAULT_PROFILE); botocore asks the second first",
     lambda case: case["environment"].get("AWS_PROFILE") and case["environment"].get("AWS_DEFAULT_PROFILE"),
     lambda case: with_environment(case, AWS_DEFAULT_PROFILE=None)),
    ("half a pair is an error, as an ID without a secret is; botocore passes a secret without an ID by",
     lambda case: case["environment"].get("AWS_SECRET_ACCESS_KEY") and not case["environment"].get("AWS_ACCESS_KEY_ID"),
     lambda case: with_environment(case, AWS_ACCESS_KEY_ID="AKIAHALF", AWS_SECRET_ACCESS_KEY=None)),
    ("a comment follows a value after white space; botocore keeps it in the value",
     text(r" [#;]"), lambda case: with_config(case, r"[ \t]+[#;].*", "")),
    ("[profile default] replaces [default] entirely, wherever it stands; to botocore the later one does",
     lambda case: "[profile default]" in case["config"] and "[default]" in case["config"],
     lambda case: with_config(case, r"^\[default\][^\[]*", "")),
    ("a profile in both files: values count one by one, those of the credentials file first; to botocore each file's pair stands alone",
     lambda case: case.get("split"), lambda case: dict(case, config="", credentials=case["split"])),
    ("exactly one of source_profile, credential_source and web_identity_token_file; botocore takes the last of several",
     text(r"^source_profile[^\[]*^web_identity"), lambda case: with_config(case, r"^web_identity_token_file.*", "credential_source = Environment")),
    ("the same section twice is merged, of the same key twice the last wins; botocore refuses the file",
     lambda case: case.get("merged"), lambda case: dict(case, config=case["merged"])),
    ("a byte order mark is passed by (not confirmed for all SDKs); botocore refuses the file",
     lambda case: case["config"].startswith("\ufeff"), lambda case: dict(case, config=case["config"][1:])),
    ("key = value, and a line without = is an error; botocore takes a colon as well",
     text(r"^region:"), lambda case: with_config(case, r"^region:", "region ")),
    ("quotes around a profile's name are not stripped by all SDKs, and a name has no blanks; botocore strips them",
     text(r'^\[profile "'), lambda case: with_config(case, r'^\[profile "[^"]*"\]', "[profile other]")),
    ("an empty value counts as unset; to botocore the region is then empty",
     text(r"^region =$"), lambda case: with_config(case, r"^region =$", "")),
]


def as_botocore_reads(case):
    """The set-up in which botocore should see what cmek sees in the original, and which differences it has."""
    had = []
    for number, (_, applies, translate) in enumerate(DIFFERENCES):
        if applies(case):
            case = translate(case)
            had.append(number)
    return case, had


def directed(here):
    """A set-up for each known difference, so that none stands in the table for nothing."""
    def keys(name):
        return f"aws_access_key_id = AKIA{name}\naws_secret_access_key = not-a-real-key\n"

    def case(config, credentials="", variables={}, **more):
        environment = {"AWS_ENDPOINT_URL": here["url"], "AWS_EC2_METADATA_DISABLED": "true", **variables}
        return dict(config=config, credentials=credentials, environment=environment, profile=None, **more)

    plain = "[default]\nregion = eu-west-1\n" + keys("PLAIN")
    role = f"[default]\nrole_arn = {ROLE}x\nsource_profile = base\nweb_identity_token_file = {here['token']}\n[profile base]\n" + keys("BASE")
    return [
        case(plain, variables={"AWS_REGION": "us-west-2"}),
        case("", "[dev]\n" + keys("DEV") + "[ops]\n" + keys("OPS"), {"AWS_PROFILE": "dev", "AWS_DEFAULT_PROFILE": "ops"}),
        case(plain, variables={"AWS_SECRET_ACCESS_KEY": "not-a-real-key"}),
        case(plain.replace("eu-west-1", "eu-west-1 ; where we are")),
        case("[profile default]\n" + keys("FULL") + plain),
        case("[default]\naws_secret_access_key = x\n", "[default]\naws_access_key_id = AKIASPLIT\n", split="[default]\n" + keys("SPLIT")),
        case(role, variables={"AWS_DEFAULT_REGION": "us-east-1"}),
        case(plain + "[default]\nregion = us-west-1\nregion = us-west-2\n", merged=plain.replace("eu-west-1", "us-west-2")),
        case("\ufeff" + plain),
        case(plain.replace(" =", ":", 1)),
        case('[profile "my dev"]\n' + keys("QUOTED"), variables={"AWS_PROFILE": "my dev"}),
        case(plain.replace(" eu-west-1", "")),
    ]


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Services)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home, program = setup_home()
    here = dict(url=f"http://127.0.0.1:{server.server_address[1]}", process=program, token=os.path.join(home, "token"), start_url=START_URL)
    os.environ["HOME"] = home   # botocore looks for sign-ins where it was when it was loaded
    kinds, refused, differing = {}, 0, 0
    for case in generated(SEED, COUNT, here):
        ours = by_cmek(case, variables_of(case, home))
        read, had = as_botocore_reads(case)
        theirs = by_botocore(read, variables_of(read, home))
        differing += bool(had)
        check(f"set-up {case['number']} of seed {SEED}", ours == theirs,
              dict(cmek=ours, botocore=theirs, said=case["said"], theirs=read["theirs"], environment=case["environment"], profile=case["profile"],
                   config=case["config"], credentials=case["credentials"]))
        if ours[0] == "refused":
            refused += 1
        else:
            kinds[ours[0][1]] = kinds.get(ours[0][1], 0) + 1
    equal("every kind of source was met", sorted(kinds), sorted(set(KINDS.values())))
    check("and refusals", refused >= 10, refused)
    check("and none of them stands for nearly all", max(kinds.values()) < COUNT / 2 and refused < COUNT / 2, (kinds, refused))
    for number, case in enumerate(directed(here)):
        reason = DIFFERENCES[number][0][:60]
        ours, theirs = by_cmek(case, variables_of(case, home)), by_botocore(case, variables_of(case, home))
        check(f"botocore reads it otherwise: {reason}", ours != theirs, (ours, theirs, case["said"]))
        read, had = as_botocore_reads(case)
        equal(f"and alike once it is rewritten: {reason}", (had, by_botocore(read, variables_of(read, home))), ([number], ours))
    server.shutdown()
    shutil.rmtree(home, ignore_errors=True)
    counted = ", ".join(f"{n} {k}" for k, n in sorted(kinds.items()))
    print(f"{COUNT} set-ups, {differing} of them with a known difference: {refused} refused by both, {counted}")
    peer.done()


main()

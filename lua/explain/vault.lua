--- What Vault and OpenBao refuse, and what is between here and them.
local CERTIFICATE <const> = { "certificate", "ssl", "tls" }

return {
  { id = "vault.no-token", title = "no token for Vault",
    cause = "cmek talks to Vault with a token, and none is at hand",
    evidence = "neither VAULT_TOKEN (or BAO_TOKEN) nor a token helper nor ~/.vault-token gives one for {address}",
    next = "vault login, or export VAULT_TOKEN=…, or log in by --vault-auth approle, aws, cert, jwt, kubernetes or userpass" },

  { id = "vault.token-refused", title = "Vault does not know the token",
    cause = "the token has ended, was revoked, is mistyped, or is of another cluster or namespace",
    evidence = "{address} refuses the token of {source} also when it is asked about itself",
    next = "get a new token (vault login), or log in by --vault-auth; check VAULT_NAMESPACE (HCP's is admin); cmek whoami tells how long a \z
      token lasts", commands = { "cmek whoami" } },

  { id = "vault.token-blind", title = "the token may not ask what it may do",
    cause = "the token is known, and its policies are without what Vault's policy `default` gives: to look at itself, and to ask what it may do",
    evidence = "{address} does not let it look at itself (namespace: {namespace}), and answers '{words}' to {path}",
    next = 'have a token made with the policy default, or these lines added to a policy of this one:\n\z
      path "auth/token/lookup-self" { capabilities = ["read"] }\n\z
      path "sys/capabilities-self" { capabilities = ["update"] }' },

  { id = "vault.token-malformed", title = "what stands for a token is none",
    fits = { service = "vault", kind = "unsent", message = { "the token holds", "the token is empty" } }, exit = "credentials",
    cause = "a token is one word of printable characters; this has a line end, a space or another character, and was sent nowhere",
    evidence = "{source} gives it for {address}",
    next = "look at {source} (a second line, a quote, an editor's byte order mark), or get a new token: vault login" },

  { id = "vault.login", title = "Vault refuses the login",
    cause = "the role, the name or the secret of the login is wrong, used up or ended, or the method is mounted elsewhere",
    evidence = "{mount} of {address} refuses the login by {method}",
    next = "check {check}; --vault-auth-mount names another mount than {mount}" },

  { id = "vault.login-denied", title = "Vault does not let the login be tried",
    cause = "{denied}",
    evidence = "{mount} of {address} answers the login by {method} with 'permission denied'",
    next = "check {check}; --vault-auth-mount names another mount than {mount} (vault auth list), VAULT_NAMESPACE another namespace" },

  { id = "vault.login-file", title = "a file of the login cannot be read",
    cause = "the login by {method} takes a secret from a file, and the file is not there, is empty, or is not ours to read",
    evidence = "{variable} names {path}",
    next = "check {variable}, and that this user may read the file: ls -l {path}" },

  { id = "vault.login-sts", title = "STS does not take what the login signed",
    cause = "Vault asks STS who signed, and STS does not know the keys, finds the signature too old (this machine's clock), or is of another region",
    evidence = "{mount} of {address} passes on what STS refused",
    next = "check the AWS credentials and the clock; where Vault's sts_region is another, export VAULT_AWS_STS_REGION=REGION",
    commands = { "cmek whoami" } },

  { id = "vault.login-server-id", title = "the login was signed for another Vault",
    cause = "this Vault takes logins alone that are signed with its own ID, and VAULT_AWS_IAM_SERVER_ID is not set or is another",
    evidence = "{mount} of {address} refuses the header X-Vault-AWS-IAM-Server-ID",
    next = "export VAULT_AWS_IAM_SERVER_ID=… (iam_server_id_header_value of {mount}, often the server's host name)" },

  { id = "vault.mfa", title = "the login wants a second factor",
    cause = "the login is bound to a second factor, for which somebody has to be at hand",
    evidence = "the answer to the login by {method} at {mount} asks for it",
    next = "take a method without one for machines: approle, kubernetes, jwt, cert or aws" },

  { id = "vault.wrapped", title = "the wrapped secret_id cannot be unwrapped",
    cause = "a wrapping token serves once and for a short time: it has ended, somebody else has used it, or it is no wrapping token",
    evidence = "Vault does not know the wrapping token of {variable}",
    next = "ask for a new one (or unset VAULT_SECRET_ID_WRAPPED where the secret_id came without wrapping); \z
      when nobody of yours has used this one, its secret_id is somebody else's now: have it destroyed" },

  { id = "vault.reference", title = "a reference into Vault leads nowhere",
    cause = "{variable} says where in Vault a secret is kept, and it is not there",
    evidence = "{place} has no '{field}'",
    next = "check the path and the field: vault kv get shows them without `data/`; a deleted version has to be written anew" },

  { id = "vault.sealed", title = "Vault is sealed",
    fits = { service = "vault", status = 503, message = "sealed" },
    cause = "a Vault that was started or sealed anew answers nobody before it is unsealed",
    evidence = "{address} answers '{words}' (requests: {attempts})",
    next = "have it unsealed (vault operator unseal), then run this again" },

  { id = "vault.uninitialised", title = "Vault is not initialised",
    fits = { service = "vault", message = { "not initialized", "not yet initialized" } },
    cause = "nobody has initialised this Vault: it holds nothing",
    evidence = "{address} answers '{words}'",
    next = "check {source_of_address}: a Vault that serves others is initialised" , facts = function(refusal)
      return { source_of_address = refusal.endpoint_source or "VAULT_ADDR" }
    end },

  { id = "vault.behind", title = "this node has not caught up",
    fits = { service = "vault", status = 412 },
    cause = "a node of a cluster was asked for what another one has written, and does not have it yet",
    evidence = "{address} answers '{words}' (requests: {attempts})",
    next = "run this again; where it stays, name the active node: export VAULT_ADDR=https://…" },

  { id = "vault.performance-standby", title = "this node is a performance standby",
    fits = { service = "vault", message = "performance standby" },
    cause = "a performance standby serves reads, and passes writes on where it may; this one answers neither",
    evidence = "{address} answers '{words}'",
    next = "name the active node, or the load balancer before both: export VAULT_ADDR=https://…" },

  { id = "vault.dr-secondary", title = "this Vault is a disaster-recovery secondary",
    fits = { service = "vault", message = "dr secondary" },
    cause = "a secondary for disaster recovery serves nobody before it is promoted",
    evidence = "{address} answers '{words}'",
    next = "name the primary: export VAULT_ADDR=https://…" },

  { id = "vault.standby", title = "this Vault is a standby",
    fits = { service = "vault", message = "is a standby" },
    cause = "a standby that does not pass requests on sends its clients to the active node; cmek takes its token to no other host than the named one",
    evidence = "{words}",
    next = "name the active node, or the load balancer before both: export VAULT_ADDR=https://…" },

  { id = "vault.denied", title = "a policy does not allow this path",
    fits = { service = "vault", status = 403, message = "permission denied" },
    facts = function(refusal)
      return refusal.about and refusal.about.policy and {} or { policy = "the path", have = "not known", wanted = "more" }
    end,
    cause = "none of the token's policies gives {wanted} on {path}",
    evidence = "the token of {source} has there: {have} (namespace: {namespace})",
    next = "have this line added to a policy of the token: {policy}" },

  { id = "vault.denied-request", title = "a policy allows the path, and not this request",
    cause = "a policy of the token says more of {path} than capabilities: parameters that are allowed, denied or wanted, answers that have to \z
      be wrapped (min_wrapping_ttl), a control group, a rule of Sentinel, or the addresses that the token is bound to",
    evidence = "the token has there {have}, which is what {wanted} takes (namespace: {namespace}), and Vault answers '{words}'",
    next = "look at allowed_parameters, denied_parameters, required_parameters and min_wrapping_ttl of its policies: vault policy read NAME" },

  { id = "vault.namespace", title = "there is no such namespace",
    fits = { service = "vault", status = 404, message = { "namespace not found", 'no handler for route "sys/', "no handler for route 'sys/" } },
    cause = "the namespace is mistyped, or is below another",
    evidence = "{address} answers '{words}' to the namespace {namespace}",
    next = "check VAULT_NAMESPACE: vault namespace list; HCP's is admin, Vault's community edition has none" },

  { id = "vault.name-taken", title = "what has our name in Vault is something else",
    cause = "it was made otherwise than it is wanted, by hand or by another program, and what differs is fixed for its life",
    evidence = "{reason}",
    next = "if nobody uses it, take it away as the step says; else name another mount of the engine: --vault-mount PATH" },

  { id = "vault.key-elsewhere", title = "another KMS provider has the key in Vault",
    cause = "a key of Vault's key management may be distributed to one provider alone",
    evidence = "{reason}",
    next = "if nobody uses what that provider made, take the key from it as the step says; else name another mount: --vault-mount PATH" },

  { id = "vault.version-disabled", title = "Vault keeps the key in use disabled",
    cause = "min_enabled_version of Vault's key was raised past the version that the cluster uses: a rotation that is half done",
    evidence = "{reason}",
    next = "lower it as the step says, at once; raise it when no cluster and no backup needs the older versions any more" },

  { id = "vault.made-anew", title = "the key was distributed anew",
    cause = "somebody took the distribution away, which schedules its KMS keys for deletion, and made it again, with another KMS key",
    evidence = "{reason}",
    next = "take the deletion of the old key back as long as that is possible: what it encrypts is lost with it" },

  { id = "vault.locked-out", title = "Vault would lose its rights to the key",
    cause = "with --admin those alone administer a key, and Vault has to disable, rotate and enable the keys that it makes",
    evidence = "{reason}",
    next = "name whom Vault is in AWS (--vault-principal ARN), or leave the administration to the account" },

  { id = "vault.aws-credentials", title = "AWS does not take the credentials that Vault has",
    fits = { service = "vault", message = { "unrecognizedclientexception", "invalidclienttokenid", "signaturedoesnotmatch", "expiredtoken",
      "invalidsignatureexception", "incompletesignature", "nocredentialproviders", "get credentials:", "failed to refresh cached credentials" } },
    cause = "the AWS keys of Vault's KMS provider are mistyped, deleted or ended, or its server has no identity of its own in AWS",
    evidence = "Vault passes on what AWS said: {words}",
    next = "give Vault others: add --provider-credentials profile:NAME --update-credentials to the command (cmek help keymgmt)" },

  { id = "vault.aws-denied", title = "AWS does not allow Vault to do it",
    fits = { service = "vault", message = { "api error accessdenied", "accessdeniedexception:" } },
    cause = "whom Vault is in AWS lacks a right in KMS: by its own policies, by the key's, or by the organization's",
    evidence = "Vault passes on what AWS said: {words}",
    next = "allow it kms:CreateKey, GetParametersForImport, ImportKeyMaterial, EnableKey, DisableKey, ScheduleKeyDeletion, CreateAlias, UpdateAlias, "
      .. "DeleteAlias, ListAliases, TagResource and DescribeKey, or give Vault other credentials (--provider-credentials, --update-credentials)" },

  { id = "vault.aws", title = "KMS refused what Vault asked for",
    fits = { service = "vault", message = { "api error ", "operation error kms" } },
    cause = "Vault's KMS provider was answered, and not as it wanted",
    evidence = "Vault passes on what AWS said: {words}",
    next = "mend what AWS says, or wait where it has trouble of its own, then run this again" },

  { id = "vault.no-engine", title = "this Vault does not have the engine",
    fits = { service = "vault", message = { "plugin not found in the catalog", "unknown backend type" } },
    cause = "the engine is part of other editions: keymgmt of Vault Enterprise (Advanced Data Protection) and HCP alone",
    evidence = "{address} answers '{words}'",
    next = "use the recipe vault-transit, which every Vault and OpenBao can serve" },

  { id = "vault.no-route", title = "nothing is mounted there",
    fits = { service = "vault", status = 404, message = { "no handler for route", "unsupported path" } },
    cause = "no engine of that name is enabled in the namespace, or it is another kind of engine",
    evidence = "{address} knows no {path} (namespace: {namespace})",
    next = "check the mount and VAULT_NAMESPACE: vault secrets list" },

  { id = "vault.unsupported", title = "the path does not know this operation",
    fits = { service = "vault", status = 405 },
    cause = "another kind of engine is mounted there, or a release of Vault that does not have this yet",
    evidence = "{address} answers '{words}' to {operation} on {path}",
    next = "look what is mounted there: vault secrets list -detailed" },

  { id = "vault.wrapping", title = "an answer came wrapped that should not",
    fits = { service = "vault", message = "came wrapped" },
    cause = "something between here and Vault asks for wrapping: a Vault Agent or a proxy that adds X-Vault-Wrap-TTL",
    evidence = "{address} answers {operation} with a wrapping token in the place of its data",
    next = "name the server itself, or have the wrapping taken out of what stands before it: export VAULT_ADDR=https://…" },

  { id = "vault.throttled", title = "Vault asks for fewer requests",
    fits = { service = "vault", status = 429 },
    cause = "a rate limit quota of this Vault is used up",
    evidence = "{operation} was refused {attempts} times, with waits between",
    next = "run this again, set VAULT_RATE_LIMIT, or have the quota raised" },

  { id = "vault.trouble", title = "Vault has trouble of its own",
    fits = { service = "vault", status_from = 500, not_html = true },
    cause = "the request was well-formed and Vault failed to do it",
    evidence = "{operation} answers {status} (requests: {attempts}): {words}",
    next = "run this again; the server's log tells more" },

  { id = "vault.plain", title = "HTTP where TLS is spoken",
    fits = { service = "vault", message = { "http request to an https server", "received http/0.9" } },
    cause = "the address says http and the server speaks TLS",
    evidence = "{address} answers in TLS",
    next = "export VAULT_ADDR=https://… in the place of {address}" },

  { id = "vault.stranger", title = "somebody else than Vault answers",
    fits = { service = "vault", message = { "the answer is not one of vault's" } },
    cause = "what came is not in Vault's form: another service is at this address, or something between here and Vault answers in its place",
    evidence = "{address} answers '{message}'",
    next = "check {where_from}: vault status; the address has no /v1 behind it", facts = function(refusal)
      return { where_from = refusal.endpoint_source == "the default" and "VAULT_ADDR, which is not set" or refusal.endpoint_source or "VAULT_ADDR" }
    end },

  { id = "vault.not-tls", title = "TLS where HTTP is spoken",
    fits = { service = "vault", kind = "unsent", message = { "wrong version number", "packet length too long", "record overflow" } },
    cause = "the address says https and the server speaks plain HTTP, as a development server does",
    evidence = "{message}",
    next = "export VAULT_ADDR=http://… in the place of {address}, where it is this machine" },

  { id = "vault.client-certificate", title = "Vault wants a client certificate",
    fits = { service = "vault", message = { "certificate required", "alert bad certificate", "alert unknown ca", "handshake failure" } },
    cause = "the server takes connections of those alone that show a certificate which it knows",
    evidence = "{message}",
    next = "export VAULT_CLIENT_CERT=FILE.pem VAULT_CLIENT_KEY=FILE.pem" },

  { id = "vault.speaks-tls", title = "the connection ended where plain HTTP was spoken",
    fits = { service = "vault", kind = "lost", message = "empty reply" },
    cause = "the server went away without a word, as one that speaks TLS does when it is asked in plain HTTP, or it wants a client certificate",
    evidence = "{message}",
    next = "where it speaks TLS: export VAULT_ADDR=https://… in the place of {address}; else run this again" },

  { id = "vault.broken", title = "the connection ended without an answer",
    fits = { service = "vault", kind = "lost", message = { "errno", "reset", "empty reply", "ssl_read" } },
    cause = "the server went away, or ends connections that show no client certificate",
    evidence = "{message}",
    next = "run this again; where the server wants a client certificate: export VAULT_CLIENT_CERT=FILE.pem VAULT_CLIENT_KEY=FILE.pem" },

  { id = "vault.client-file", title = "the client certificate or its key cannot be used",
    fits = { service = "vault", kind = "unsent", message = { "pem client certificate", "set private key", "private key does not" } },
    cause = "a file of the client certificate is not there, is no PEM, has a passphrase, or certificate and key do not belong together",
    evidence = "{message}",
    next = "check VAULT_CLIENT_CERT and VAULT_CLIENT_KEY: PEM files of one pair, the key without a passphrase" },

  { id = "vault.ca-file", title = "the file of Vault's authority cannot be read",
    fits = { service = "vault", kind = "unsent", message = { "setting certificate", "ca certificate blob" } },
    cause = "what names the authorities to trust leads to no PEM file that can be read",
    evidence = "{message}",
    next = "check VAULT_CACERT, VAULT_CACERT_BYTES and VAULT_CAPATH; without them SSL_CERT_FILE and CURL_CA_BUNDLE" },

  { id = "vault.certificate", title = "Vault's certificate is not trusted here",
    fits = { service = "vault", kind = "unsent", message = CERTIFICATE },
    cause = "the certificate is of an authority that this machine does not know, is for another name, or has ended",
    evidence = "{message}",
    next = "export VAULT_CACERT=FILE.pem with the authority's certificate; VAULT_TLS_SERVER_NAME where its name is another than the address's; \z
      one that has ended has to be renewed at the server" },

  { id = "vault.proxy", title = "the proxy before Vault cannot be used",
    fits = { service = "vault", kind = "unsent", message = { "resolve proxy", "proxy scheme", "response 407", "tunnel failed" } },
    facts = function(refusal) return { proxy = refusal.proxy_source or "HTTPS_PROXY" } end,
    cause = "the proxy's address is mistyped, or the proxy does not let us through to Vault",
    evidence = "{message}",
    next = "check {proxy}: http://HOST:PORT; unset it, or name the host in NO_PROXY, where no proxy is wanted" },

  { id = "vault.unreachable", title = "Vault cannot be reached",
    fits = { service = "vault", kind = "unsent" },
    cause = "nothing answers at Vault's address from here: it is mistyped, behind a network of its own, or Vault is down",
    evidence = "{message}",
    next = "check {where_from} ({address}): vault status", facts = function(refusal)
      return { where_from = refusal.endpoint_source == "the default" and "VAULT_ADDR, which is not set" or refusal.endpoint_source or "VAULT_ADDR" }
    end },
}

return [[
Vault and OpenBao
  Where:   VAULT_ADDR (https://, http:// or unix://, with a path before /v1 where there is one), VAULT_AGENT_ADDR before it,
           VAULT_NAMESPACE. BAO_… comes before VAULT_… of the same name, also where it is empty.
  Trust:   VAULT_CACERT, VAULT_CACERT_BYTES or VAULT_CAPATH, VAULT_TLS_SERVER_NAME, VAULT_CLIENT_CERT with VAULT_CLIENT_KEY;
           VAULT_SKIP_VERIFY=true believes whoever answers, and is warned of each time. http:// to another machine as well.
  Way:     VAULT_CLIENT_TIMEOUT (60s), VAULT_MAX_RETRIES (2), VAULT_RATE_LIMIT (RATE[:BURST]), VAULT_PROXY_ADDR. Redirects are
           not followed: the token goes to the named address alone. VAULT_SRV_LOOKUP is refused where the address has no port,
           and VAULT_MFA is warned of: no passcode is sent.
  Token:   VAULT_TOKEN, else the token_helper of ~/.vault (VAULT_CONFIG_PATH), else ~/.vault-token. It is needed while something is
           asked of Vault, and not for the hours in which CockroachDB Cloud enables CMEK.

  --vault-auth METHOD logs in instead; the token that it makes is renewed while others work, and revoked at the end, also
  after ^C. --vault-auth-mount names another mount than the method's name. Every variable of a secret may have _FILE behind it.
    approle      VAULT_ROLE_ID, VAULT_SECRET_ID; with VAULT_SECRET_ID_WRAPPED=true it is a wrapping token, which is unwrapped
                 when it was made by that mount
    aws          the AWS credentials in use sign a GetCallerIdentity; VAULT_ROLE, VAULT_AWS_IAM_SERVER_ID,
                 VAULT_AWS_STS_REGION
    cert         VAULT_CLIENT_CERT, VAULT_CLIENT_KEY; VAULT_ROLE
    jwt          VAULT_JWT; VAULT_ROLE
    kubernetes   VAULT_ROLE; the service account's token, or VAULT_JWT
    userpass     VAULT_USERNAME, VAULT_PASSWORD
    token        none: as without --vault-auth

  Secrets may stand in a KV engine of version 2: COCKROACH_API_KEY=vault:kv/data/cmek#api_key, and so COCKROACH_API_JWT,
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. What is kept there never is text to a recipe.
  cmek whoami shows Vault's address, version, edition, namespace, the token's policies and its end.

  cmek sim --tls-cert FILE --tls-key FILE serves Vault over TLS, for logins by certificate; --vault-edition and --vault-condition
  make it another one. What goes wrong: cmek help errors.
]]

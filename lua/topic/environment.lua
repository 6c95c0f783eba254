return [[
Environment
  COCKROACH_API_KEY     the secret key of a service account with the role Cluster Operator; made in the Cloud
                        Console under Access Management, Service Accounts
  COCKROACH_API_JWT     a JWT instead, with COCKROACH_VANITY_NAME and, where it maps to several, COCKROACH_USERNAME
  COCKROACH_SERVER      another address of the Cloud API
  AWS_…                 as the AWS SDKs read them: AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
                        AWS_SESSION_TOKEN, AWS_REGION, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CA_BUNDLE,
                        AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KMS …; those of credentials: cmek help credentials
  VAULT_…, BAO_…        as the clients of Vault and OpenBao read them: VAULT_ADDR, VAULT_TOKEN …: cmek help vault
  HTTPS_PROXY, NO_PROXY, CURL_CA_BUNDLE, SSL_CERT_FILE  as curl reads them
  CMEK_STATE_DIR        where journals are kept; else $XDG_STATE_HOME/cmek
  CMEK_ARG_CLUSTER …    a recipe's arguments; flags are stronger, --args FILE is weaker
  NO_COLOR, TERM=dumb   no colour
]]

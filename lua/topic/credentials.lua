return [[
AWS credentials
  The first that is set up is used, in the SDKs' order; one that is set up and fails is an error, never a reason to
  try the next. cmek whoami shows which it is, and until when it lasts.

  1  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION; not with --profile
  2  the profile (--profile, AWS_PROFILE, default): role_arn with source_profile or credential_source
     (Environment, EcsContainer, Ec2InstanceMetadata), external_id, mfa_serial, duration_seconds, role_session_name
  3  web identity: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME, or the profile's
     web_identity_token_file; the file is read anew each time
  4  IAM Identity Center: sso_account_id, sso_role_name, sso_session (or sso_start_url, sso_region); sign in with
     aws sso login --profile NAME; the sign-in is renewed while it can be
  5  keys in the credentials file, then credential_process, then keys in the config file
  6  a container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or …_TOKEN
  7  the role of an EC2 instance (IMDSv2, v1 where v2 is not known): AWS_EC2_METADATA_DISABLED=true leaves it out;
     AWS_EC2_METADATA_SERVICE_ENDPOINT, …_ENDPOINT_MODE, AWS_EC2_METADATA_V1_DISABLED, AWS_METADATA_SERVICE_TIMEOUT,
     AWS_METADATA_SERVICE_NUM_ATTEMPTS; in a container the hop limit must be 2

  Sessions are renewed from 15 minutes before they end. A login_session (aws login) is not read:
  eval "$(aws configure export-credentials --profile NAME --format env)"
  Metadata and containers are asked by no proxy; nothing but them and this machine is told a secret over plain http.
]]

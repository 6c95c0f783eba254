return [[
Files
  cmek's own stand in CMEK_STATE_DIR, else $XDG_STATE_HOME/cmek, else ~/.local/state/cmek; they are readable by their owner
  alone. Nothing rests on them but resume and completion: what exists is asked of the services each time.

  runs/                the journals, a file a run: what was sent, and what came of it. Without secrets
  clusters/            the names of the clusters that were last listed, for completion
  names/               the names of clusters, roles and aliases that the prompt has seen, by account, for completion
  prompt-history       what was typed at prompts, without lines in which something looks like a secret
  simulated-…          the same of simulated services
  ~/.aws/config, ~/.aws/credentials  profiles, as the AWS SDKs read them
  ~/.aws/sso/cache/    sign-ins that aws sso login has left; one that cmek renews is written back
  /etc/ssl/certs       the authorities that are trusted, unless AWS_CA_BUNDLE or SSL_CERT_FILE names a file
]]

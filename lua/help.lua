--- The words of `cmek help`.
local M = {}

--- Topics, and what they say.
M.TOPICS = {
  examples = [[
Examples
  Without any account, against the simulated services:

    cmek sim -- cmek plan console --cluster orders
    cmek sim -- cmek run console --cluster orders --enable --yes --confirm orders
    cmek sim -- sh -c 'cmek run console --cluster orders --yes && cmek verify --cluster orders'

  A cluster of yours: see what would be made, make it, give it to the cluster, and look again later:

    export COCKROACH_API_KEY=… AWS_PROFILE=…
    cmek status
    cmek plan console --cluster orders-prod
    cmek run console --cluster orders-prod
    cmek run enable --cluster orders-prod
    cmek verify console --cluster orders-prod

  In a pipeline, where nobody is asked and a difference ends it:

    cmek plan console --cluster orders-prod --exit-code --json
    cmek run console --cluster orders-prod --enable --yes --confirm orders-prod --json
]],
  functions = [[
Functions
  What recipes, scripts (cmek exec) and the prompt call. cmek help NAME says what one takes, gives, does and raises, with an example:

    cmek help kms.create_key       a function; at the prompt: help(kms.create_key), or ?kms.create_key
    cmek help kms                  the functions of a table, each in a line; those of Vault: cmek help functions vault
    cmek help ensure key           what ensure takes for a kind of thing; cmek help ensure lists the kinds
    cmek help meta >cmek.lua       all of it for an editor with a language server for Lua, beside your recipes

  Functions of services are named after the API's operations, and take and give what the API has, by its names. Those of AWS that have a
  region are told it; lists are whole. What a service refuses is raised: no recipe handles it.

]],
  files = [[
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
]],
  prompt = [[
The prompt
  cmek repl opens a prompt with what recipes use at hand. An expression is printed, anything else is run; lines are read until a chunk
  is complete, and a chunk may have globals. cmek sim -- cmek repl tries it without an account.

    cloud.clusters()                              lists of records are printed as tables; what does not fit is cut: :page, :save FILE
    kms.list_keys { region = "us-east-1" }        the operations of iam, kms, sts, tagging, cloud, vault; TAB completes them
    read("cluster", "orders").regions             what recipes say: read, ensure, preflight, policy, names, task.map, wait, say, ask
    plan("console", { cluster = "orders" })       what a recipe would do; of cmek repl RECIPE --ARG …: plan(), and its arguments in arg
    _                                             the value before; _N is that of chunk N of :history

  It reads only. :allow-writes asks at the terminal, once; from then on the prompt is red, ensure makes what is missing, and what is sent is in
  a journal (cmek runs). It deletes nothing and does nothing that cannot be undone: that is for recipes.
  ^C ends what the chunk does, never a write that is on its way; ^D leaves; ^R searches in what was typed before.
  What a call takes stands below the line while it is typed; TAB completes, ?NAME tells more. Enter goes on in a new line while lines are missing,
  Alt-Enter always; up and down move in the lines of a chunk. Pasted lines are one chunk, or run one after the other up to the first that fails.
  What was typed is kept for later prompts, in a file of one's own; a chunk that holds what looks like a secret is not.
  Through a pipe (cmek repl < FILE) lines are run as they are, and the first error ends it with exit status 1. :help lists the commands.
]],
  ["on-error"] = [[
Stepping in
  With --on-error=repl (plan, run, verify, resume, and destroy while it looks for what there is) a prompt opens where a step of the recipe fails,
  instead of the end:

    cmek run ./mine.lua --cluster orders --on-error=repl
    mine.lua:31 write> :where                   the lines on whose way it has stopped; :where 2 looks at the variables of the second
    mine.lua:31 write> :locals                  the variables there; each can be read and set by its name
    mine.lua:31 write> call[2].rotation = 365   call holds the arguments of what has failed, as the recipe gave them
    mine.lua:31 write> :continue                calls it anew, and goes on with what comes of it; :quit ends with the error that it was

  :continue repeats the one call that has failed, such as ensure("key", …), with what is in call by then: neither the lines before it nor what
  stands in its parentheses are run again. Variables that were set are what the lines after it go on with. What is wrong outside can be put
  right meanwhile: it is read anew. A run makes nothing twice by it: an ensure that is repeated looks first at what the one before has left, as
  cmek resume does, and what the plan did not show is refused. Where the recipe's own words fail, as in cluster.nosuch[1], there is nothing to
  repeat: look, :quit, put the line right. In a kind of the recipe's own the prompt opens at the ensure that asks for it.
  What runs beside the failing step is done first; what fails meanwhile waits for its turn. A step that the plan refuses has not failed: the plan
  shows all of them, and nothing has been made.

  break() in a recipe, or breakpoint(), which editors take for Lua as well, opens the same prompt at its line, in each pass of a run: while it is
  planned and while it is done. :continue goes on with the next line. Where nobody sits at a terminal it is passed over, with a word.

  The prompt may write what its run may: nothing before the plan was agreed to, then create and change things; all of it is in the run's journal.
  After :quit, and after a prompt that was killed, cmek resume goes on. It wants a terminal, or lines on stdin: with --json, and with --yes or
  --confirm where stdin is no terminal, it is refused before anything is asked. ^C ends what the prompt does, ^D is :quit. The rest is as in
  cmek help prompt.
]],
  errors = [[
Errors
  What a service refuses ends in three things: its cause, the evidence that cmek saw, and what to do or type next. A command that is
  printed can be pasted as it stands. Under --json they are members of the error: situation, cause, evidence, advice, commands, next.
  The situations that are known have names; cmek help errors NAME shows one, and cmek sim --fault NAME makes many of them.
]],
  status = [[
Exit statuses
  0        done, or nothing to do
  1        failed, or declined
  2        what was typed cannot be meant; the credentials are another account's than --account
  3        changes are pending (plan --exit-code)
  4        no credentials, or they were refused; nothing was made
  5        something was made or deleted, and the run is not finished: cmek resume
  6        verify found differences, or checks that could not be made
  130 143  stopped by a signal, cleanly, before anything was made; 129 when the terminal went away
sim and exec return what their command or script returned.
]],
  rotating = [[
Rotating
  cmek run rotate --cluster X gives a cluster with CMEK the next key in every region: what the Cloud says is in use has generation N by
  its alias (…-gN), and the new key becomes generation N+1. Policy, tags, KMS's rotation and the kind of the key move forward; the role
  stays. What is written from then on needs the new key, what was written before, and backups from then, the old one: old keys stay
  enabled, and no date is known after which one is not needed. There is no way back but another rotation, so the cluster's name is asked.

  --only REGION   some regions alone (repeatable); they may be at different generations
  --to N          names the generation: where it is in use nothing is done, and regions that are behind come along. Without it the next
                  one is meant; within a day after a rotation it has to be named, so that a run that is repeated makes no second key
  --rewrap        no new keys: the Cloud wraps its store key anew with what KMS has now. It does not follow KMS's own rotation by
                  itself. --on-demand has KMS rotate first, which it does 25 times in a key's life
  --reach WAY     a profile, the ARN of a role to assume, or the layout's file: leads to another account that keys in use are of, in which
                  the next ones are made (repeatable). A role of another account than its key is let to the new key as well, and
                  keeps the old one
  --key ARN       of an account that nothing leads to: the next key, made by those whose it is; what they type is printed

  A rotation that was begun and not finished comes first, and is said. cmek resume goes on to the generation that the run set out for.
  Once the Cloud has the keys, resuming takes the Cloud's API key alone, on any machine that has the journal.

  Where the material comes from Vault, Vault makes the next: of a transit key the version N+1, which is imported; without a copy a new
  data key; of a key of the key management engine the version N+1, whose KMS key Vault makes and cmek takes over. Policy of the token,
  beside what the recipe wants that made the keys (cmek prints the lines that are missing):
    transit  transit/keys/NAME/rotate create, update; transit/export/encryption-key/NAME/N read
    keymgmt  keymgmt/key/NAME/rotate create, update

  One operator at a time: with keys from Vault a run writes itself down in secret/data/cmek/rotation-of-… of a KV engine of version 2,
  by check-and-set, and gives that back when it is done; create, read, update on that path. --lock vault:MOUNT/data/PATH names another
  place, for keys of KMS as well. Where there is none it is said: two rotations at once end with one key a region and generation all
  the same. Who finds it held is told by which run; cmek resume RUN finishes that one, --take-over RUN goes on in its place.
]],
  resuming = [[
Resuming
  A run that died is finished by cmek resume: it reads the run's journal, looks up what its last requests came to, and goes
  on. Without an ID it takes the newest that is not finished; cmek runs lists them.

  On another machine, with the journal copied there:  cmek resume PATH/RUN.jsonl, or cmek resume RUN --journal DIR.
  A run whose process is alive is not taken up, nor one of another AWS account, organization or cluster than the
  credentials and keys at hand: it is said whose it is. The profile is the one that it began with; --profile names another.
  Alive on another machine it cannot be seen from here; both then come to the same role and keys.

  Enabling CMEK and rotating may take the Cloud two hours. Once it has the keys of a run, resuming that run takes the Cloud's API
  key alone: AWS and Vault are not asked again, but for a lock that is given back.

  Without the journal, run the recipe again: the role is found by its name and tags, keys by the cluster's alias, and a key
  that the dead run had made and not given its alias yet is found by its tags and gone on with. That is safe while its maker
  lives: the alias decides, and both end with the same key. A key that the tag index does not show yet (seconds to minutes),
  or that tag:GetResources may not be asked for, is not found, and another is made; the journal would have found it.
]],
  deleting = [[
Deleting
  cmek destroy RECIPE … takes back what the recipe makes: it shows what would go, wants the cluster's name typed (or --confirm
  NAME; --yes does not cover it), and goes in reverse order. cmek orphans shows what cmek made and no cluster uses; with --clean
  it asks about each by its ID.

  Nothing goes that a cluster names for its CMEK, in any status, also a deleted cluster that the Cloud still lists; and nothing at
  all when one cluster cannot be asked. The Cloud is asked again right before, and once more afterwards: a key that a cluster began
  to use meanwhile is taken back.

  A key    is tagged cmek:state=retired and scheduled for deletion with the longest window, 30 days; then it loses its alias, so that
           cmek run can make a new chain. Until the date the command that is printed takes it back; cmek run does the rest.
  A role   is deleted when no key of the cluster is left, at once. What others attached to it, or another statement of its trust
           policy, keeps it. A role made again under its name is another one to the policies that named it: cmek run puts them right.
  In Vault, transit: what imports have left (tmp-ID-…) is taken away. A transit key stays as long as any KMS key of the cluster's regions
           has its material by the tag cmek:material, also one that waits for its end: if its deletion is cancelled, the material can be
           imported again. cmek destroy after that day deletes it, for good.
  In Vault, keymgmt: the distribution, the key, the provider of each region. Vault schedules the KMS keys of all versions when a
           distribution goes, so the Cloud is asked about each of them, and cmek has scheduled them itself before, with 30 days. A Vault
           that refuses such keys (that is documented nowhere) gets them back for a moment, so that it schedules them. A key that is
           taken back later is one of KMS alone.
  An engine goes last, when cmek has mounted it for this cluster, as its description says, and nothing is left in it. What the token
           lacks is printed as lines for its policy before anything goes. A Vault that cannot be asked keeps nobody from taking back
           what is in AWS: what it has stays, and destroying again takes it away.
  A kind that a recipe describes itself goes by its delete; without one it stays. What was there before and
  was taken over, by its ARN or by cmek run adopt, stays with its alias and tags, and is no orphan.

  A destroying that died half-way is finished by cmek resume, or by destroying again.
]],
  revoking = [[
Revoking, and the way back
  Break-glass: cmek run revoke --cluster orders takes its keys from a cluster, at once and everywhere. It is a full outage on purpose:
  the cluster restarts and cannot start. Nothing is deleted, neither role nor key nor data.

    cmek run revoke --cluster orders --drill       now and then: could it be done? It changes nothing; exit 0: all is ready, 1: it would
                                                   be refused, 6: something could not be checked
    cmek plan revoke --cluster orders
    cmek run revoke --cluster orders               wants the cluster's name typed, or --yes --confirm orders
    cmek run restore --cluster orders              the way back, as far as it is yours; then the printed text to support

  First the role is kept from every key that the Cloud names for the cluster, current and past, in any status and region, and from each
  replica of a multi-Region key: beside the other statements of its policy, which stay as they are, stands

    {"Sid":"Deny use of the key while CMEK is revoked","Effect":"Deny","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt",
     "kms:GenerateDataKey*","kms:ReEncrypt*","kms:CreateGrant"],"Resource":"*",
     "Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::…:role/crdb-cmek-orders-…"}}}

  which holds against other statements and grants. When KMS shows it in all of them the Cloud is told (PATCH {"action":"REVOKE"}) and
  waited for. A run that dies between is finished by cmek resume, or by the same command. No other run takes the statement away: console,
  verify and status say that the cluster is revoked.

  restore takes exactly this statement out of every policy, and says what else keeps the cluster from a key. The Cloud keeps CMEK REVOKED:
  no call of its API ends that. Its support does, on a ticket with the cluster's ID and the organization's, which restore prints.

  Keys of other accounts: --reach with a profile, the ARN of a role to assume, or the layout's file leads there. Where nothing leads,
  --elsewhere ARN says that the statement is put, or taken away, by those whose key it is; its text is printed.

  Refused, before anything is changed: another cluster names the role or one of the keys, or a cluster cannot be asked; a key is of
  another account and neither reached nor said to be changed elsewhere; a policy may not be read or would not be taken (32,768 bytes; a
  deleted role in it; you could not change it again); CMEK was never enabled. A key that waits for its deletion gets the statement too;
  the command that saves it is printed.
]],
  duties = [[
Separated duties
  Where nobody has both CockroachDB Cloud and AWS, two files are carried between those who have one. Neither holds a secret.

    cmek status --cluster orders --facts facts.json        with the Cloud's API key
    cmek run console --facts facts.json --out spec.json    with AWS credentials
    cmek run enable --spec spec.json                       with the Cloud's API key

  facts.json has the organization's ID, the cluster, its regions and the AWS account that CockroachDB uses for it. With
  --facts (plan, run, verify) the Cloud is not asked, so CMEK cannot be enabled, and which keys the cluster uses is not known.
  spec.json has the region_specs, for which organization and cluster they are, and from which run, recipe and arguments. With
  --spec (plan, run, verify) AWS is not asked. The file must be for the organization of the API key and for the cluster, and
  have a key for each of its regions as they are then; plain region_specs, which name neither, are taken with --cluster, and
  that is said. Files that are cut, edited into nonsense or of another version are refused, naming the field; how old a file
  is stands in the plan. Their shapes: cmek help json facts, cmek help json handover.
]],
  guards = [[
Guard rails
  --account ID                 the AWS account that the credentials must be of
  console --tag KEY=VALUE      on the role and the keys, repeatable; one that is missing or different is drift. Tags that are
                               not named stay as they are; cmek: and aws: are not for you
  console --role-path PATH     of a new role, such as /security/; a role keeps its path
  console --permissions-boundary ARN   on the role; it must exist and leave the role what the keys' policies give it
  console --admin ARN          who administers the keys, repeatable: roles, users, an account's root; you must be among them
  console --multi-region-key   keys that AWS can replicate; a key keeps its kind

  Before a policy is put, it is judged as it would stand, with the statements of others that are kept in it: you can still
  change it; nobody is let in by a wildcard; the role that CockroachDB assumes gets kms:Encrypt, kms:Decrypt,
  kms:GenerateDataKey*, kms:DescribeKey, kms:ReEncrypt* and no more; it fits the service's quota. A permissions boundary or an
  organization's policy that takes these from the role is named, as far as IAM tells. Recipes of your own are held to the same.
]],
  environment = [[
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
]],
  adopting = [[
Adopting
  A cluster whose CMEK was set up by hand has a role and keys that cmek leaves alone: they say nothing of whose they are.

    cmek run adopt --cluster orders --save-args orders.json
    cmek plan console --args orders.json

  The first reads from CockroachDB Cloud which roles and keys are in use, checks them and asks; then it tags each for this
  cluster and gives each key the cluster's alias (…-g1). Policies, trust, rotation and other tags stay as they are. The file
  holds their ARNs for --role and --key; without --save-args the command is printed with them. The second says what differs
  from what cmek would have made, with nothing to create; run does it, and keeps statements of others in the policies.

  Keys of every kind that CMEK can rest on are taken: with KMS's material, with material that somebody imported, made by Vault's key
  management (alias/hashicorp/…: where a Vault is configured it says which version of which key, and the tag cmek:material keeps
  it), multi-Region keys with their replicas, one key for several regions, a role for each region. The command that is printed names the
  layout (cmek help layouts) where it is not a key a region; a mapping without a name is gone on with as the Cloud has it, without a
  file. --save-layout FILE writes the mapping for --layout, for other clusters or to be kept.

  Keys and roles of other accounts are adopted there: --reach PROFILE, or --reach ARN of a role to assume. Then --save-layout is of use,
  since the file says how each is reached. What nothing leads to is told and left as it is; the cluster goes on using it.

  Refused, each with its reason: keys and roles that are tagged for another cluster or used by one; keys of a key store; keys without
  their material, or whose material expires; keys that are not Enabled, symmetric and for encrypting; an alias that points to another
  key; two keys of one AWS region. A wrong trust is told.

  A role and keys that were made by hand and are not in use yet are named as well: cmek plan console --role ARN --key ARN
  (a key a region; where none is named, one is made) prints the command that says whose they are.
]],
  credentials = [[
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
]],
  vault = [[
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
]],
  arguments = [[
Arguments
  A recipe's arguments are its flags: cmek help console. Each comes from the first that has it: the flag, the
  environment (CMEK_ARG_ROLE for --role), the file of --args, the recipe's default. cmek plan RECIPE … --explain-args
  shows each with where it is from and what it was preferred to, and asks no service.

  A file of arguments is JSON, or Lua data, which is read and never run:

    return { cluster = "orders-prod", rotation = 180, admin = { "arn:aws:iam::210987654321:role/Admin" } }

  --save-args FILE writes what was given as such a file. A list in the environment is JSON, or has commas between its
  elements; true, yes and 1 are true, and false, no and 0 are false.

  Secrets are never arguments: what looks like one is refused, wherever it stands, and not shown. The journal of a run
  holds its arguments, the recipe's name and hash, and cmek's version.
]],
  plans = [[
Plans
  cmek plan RECIPE reads only, and shows what run would do, step by step:
    +  create     ~  change     -  delete     =  as wanted     x  refused, with its reason     !  cannot be undone
  Below a change stands what goes (-) and what comes (+); of a policy by statement and field, beside what stays of it.
  The last line is the sum: Plan: 4 to create, 1 to change, 0 to delete.
  --requests     also the requests that run would send, in order, with policies in full. What only the run can tell
                 stands by its name: (ID of key … in us-east-1, known after apply). Reads are not listed.
  --exit-code    exit 3 when there is something to do
  --out FILE     saves the plan, with digests of all that was found and wanted.
  cmek run --plan FILE does exactly that: it plans anew, and refuses when anything differs, naming step and field; also
  when the file was changed, or is of another cmek, recipe, organization, cluster or account. It asks as run does, unless
  --yes and --confirm NAME answer beforehand.
]],
  json = [[
JSON
  --json prints one document on stdout, --json=lines an event a line and the document last; progress goes to stderr.
  stdout holds nothing else, also when the command fails: then it is cmek.error/1, unless the command has its own.
  Times are RFC 3339 in UTC. More members may stand beside those listed; what has a "?" may be missing.
  cmek help json plan prints the JSON Schema of cmek.plan/1, and so for each of these:
]],
  layouts = [[
Layouts
  Every region of a cluster needs a key and a role. --layout says which:

  own           a key of its own in each region: what is done without --layout. A region that loses its key stops alone
  shared        one key for all regions. It is allowed, slower for the other regions, which ask KMS from afar, and riskier: with that
                key, or with KMS in its region, no node of any region can start
  replica       one multi-Region key with a replica in each other region: the same material everywhere, asked of KMS nearby. Each
                replica has a policy, an alias and tags of its own, which are kept equal, and can be disabled or deleted alone
  FILE          any mapping of regions to keys and roles: a text with a / or ending in .lua, Lua data that is read and never run

  shared and replica have their key, or its primary, in the cluster's first region by name; shared:REGION and replica:REGION name
  another. Stay with the one that the cluster was set up with: another key is a rotation.

  In a file each region has a table. It is checked before anything is made: every region of the cluster once, and no other.

    return {
      ["eu-west-1"] = { },                               a key of its own, made here
      ["us-east-1"] = { replica_of = "eu-west-1" },      a replica of that key, which is then made multi-Region
      ["us-west-2"] = { key = "us-east-1" },             the key of another region, from afar
      ["eu-west-2"] = { key = "arn:aws:kms:…" },         a key that is there, also in another AWS region than the cluster's
      ["ap-south-1"] = { role = "arn:aws:iam::…" },      a role of its own: a name to have one made, or the ARN of one that is there
    }

  cmek recipes show layouts/residency, layouts/existing and layouts/accounts are examples; cmek run multi-region has its mapping in
  itself, to be ejected and edited. plan draws the layout and says what stops when a key or a region is lost.

  Keys and roles of other AWS accounts: an ARN says the account, and profile = "NAME" or role_arn = "arn:aws:iam::…" of the entry says
  how to get there; without key the region's key is made in that account. A role and a key of different accounts need both sides, the
  key's policy and a policy of the role's own (crdb-cmek-kms), and both are put. What is of an account that nothing reaches is not
  looked at: the statement or the command that its owners need is printed, and verify says that it is unknown. Keys are added to the
  role's policy and none is taken out, since data and backups need the earlier ones. rotate, add-region, adopt, revoke, restore and
  status get there by --reach, which takes the layout's file too; destroy takes things back in every account by --layout.

  A region's key is found by its alias there, so a cluster has one key in an AWS region; a region that shares it names the other.
  The multi-Region primary's alias is claimed before the first replica is made. KMS rotates the primary, and its replicas with it;
  imported material (cmek help material) is imported into each.
]],
  material = [[
Material from Vault
  cmek run vault-transit --cluster X imports key material that Vault's transit engine has made into a KMS key of each region (origin
  EXTERNAL). It needs no Vault Enterprise; OpenBao will do. The material never expires: keys whose material does are refused for CMEK.

  --form exportable, the default. Vault keeps the material as an exportable transit key crdb-cmek-NAME-ID-REGION, one a region; its
    version N is the material of generation N. If it is ever deleted from KMS, run imports the same again. In clear it is in Vault's
    memory, in KMS, and for some milliseconds in cmek's: as Vault's answer (base64, inside TLS on the way) and as 32 bytes that are
    wrapped with KMS's public key by RSAES_OAEP_SHA_256. Both are in memory that is not swapped out and is wiped as soon as the wrapped
    form is there; what libraries have held of the answer is wiped when they free it, at the latest when cmek ends. No file, journal,
    log or command line sees it. exportable cannot be taken back in Vault: who may read transit/export/encryption-key/… has the key.
    Backups of Vault hold it too.
  --form wrapped. Vault makes the material under KMS's public key (a data key of which it gives out nothing else), so it is in clear
    in Vault and in KMS alone, and cmek never has it. Nobody keeps a copy: if somebody calls kms:DeleteImportedKeyMaterial, which acts at
    once and has no waiting time, everything that the key encrypts is lost. The public key is in Vault as tmp-… for as long as that takes.

  KMS gives its public key and import token for one key and for a day: RSA_4096, or RSA_2048 where a KMS refuses that. The key's alias
  is claimed when its material is there, so who has the alias can be used. The tag cmek:material says where it is from. KMS rotates no
  imported material. With --layout replica each replica is given its primary's material by an import of its own (exportable alone).

  The transit engine is mounted where there is none, a step of the plan. Policy of the token, in each region (cmek prints the lines that
  are missing), for a mount called transit:
    exportable  transit/keys/crdb-cmek-NAME-ID-REGION                       create, read, update
                transit/export/encryption-key/crdb-cmek-NAME-ID-REGION/1    read
    wrapped     transit/keys/tmp-ID-*                                       create, delete, update
                transit/datakey/wrapped/tmp-ID-*                            create, update

  destroy schedules the KMS keys for deletion and leaves the transit keys until KMS has deleted them: cmek help deleting.
]],
  looking = [[
Looking at what there is
  cmek status                        every cluster that the API key sees: whether it can have CMEK or why not, and the Cloud's word for it
  cmek status --cluster X            its regions; each region's keys, current and past, with state, aliases, rotation dates and tags in KMS, and
                                     the Cloud's status and dates; its role and trust; what is due or wrong, with the command that mends it
  cmek status --cluster X --keys     also of each key which clusters still name it, in any status, and when it was last used, where KMS tells
  cmek status --cluster X --reach WAY  keys and roles of another account too: a profile, the ARN of a role to assume, or the layout's file

  It needs the Cloud's key alone; with AWS credentials it shows the AWS side as well. The Cloud allows ten requests a second, so 1,000
  clusters take about two minutes; it says how far it is. A cluster that may not be read hides no other, and is named: it may name any key.
  KMS tells of a last use where the key's policy allows kms:GetKeyLastUsage, in the key's own account, from when it records it.

  Past keys stay needed. CockroachDB publishes no rule of how long: older data files and every managed backup of a key's time need it. That
  a key is idle proves nothing, so no command of cmek's disables or deletes a key that a cluster names, current or past.
]],
  regions = [[
Adding regions
  cmek run add-region --cluster X --add ap-southeast-2=3 [--add …] adds regions to a cluster that has CMEK: a key in each of them first,
  for the role that the cluster uses, then one request to the Cloud, then two waits: until the cluster has grown (about half an hour a
  region), and until each new region uses its key.

  Checked before anything is made: the Cloud offers the region on AWS, no region stands twice, at least 3 nodes in each, one region or
  at least three in all, CMEK is enabled and not revoked. The new keys are of the form that the others have: made by KMS, multi-Region,
  replicas of the same primary, one that all regions share, with material of Vault's transit, or made by Vault's key management
  (--provider-credentials as of the recipe vault). Where the others differ, name a key of the region by --key ARN. Where the cluster uses
  several roles, --role says which the new regions get. Keys that are all of another account get company there (--reach, as rotate has it).

  The request holds all regions with their nodes, as the Cloud shows them a moment before, and the keys of the new ones alone. A region
  that somebody else has added meanwhile stays; where one was taken out, or the same one was added with another key, nothing is sent.
  A locked cluster is waited for. A request whose answer was lost is looked up and not sent again: cmek resume asks once more where the
  Cloud shows nothing of it.

  The nodes are paid for from the moment that they run, so the plan marks the step ! and the cluster's name is typed (--confirm NAME).
  No region is taken out by cmek, also not by destroy.
]],
  keymgmt = [[
Keys that Vault makes in KMS
  cmek run vault --cluster X is for Vault Enterprise (Advanced Data Protection) and HCP, whose key management engine (keymgmt) makes keys in
  AWS KMS by itself. Any other Vault, and OpenBao, can do cmek run vault-transit (cmek help material).

  The engine is mounted where there is none. In each region then, all named crdb-cmek-NAME-ID-REGION: a KMS provider, a key (aes256-gcm96),
  and its distribution (purpose encrypt,decrypt; protection hsm), for which Vault makes a KMS key of origin EXTERNAL, fills it and gives it
  an alias of its own, alias/hashicorp/…. That key is tagged, gets the cluster's alias, whose number is the version of Vault's key, and the
  crdb-cmek-kms policy. The material is in Vault and in KMS, never in cmek. A request to distribute is sent once; where its answer is
  lost, what has come of it is looked up. A distribution that failed may leave KMS keys without material: they are shown, not deleted.

  AWS credentials of Vault, --provider-credentials. They go to Vault as secrets, in the body of one request, and nowhere else:
    server               the identity of Vault's own server, of which Vault is told nothing (the default, and the best where it can be had)
    profile:NAME         the keys that stand in a profile of ~/.aws/credentials or ~/.aws/config
    environment          AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, which may be references into Vault
    file:PATH            a file of mode 0600, INI or JSON: access_key and secret_key, or the names that AWS has for them
    vault:kv/data/PATH   an entry of KV version 2 with such fields; #ID,KEY behind it names others
  Vault never shows them again, so whether they are right is unknown, in plan and verify. --update-credentials sends them again. They need
  kms: CreateKey, GetParametersForImport, ImportKeyMaterial, EnableKey, DisableKey, ScheduleKeyDeletion, CreateAlias, UpdateAlias,
  DeleteAlias, ListAliases, TagResource and DescribeKey, in the account of cmek's own.

  Where the account administers the keys, its IAM policies decide what Vault may do with them. With --admin those alone administer, and a
  statement of its own keeps Vault's rights: for --vault-principal ARN, or for whose the credentials are, where cmek was given them.

  A key that somebody rotated in Vault stays as it is: the version that the cluster uses is handed over, and the newer one is told. cmek run
  rotate --cluster X goes on to it. Vault's min_enabled_version must not pass the version in use: Vault disables the older KMS keys.

  Policy of the token, in each region (cmek prints the lines that are missing), for a mount called keymgmt:
    sys/mounts/keymgmt                                    create, update (where it is to be mounted)
    keymgmt/kms/crdb-cmek-NAME-ID-REGION                  create, read, update
    keymgmt/key/crdb-cmek-NAME-ID-REGION                  create, read, update
    keymgmt/key/crdb-cmek-NAME-ID-REGION/kms              list
    keymgmt/kms/crdb-cmek-NAME-ID-REGION/key/crdb-cmek-…  create, read, update
]],
  checks = [[
Checks of verify
  Each has an ID that stays. Its result is ok, finding or unknown (it could not be made); a check that rests on another
  one which is not ok is left out, so that a fault is told once. Those with a region are made in every region.
  cloud.organization         the organization can be read (listed when it cannot)
  cluster.exists             the cluster can be read (listed when it cannot)
  cluster.plan               its plan is ADVANCED
  cluster.cloud              it runs on AWS
  cluster.network            its network is private
  cluster.state              it is there and not being made
  cluster.account            the Cloud names the AWS account that uses the keys
  aws.account                the AWS credentials are not of that account
  vault.open                 Vault can be asked, and is not sealed
  role.exists                the role is there
  role.owner                 its tag cmek:cluster names this cluster
  role.tags                  its tag cmek:run is there, and those that are asked for
  role.trust                 its trust policy has the statement for CockroachDB, which allows
  role.trust.principal       that statement trusts the cluster's AWS account
  role.trust.action          it allows sts:AssumeRole
  role.trust.external_id     it wants the organization's ID as external ID
  role.trust.foreign         no other statement lets another account or service assume the role
  role.path                  its path is the one that is asked for, if one is
  role.permissions           no policies are attached to the role: it needs none
  role.session               its sessions last an hour
  role.boundary              its permissions boundary is the one that is asked for, and lets the role use the keys
  role.organization          the organization's service control policies, where IAM tells, do so too
  role.access                all in all, CockroachDB may assume the role
  role_use.exists            a role that uses keys of another account has a policy of its own that allows it
  role_use.policy            and that is as wanted: the five actions, on these keys
  vault_mount.exists         the engine that is asked for is mounted
  vault_mount.type           it is of the type that is asked for
  transit_key.exists         the material is there in Vault: a transit key of the region's name
  transit_key.type           it is an aes256-gcm96 key, neither derived nor convergent
  transit_key.version        the version that KMS has is still there
  transit_key.exportable     it can be exported, so that its material can be imported again
  transit_key.kept           Vault does not allow its deletion
  vault_provider.exists      Vault has a way to KMS in the region: a provider of the region's name
  vault_provider.kind        it leads to AWS KMS
  vault_provider.region      in this region
  vault_provider.credentials its credentials (always unknown: Vault shows none)
  vault_key.exists           the key of the region's name is there in Vault
  vault_key.type             it is an aes256-gcm96 key, the one type that KMS takes
  vault_key.kept             Vault does not allow its deletion
  vault_distribution.exists  Vault has the region's key in KMS, by the provider of the region
  vault_distribution.purpose for encrypting and decrypting
  vault_distribution.protection protected by hsm, as all that KMS keeps
  vault_distribution.enabled Vault does not keep the version that is in use disabled
  vault_distribution.version the version that is in use is Vault's newest: no rotation was left half done
  key.exists                 the alias is there and points to a key
  key.owner                  its tag cmek:cluster names this cluster
  key.state                  it is Enabled: neither disabled nor to be deleted
  key.spec                   it is a symmetric key of the customer's, for encrypting and decrypting
  key.origin                 its material was made by KMS, or comes from Vault where that is asked for
  key.material               material that was imported is there, and does not expire
  key.tags                   its tags cmek:region and cmek:run are there and right, and so are those that are asked for
  key.policy                 its policy can be read, and is cmek's by Version and Id
  key.policy.use             the statement that lets the role use it is as wanted, field by field
  key.policy.administration  so is the statement of those who administer it
  key.policy.foreign         no other statement lets others use or administer it, or its role do more
  key.revoked                no revocation of cmek's keeps the role from it
  key.control                those who administer it may still change its policy: nothing denies it
  key.rotation               KMS rotates it
  key.rotation.period        in the wanted number of days
  key.grants                 no grant lets another account use it
  key.replica                where it is to be a replica: it is one of the cluster's multi-Region key
  key.access                 all in all, the role may use it
  cluster_cmek.exists        CMEK is enabled for the cluster
  cluster_cmek.regions       every region of the cluster is named once, and no other
  cluster_cmek.key           the region uses this key
  cluster_cmek.role          with this role
  cluster_cmek.enabled       region and key are ENABLED
  cmek_rotation.in_use       the region uses a key of cmek's, which can be used
  cmek_rotation.finished     no rotation was begun and left unfinished
  cmek_rotation.generation   the region uses the key of the generation that is named
  cmek_rotation.enabled      region and key are ENABLED
  cluster_regions.exists     the cluster has the region
  cluster_regions.nodes      with so many nodes
  Statements of others in policies are kept and shown; those that let other accounts or services in are findings.
  A kind that a recipe describes itself has KIND.exists and KIND.as_wanted; a write that it calls itself is unknown (call).
]],
  testing = [[
Testing a recipe
  The sentences of mine.lua stand in mine.test.lua beside it; cmek recipes test mine.lua runs each against simulated services of its
  own. It is a recipe's world with five names more, and nobody's account is touched:

    test["makes a key in every region"] = function()
      local result = run { cluster = "orders" }
      equal(result.exit, 0)
      equal(result:count "CreateKey", 3)
    end

    run, plan, verify, destroy { ARG = value, … }   the command with these arguments; run and destroy agree to what is asked. They give
             the command's document (cmek help json), and with it exit, output, errors (what went to stderr), requests (what the
             services were asked; result:count(OPERATION) and result:writes() count them) and services: what they hold afterwards,
             as cmek sim --state has it, such as result.services.aws["210987654321"].sns["us-east-1"].topics
    equal(got, want), contains(text, part)          what has to be so

  What does not hold is told by its line; --traceback adds the calls that led there.
  Simulated are the Cloud, Vault, and of AWS: IAM, KMS, SNS, STS and tagging. What calls another service is refused there; plan it in an account
  of yours, where a plan only reads.
  A second run of one sentence meets what the first has made. The services fail where a sentence wants it, by what
  cmek sim --fault takes:  run({ cluster = "orders" }, { faults = { "throttle service=kms operation=CreateKey count=2" } })
]],
  writing = [[
Writing a recipe
  cmek recipes eject console my.lua writes a copy of a stock recipe; cmek plan ./my.lua --cluster … runs it. cmek recipes new NAME
  writes a small one with its sentences, cmek recipes check my.lua tells what is wrong with one by its lines without running it, and
  cmek recipes test my.lua tries it (cmek help testing). An ejected one says in its first line where it is from: after an upgrade
  cmek recipes diff my.lua shows what the stock recipe has changed since, apart from what you have.
  A recipe returns { api = 1, summary =, args =, touches =, run = function(arg) … end }.

    args     { name, text, type = "string"|"integer"|"boolean", default =, list = true, optional = true,
             choices = { … }, min =, max =, like = "role"|"path"|"principal"|"policy"|"tag"|"mount"|"credentials"|
             "region_nodes", required = true }; each is a flag. With a boolean one called drill a run plans, checks, and
             has given up the right to write
    touches  the services it calls: cloud, iam, kms, sts, tagging, vault, and others of AWS that aws.call reaches, by the name that they
             sign with: sns, sqs, events …

  Its world: ensure, read, layout, preflight, handover, go_on (the recipe that goes on, with its arguments), task.map, policy,
  names, wait, on_change, say, ask, sorted, resource, the services it touches, aws.call, and require of policy, names, sorted, of
  files beside it and of stock recipes. There are no files, no clock, no network and no error handling: state what shall be with
  ensure; a failed run is run again. cmek help NAME says of each what it takes, gives and raises: cmek help aws.call.

  A write that it calls itself (iam.tag_role { … }, aws.call { … }) is a step of the plan, done at every run; in on_change(function() … end)
  only where something was made or changed before it. One that cannot be done twice, such as a message, is not repeated when a run is
  taken up: that it was sent stands in the journal, and where its answer was lost cmek resume says so and does not send it again.

  Plan and question show the file's path, its SHA-256 (of files beside it that it requires at its top as well, which are named) and what
  it touches. --trust lifts the sandbox: the recipe has file, process, json, crypto, time, load, pcall and globals of its own; services it
  reaches as any other recipe does. The journal says so.

  What goes wrong in it is told by its line, with what may have been meant; --traceback adds the calls that led there, --on-error=repl
  opens a prompt at that line, and so does break() in the recipe (cmek help on-error).

  resource { … } describes a kind of its own and gives the name that ensure takes: kind, actions ({ iam = { "TagRole" } },
  all that its functions call, of services that are touched), name(want), find(want), create(want); also differences(want, have) (a list
  of { field =, have =, want = }), update(want, have), delete(want, have), ready(have), region(want), absent (codes by which a service
  says to find that it is not there) and irreversible (why making it cannot be undone). It stands outside of run, in the recipe or in a
  file beside it that returns it. What `want` cannot know before the run may be passed on, not looked into: while find would ask about
  it, the thing counts as not there. plan, run, resume, verify and destroy treat it as one of cmek's own, but for two things: whether
  the credentials may do what it calls is not asked beforehand, and what has no delete is left as it is by destroy, which says so.
]],
}

--- The names of the topics, sorted.
function M.names()
  local names = {}
  for name in require("sorted")(M.TOPICS) do names[#names + 1] = name end
  return names
end

--- A command as it is typed.
---@param word words.Word
---@return string
function M.usage(word)
  return word.usage == "" and word[1] or word[1] .. " " .. word.usage
end

--- What `cmek` and `cmek help` say: each command in a line.
---@return string
function M.overview()
  local rows = {}
  for _, word in ipairs(require "words") do
    if not word.hidden then rows[#rows + 1] = { "cmek " .. M.usage(word), word.text } end
  end
  return "cmek gives a CockroachDB Cloud cluster a customer-managed encryption key in AWS, and looks after it.\n\n"
    .. require("ui.table").render(rows, "  ")
    .. "\nTopics: " .. table.concat(M.names(), ", ") .. "\nTry it without an account:\n  cmek sim -- cmek run console --cluster orders --enable\n"
end

return M

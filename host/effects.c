/* effects.c -- what each request does to the world: read, session, write, deletion or irreversible.
 * By exact name, never by prefix or method; what stands nowhere here is a write. Sources: the API references of
 * IAM 2010-05-08, STS 2011-06-15, SSO and SSO OIDC 2019-06-10, instance metadata v2, KMS 2014-11-01, Resource Groups Tagging 2017-01-26, CockroachDB Cloud 2024-09-16;
 * of services that recipes of one's own may call, SNS 2010-03-31 and those that stand beside it. How they are named on the wire says aws_service.c. */
#include "effects.h"

#include <stddef.h>
#include <string.h>

static const char *const session_secrets[] = {"SecretAccessKey", "SessionToken", NULL};
static const char *const plaintext[] = {"Plaintext", NULL};
static const char *const import_token[] = {"ImportToken", NULL};
static const char *const metadata_secrets[] = {"SecretAccessKey", "Token", NULL};
static const char *const portal_secrets[] = {"secretAccessKey", "sessionToken", NULL};
static const char *const oidc_secrets[] = {"accessToken", "refreshToken", "idToken", NULL};

#define READ(service, operation)    {service, operation, EFFECT_READ, false, NULL, NULL, NULL}
#define WRITE(service, operation)   {service, operation, EFFECT_WRITE, false, NULL, NULL, NULL}
#define DELETION(service, operation) {service, operation, EFFECT_DELETION, false, NULL, NULL, NULL}
#define DRY(service, operation)     {service, operation, EFFECT_WRITE, true, NULL, NULL, NULL}
#define REST(service, operation, effect, method, path)  {service, operation, effect, false, NULL, method, path}
#define SESSION(service, operation, secrets, method, path)  {service, operation, EFFECT_SESSION, false, secrets, method, path}

static const struct effects_row rows[] = {
  READ("sts", "GetCallerIdentity"),
  READ("sts", "DecodeAuthorizationMessage"),
  {"sts", "AssumeRole", EFFECT_SESSION, false, session_secrets, NULL, NULL},
  {"sts", "AssumeRoleWithWebIdentity", EFFECT_SESSION, false, session_secrets, NULL, NULL},
  SESSION("imds", "GetToken",           NULL,             "PUT", "/latest/api/token"),
  SESSION("imds", "ListRoles",          NULL,             "GET", "/latest/meta-data/iam/security-credentials/"),
  SESSION("imds", "GetRoleCredentials", metadata_secrets, "GET", "/latest/meta-data/iam/security-credentials/*"),
  SESSION("container", "GetCredentials", metadata_secrets, "GET", ""),   /* the whole address is the endpoint's */
  SESSION("sso", "GetRoleCredentials",  portal_secrets,   "GET", "/federation/credentials"),
  SESSION("sso-oidc", "CreateToken",    oidc_secrets,     "POST", "/token"),

  READ("iam", "GetGroupPolicy"),
  READ("iam", "GetPolicy"),
  READ("iam", "GetPolicyVersion"),
  READ("iam", "GetRole"),
  READ("iam", "GetRolePolicy"),
  READ("iam", "GetUser"),
  READ("iam", "GetUserPolicy"),
  READ("iam", "ListAttachedGroupPolicies"),
  READ("iam", "ListAttachedRolePolicies"),
  READ("iam", "ListAttachedUserPolicies"),
  READ("iam", "ListGroupPolicies"),
  READ("iam", "ListGroupsForUser"),
  READ("iam", "ListInstanceProfilesForRole"),
  READ("iam", "ListRolePolicies"),
  READ("iam", "ListRoles"),
  READ("iam", "ListRoleTags"),
  READ("iam", "ListUserPolicies"),
  READ("iam", "SimulateCustomPolicy"),
  READ("iam", "SimulatePrincipalPolicy"),
  WRITE("iam", "AttachRolePolicy"),
  WRITE("iam", "CreateRole"),
  DELETION("iam", "DeleteRole"),
  WRITE("iam", "DeleteRolePermissionsBoundary"),
  WRITE("iam", "DeleteRolePolicy"),
  WRITE("iam", "DetachRolePolicy"),
  WRITE("iam", "PutRolePermissionsBoundary"),
  WRITE("iam", "PutRolePolicy"),
  WRITE("iam", "TagRole"),
  WRITE("iam", "UntagRole"),
  WRITE("iam", "UpdateAssumeRolePolicy"),
  WRITE("iam", "UpdateRole"),

  READ("kms", "DescribeKey"),
  READ("kms", "GetKeyLastUsage"),
  READ("kms", "GetKeyPolicy"),
  READ("kms", "GetKeyRotationStatus"),
  READ("kms", "GetPublicKey"),
  READ("kms", "ListAliases"),
  READ("kms", "ListGrants"),
  READ("kms", "ListKeyPolicies"),
  READ("kms", "ListKeyRotations"),
  READ("kms", "ListKeys"),
  READ("kms", "ListResourceTags"),
  DRY("kms", "Encrypt"),
  DRY("kms", "ReEncrypt"),
  DRY("kms", "GenerateDataKeyWithoutPlaintext"),
  {"kms", "Decrypt", EFFECT_WRITE, true, plaintext, NULL, NULL},
  {"kms", "GenerateDataKey", EFFECT_WRITE, true, plaintext, NULL, NULL},
  {"kms", "GetParametersForImport", EFFECT_WRITE, false, import_token, NULL, NULL},
  WRITE("kms", "CancelKeyDeletion"),
  WRITE("kms", "CreateAlias"),
  WRITE("kms", "CreateKey"),
  WRITE("kms", "DeleteAlias"),
  WRITE("kms", "DeleteImportedKeyMaterial"),
  WRITE("kms", "DisableKey"),
  WRITE("kms", "DisableKeyRotation"),
  WRITE("kms", "EnableKey"),
  WRITE("kms", "EnableKeyRotation"),
  WRITE("kms", "ImportKeyMaterial"),
  WRITE("kms", "PutKeyPolicy"),
  WRITE("kms", "ReplicateKey"),
  WRITE("kms", "RevokeGrant"),
  WRITE("kms", "RotateKeyOnDemand"),
  DELETION("kms", "ScheduleKeyDeletion"),
  WRITE("kms", "TagResource"),
  WRITE("kms", "UntagResource"),
  WRITE("kms", "UpdateAlias"),
  WRITE("kms", "UpdateKeyDescription"),
  WRITE("kms", "UpdatePrimaryRegion"),

  READ("tagging", "GetResources"),
  READ("tagging", "GetTagKeys"),
  READ("tagging", "GetTagValues"),

  READ("sns", "GetSubscriptionAttributes"),
  READ("sns", "GetTopicAttributes"),
  READ("sns", "ListSubscriptions"),
  READ("sns", "ListSubscriptionsByTopic"),
  READ("sns", "ListTagsForResource"),
  READ("sns", "ListTopics"),

  READ("sqs", "GetQueueAttributes"),
  READ("sqs", "GetQueueUrl"),
  READ("sqs", "ListDeadLetterSourceQueues"),
  READ("sqs", "ListQueueTags"),
  READ("sqs", "ListQueues"),

  READ("events", "DescribeEventBus"),
  READ("events", "DescribeRule"),
  READ("events", "ListEventBuses"),
  READ("events", "ListRuleNamesByTarget"),
  READ("events", "ListRules"),
  READ("events", "ListTagsForResource"),
  READ("events", "ListTargetsByRule"),

  READ("monitoring", "DescribeAlarmHistory"),
  READ("monitoring", "DescribeAlarms"),
  READ("monitoring", "DescribeAlarmsForMetric"),
  READ("monitoring", "GetMetricStatistics"),
  READ("monitoring", "ListMetrics"),
  READ("monitoring", "ListTagsForResource"),

  READ("logs", "DescribeLogGroups"),
  READ("logs", "DescribeLogStreams"),
  READ("logs", "DescribeMetricFilters"),
  READ("logs", "DescribeResourcePolicies"),
  READ("logs", "DescribeSubscriptionFilters"),
  READ("logs", "ListTagsForResource"),

  READ("secretsmanager", "DescribeSecret"),
  READ("secretsmanager", "GetResourcePolicy"),
  READ("secretsmanager", "ListSecretVersionIds"),
  READ("secretsmanager", "ListSecrets"),

  READ("cloudtrail", "DescribeTrails"),
  READ("cloudtrail", "GetEventSelectors"),
  READ("cloudtrail", "GetTrail"),
  READ("cloudtrail", "GetTrailStatus"),
  READ("cloudtrail", "ListTags"),
  READ("cloudtrail", "ListTrails"),
  READ("cloudtrail", "LookupEvents"),

  READ("organizations", "DescribeAccount"),
  READ("organizations", "DescribeOrganization"),
  READ("organizations", "DescribePolicy"),
  READ("organizations", "ListAccounts"),
  READ("organizations", "ListPoliciesForTarget"),
  READ("organizations", "ListRoots"),
  READ("organizations", "ListTagsForResource"),

  READ("ec2", "DescribeRegions"),
  READ("ec2", "DescribeVpcEndpoints"),
  READ("ec2", "DescribeVpcs"),

  REST("cloud", "GetOrganization",    EFFECT_READ, "GET", "/api/v1/organization"),
  REST("cloud", "ListClusters",       EFFECT_READ, "GET", "/api/v1/clusters"),
  REST("cloud", "ListAvailableRegions", EFFECT_READ, "GET", "/api/v1/clusters/available-regions"),
  REST("cloud", "GetCluster",         EFFECT_READ, "GET", "/api/v1/clusters/*"),
  REST("cloud", "GetCMEKClusterInfo", EFFECT_READ, "GET", "/api/v1/clusters/*/cmek"),
  REST("cloud", "ListAuditLogs",      EFFECT_READ, "GET", "/api/v1/auditlogevents"),
  /* Its map of regions and nodes is complete: it buys what it adds, and a region that it leaves out is taken away. */
  REST("cloud", "UpdateCluster",      EFFECT_IRREVERSIBLE, "PATCH", "/api/v1/clusters/*"),
  /* CMEK cannot be disabled once it is enabled; PUT may enable as well, and a revoked cluster only support can bring back. */
  REST("cloud", "EnableCMEKSpec",     EFFECT_IRREVERSIBLE, "POST", "/api/v1/clusters/*/cmek"),
  REST("cloud", "UpdateCMEKSpec",     EFFECT_IRREVERSIBLE, "PUT", "/api/v1/clusters/*/cmek"),
  REST("cloud", "UpdateCMEKStatus",   EFFECT_IRREVERSIBLE, "PATCH", "/api/v1/clusters/*/cmek"),
};

/* Operations that secrets are for: they use them, or give them back as secrets alone. */
static const struct { const char *service, *operation; } takers[] = {
  {"kms", "Encrypt"}, {"kms", "ImportKeyMaterial"},
  {"vault", "LookupWrapping"}, {"vault", "KvWrite"}, {"vault", "KeymgmtWriteProvider"}, {"vault", "TransitEncrypt"},
  {"vault", "TransitImportKey"}, {"vault", "TransitImportVersion"},
};

static const struct effects_row unknown = {"", "", EFFECT_WRITE, false, NULL, NULL, NULL};

#define ROWS (sizeof rows / sizeof *rows)

const struct effects_row *effects_named(const char *service, const char *operation)
{
  const struct effects_row *row = strcmp(service, "vault") == 0 ? effects_vault_named(operation) : NULL;
  for (size_t i = 0; row == NULL && i < ROWS; i++)
    if (strcmp(rows[i].service, service) == 0 && strcmp(rows[i].operation, operation) == 0)
      row = &rows[i];
  return row != NULL ? row : &unknown;
}

const struct effects_row *effects_of_operation(const char *service, const char *operation)
{
  for (size_t i = 0; i < ROWS; i++)
    if (rows[i].path == NULL && strcmp(rows[i].service, service) == 0 && strcmp(rows[i].operation, operation) == 0)
      return &rows[i];
  return &unknown;
}

/* Of other services whoever calls them says what is a secret. */
bool effects_take_secrets(const char *service, const char *operation)
{
  static const char *const strict[] = {"iam", "kms", "sts", "tagging", "vault"};
  bool ours = false;
  for (size_t i = 0; i < sizeof strict / sizeof *strict && !ours; i++)
    ours = strcmp(strict[i], service) == 0;
  for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
    if (strcmp(takers[i].service, service) == 0 && strcmp(takers[i].operation, operation) == 0)
      return true;
  return !ours;
}

const char *effects_read(const char *service, size_t n)
{
  for (size_t i = 0; i < ROWS; i++)
    if (strcmp(rows[i].service, service) == 0 && rows[i].effect == EFFECT_READ && n-- == 0)
      return rows[i].operation;
  return NULL;
}

/* A segment that `*` may stand for: not empty, no dot segment, nothing that a server might decode into a slash. */
static bool plain_segment(const char *segment, size_t length)
{
  if (length == 0 || segment[0] == '.')
    return false;
  for (size_t i = 0; i < length; i++) {
    char c = segment[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && (c == '\0' || strchr("-_.+=,@", c) == NULL))
      return false;
  }
  return true;
}

/* Whether all that is left of a path is plain segments, one and more. */
static bool plain_path(const char *path)
{
  for (;;) {
    size_t length = strcspn(path, "/");
    if (!plain_segment(path, length))
      return false;
    if (path[length] == '\0')
      return true;
    path += length + 1;
  }
}

/* Whether plain segments, one and more, stand before what matches the rest of a pattern. */
static bool after_some(const char *rest, const char *path)
{
  for (size_t length = strcspn(path, "/"); plain_segment(path, length) && path[length] == '/'; length = strcspn(path, "/")) {
    path += length + 1;
    if (effects_path_matches(rest, path))
      return true;
  }
  return false;
}

bool effects_path_matches(const char *pattern, const char *path)
{
  while (*pattern != '\0') {
    if (strcmp(pattern, "**") == 0)
      return plain_path(path);
    if (strncmp(pattern, "**/", 3) == 0)
      return after_some(pattern + 3, path);
    if (*pattern == '*') {
      size_t length = strcspn(path, "/");
      if (!plain_segment(path, length))
        return false;
      path += length;
      pattern++;
    } else if (*pattern++ != *path++) {
      return false;
    }
  }
  return *path == '\0';
}

const struct effects_row *effects_of_path(const char *service, const char *method, const char *path)
{
  for (size_t i = 0; i < ROWS; i++)
    if (rows[i].path != NULL && strcmp(rows[i].service, service) == 0 && strcmp(rows[i].method, method) == 0
        && effects_path_matches(rows[i].path, path))
      return &rows[i];
  return &unknown;
}

const char *effect_name(enum effect effect)
{
  static const char *const names[] = {"read", "session", "write", "deletion", "irreversible"};
  return names[effect];
}

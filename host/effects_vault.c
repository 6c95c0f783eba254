/* effects_vault.c -- what each request to Vault or OpenBao does. Mounts bear the names that their owners gave them, so a row is a pattern
 * of the path under the mount and decides for every engine: `{mount}` stands for the mount, `*` for a segment, `**` for one and more.
 * Sources: Vault's API documentation, 1.x and 2.x; OpenBao 2.x. */
#include "effects.h"

#include <stddef.h>
#include <string.h>

/* What is a secret in any answer: tokens, wrapped ones as well, and what engines make. */
#define COMMON "client_token", "token", "secret_id", "secret_key", "session_token", "security_token", "password", "private_key", \
               "private_key_data", "client_secret", "plaintext", "credentials"

const char *const effects_vault_secrets[] = {COMMON, NULL};
static const char *const of_lookup[] = {COMMON, "id", NULL};
static const char *const of_export[] = {COMMON, "keys", "backup", NULL};
static const char *const of_data[] = {COMMON, "data", NULL};          /* all that an owner keeps there */

#define ROW(operation, effect, secrets, method, path)  {"vault", operation, effect, false, secrets, method, path}
#define READ(operation, method, path)      ROW(operation, EFFECT_READ, NULL, method, path)
#define WRITE(operation, method, path)     ROW(operation, EFFECT_WRITE, NULL, method, path)
#define DELETION(operation, method, path)  ROW(operation, EFFECT_DELETION, NULL, method, path)
#define SESSION(operation, method, path)   ROW(operation, EFFECT_SESSION, NULL, method, path)

/* PUT is POST to Vault, and GET with ?list=true is LIST. The first row of a path decides. */
static const struct effects_row rows[] = {
  READ("ReadHealth",       "GET",  "sys/health"),
  READ("ReadSealStatus",   "GET",  "sys/seal-status"),
  READ("ReadLeader",       "GET",  "sys/leader"),
  READ("ListMounts",       "GET",  "sys/mounts"),
  READ("ReadMount",        "GET",  "sys/mounts/**"),
  READ("InspectMount",     "GET",  "sys/internal/ui/mounts/**"),
  READ("ListAuthMounts",   "GET",  "sys/auth"),
  READ("ReadCapabilities", "POST", "sys/capabilities-self"),
  READ("ListNamespaces",   "LIST", "sys/namespaces"),
  READ("ReadNamespace",    "GET",  "sys/namespaces/*"),
  READ("ReadLicense",      "GET",  "sys/license/status"),
  READ("ListPolicies",     "LIST", "sys/policies/acl"),
  READ("ReadPolicy",       "GET",  "sys/policies/acl/*"),
  READ("LookupWrapping",   "POST", "sys/wrapping/lookup"),
  WRITE("EnableMount",     "POST", "sys/mounts/**"),
  DELETION("DisableMount", "DELETE", "sys/mounts/**"),
  ROW("Unwrap", EFFECT_SESSION, of_data, "POST", "sys/wrapping/unwrap"),
  SESSION("RenewLease",    "POST", "sys/leases/renew"),
  SESSION("RevokeLease",   "POST", "sys/leases/revoke"),

  ROW("LookupSelf", EFFECT_READ, of_lookup, "GET", "auth/token/lookup-self"),
  SESSION("RenewSelf",     "POST", "auth/token/renew-self"),
  SESSION("RevokeSelf",    "POST", "auth/token/revoke-self"),
  SESSION("Login",         "POST", "auth/{mount}/login"),
  SESSION("Login",         "POST", "auth/{mount}/login/*"),

  /* What is made anew each time it is read, or leaves Vault in clear. */
  SESSION("ReadCredentials",       "GET",  "{mount}/creds/**"),
  SESSION("ReadStaticCredentials", "GET",  "{mount}/static-creds/**"),
  SESSION("AssumeRole",            "GET",  "{mount}/sts/**"),
  SESSION("AssumeRole",            "POST", "{mount}/sts/*"),
  ROW("TransitExport",     EFFECT_WRITE, of_export, "GET", "{mount}/export/**"),
  ROW("TransitByokExport", EFFECT_WRITE, of_export, "GET", "{mount}/byok-export/**"),
  ROW("TransitBackup",     EFFECT_WRITE, of_export, "GET", "{mount}/backup/**"),

  READ("KeymgmtListKeys",            "LIST",   "{mount}/key"),
  READ("KeymgmtReadKey",             "GET",    "{mount}/key/*"),
  WRITE("KeymgmtWriteKey",           "POST",   "{mount}/key/*"),
  WRITE("KeymgmtRotateKey",          "POST",   "{mount}/key/*/rotate"),
  DELETION("KeymgmtDeleteKey",       "DELETE", "{mount}/key/*"),
  READ("KeymgmtListKeyProviders",    "LIST",   "{mount}/key/*/kms"),
  READ("KeymgmtListProviders",       "LIST",   "{mount}/kms"),
  READ("KeymgmtReadProvider",        "GET",    "{mount}/kms/*"),
  WRITE("KeymgmtWriteProvider",      "POST",   "{mount}/kms/*"),
  DELETION("KeymgmtDeleteProvider",  "DELETE", "{mount}/kms/*"),
  READ("KeymgmtListDistributions",   "LIST",   "{mount}/kms/*/key"),
  READ("KeymgmtReadDistribution",    "GET",    "{mount}/kms/*/key/*"),
  WRITE("KeymgmtDistribute",         "POST",   "{mount}/kms/*/key/*"),
  WRITE("KeymgmtReplicate",          "POST",   "{mount}/kms/*/key/*/replicate"),
  DELETION("KeymgmtDeleteDistribution", "DELETE", "{mount}/kms/*/key/*"),

  READ("TransitListKeys",            "LIST",   "{mount}/keys"),
  READ("TransitReadKey",             "GET",    "{mount}/keys/*"),
  READ("TransitReadWrappingKey",     "GET",    "{mount}/wrapping_key"),
  WRITE("TransitCreateKey",          "POST",   "{mount}/keys/*"),
  WRITE("TransitRotateKey",          "POST",   "{mount}/keys/*/rotate"),
  WRITE("TransitConfigureKey",       "POST",   "{mount}/keys/*/config"),
  WRITE("TransitImportKey",          "POST",   "{mount}/keys/*/import"),
  WRITE("TransitImportVersion",      "POST",   "{mount}/keys/*/import_version"),
  WRITE("TransitDeleteTemporaryKey", "DELETE", "{mount}/keys/tmp-*"),   /* a service's public key, of no use an hour later */
  DELETION("TransitDeleteKey",       "DELETE", "{mount}/keys/*"),
  WRITE("TransitEncrypt",            "POST",   "{mount}/encrypt/*"),
  WRITE("TransitDecrypt",            "POST",   "{mount}/decrypt/*"),
  WRITE("TransitWrappedDataKey",     "POST",   "{mount}/datakey/wrapped/*"),
  WRITE("TransitDataKey",            "POST",   "{mount}/datakey/plaintext/*"),

  READ("KvReadLock",                 "GET",    "{mount}/data/**/rotation-of-*"),   /* who rotates: no secret */
  ROW("KvRead", EFFECT_READ, of_data, "GET", "{mount}/data/**"),
  WRITE("KvWrite",                   "POST",   "{mount}/data/**"),
  READ("KvReadMetadata",             "GET",    "{mount}/metadata/**"),
  READ("KvList",                     "LIST",   "{mount}/metadata/**"),
  WRITE("KvWriteMetadata",           "POST",   "{mount}/metadata/**"),
  DELETION("KvDelete",               "DELETE", "{mount}/metadata/**"),
};

#define ROWS (sizeof rows / sizeof *rows)
#define MOUNT "{mount}/"

const struct effects_row *effects_vault_named(const char *operation)
{
  for (size_t i = 0; i < ROWS; i++)
    if (strcmp(rows[i].operation, operation) == 0)
      return &rows[i];
  return NULL;
}

static bool begins(const char *text, const char *with)
{
  return strncmp(text, with, strlen(with)) == 0;
}

/* The part of the pattern that stands for the path, when what stands before it is this mount. */
static const char *pattern_under(const char *pattern, const char *mount, size_t length)
{
  bool system = length == 3 && memcmp(mount, "sys", 3) == 0, auth = length > 5 && begins(mount, "auth/");
  if (begins(pattern, "auth/" MOUNT))
    return auth ? pattern + strlen("auth/" MOUNT) : NULL;
  if (begins(pattern, MOUNT))   /* an engine: neither Vault's own routes nor what stands below them */
    return system || auth || begins(mount, "sys/") || begins(mount, "auth/") || (length == 4 && memcmp(mount, "auth", 4) == 0)
      || begins(mount, "identity/") || begins(mount, "cubbyhole/") ? NULL : pattern + strlen(MOUNT);
  return strncmp(pattern, mount, length) == 0 && pattern[length] == '/' ? pattern + length + 1 : NULL;
}

/* The first row of a path under a mount, whose name is the first bytes of `mount`; NULL: none. */
static const struct effects_row *row_of(const char *method, const char *mount, size_t length, const char *path)
{
  for (size_t i = 0; i < ROWS; i++) {
    const char *pattern = strcmp(rows[i].method, method) == 0 ? pattern_under(rows[i].path, mount, length) : NULL;
    if (pattern != NULL && effects_path_matches(pattern, path))
      return &rows[i];
  }
  return NULL;
}

const struct effects_row *effects_of_vault_mount(const char *method, const char *full, size_t mount)
{
  return row_of(method, full, mount, full + mount + 1);
}

/* Whether the path is one of a KV engine's data, wherever its mount ends. */
static bool may_be_data(const char *method, const char *full)
{
  for (const char *slash = strchr(full, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    const struct effects_row *row = row_of(method, full, (size_t)(slash - full), slash + 1);
    if (row != NULL && row->secrets == of_data)
      return true;
  }
  return false;
}

/* What of the answer comes out as a secret: what an owner may keep there does, whatever the caller takes it for. A mount with a segment
 * "data" inside its name pays for that: nothing of its answers is text. */
const char *const *effects_vault_secrets_of(const struct effects_row *row, const char *method, const char *full)
{
  if (may_be_data(method, full))
    return of_data;
  return row->secrets != NULL ? row->secrets : effects_vault_secrets;
}

/* Where the mount ends is the caller's word; Vault finds it by itself. So whatever the path would be with its mount ending elsewhere is
 * weighed as well, and the strongest effect decides: no word of where a mount ends makes a read of what makes credentials or gives keys
 * away, nor a write of what deletes. */
const struct effects_row *effects_of_vault(const char *method, const char *full, size_t mount)
{
  const struct effects_row *strongest = row_of(method, full, mount, full + mount + 1);
  enum effect effect = strongest != NULL ? strongest->effect : EFFECT_READ;   /* what no row knows is a write, unless another says more */
  for (const char *slash = strchr(full, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    const struct effects_row *other = row_of(method, full, (size_t)(slash - full), slash + 1);
    if (other != NULL && other->effect > effect) {
      strongest = other;
      effect = other->effect;
    }
  }
  return strongest;
}

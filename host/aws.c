/* aws.c -- requests to AWS: the operation and its body are written here, so that what is signed is what was judged.
 * How each service is spoken to says aws_service.c; Signature Version 4. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <lauxlib.h>

#include "aws_service.h"
#include "door.h"
#include "field.h"
#include "form.h"
#include "json.h"
#include "secret.h"

#define HEADERS_MAX 8
#define TIMEOUT 60.0   /* seconds, as the SDKs wait for an answer */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define SLOTS 60       /* of Lua's stack: what is read stays on it until the request has left */
#define OPERATION_MAX 100
#define SECRETS_MAX 16 /* names of members of an answer that come out as secrets */

static int aws_request(lua_State *L);

static const luaL_Reg functions[] = {
  {"request", aws_request},   /* aws.request{service=, region=, operation=, parameters=, credentials=, ...} -> response | nil, message, kind */
  {NULL, NULL}
};

/* Members of answers that hold a secret whatever the service: what no table speaks of is looked at for these. Sources: the API references of
 * IAM, STS, KMS, Secrets Manager, Cognito, Redshift, ECR, EC2, ACM. */
static const char *const secret_members[] = {
  "SecretAccessKey", "secretAccessKey", "SecretKey", "SessionToken", "sessionToken", "SecretString", "SecretBinary", "RandomPassword",
  "Plaintext", "PrivateKeyPlaintext", "SharedSecret", "PrivateKey", "privateKey", "keyMaterial", "AccessToken", "accessToken",
  "RefreshToken", "refreshToken", "IdToken", "idToken", "WebIdentityToken", "authorizationToken", "ServicePassword",
  "ServiceCredentialSecret", "Base32StringSeed", "QRCodePNG", "DbPassword", "dbPassword", NULL,
};

/* One request while it is being written. Strings are the stack's or this struct's. */
struct request {
  struct service service;
  const char *operation;
  const char *region;           /* signed for */
  const char *method;
  const char *access_key_id;    /* NULL: not signed */
  const struct secret *key, *token;   /* borrowed from the credentials; token may be NULL */
  char url[2048];
  char host[256];
  char path[1024];
  char stamp[24];
  char target[224];
  struct bytes body;            /* owned */
  struct bytes query;           /* owned; as it goes on the wire, of REST */
  char digest[SIGV4_SIGNATURE]; /* of the body, of REST */
  struct bytes authorization;   /* owned */
  struct sigv4_header headers[HEADERS_MAX];
  size_t header_count;
};

static bool is_rest(const struct request *r)
{
  return r->service.protocol == PROTOCOL_REST_JSON || r->service.protocol == PROTOCOL_REST_XML;
}

static bool is_json(const struct request *r)
{
  return r->service.protocol == PROTOCOL_JSON_1_0 || r->service.protocol == PROTOCOL_JSON_1_1;
}

static void request_free(struct request *r)
{
  bytes_free(&r->body);
  bytes_free(&r->query);
  bytes_free(&r->authorization);
}

static void add_header(struct request *r, const char *name, const char *value)
{
  if (r->header_count < HEADERS_MAX)
    r->headers[r->header_count++] = (struct sigv4_header){name, value};
}

/* Host and path of the endpoint; a default port does not stand in Host. */
static void split_url(struct request *r)
{
  const char *from = strstr(r->url, "://") + 3;
  size_t length = strcspn(from, "/");
  (void)snprintf(r->host, sizeof r->host, "%.*s", (int)length, from);
  const char *standard = strncmp(r->url, "https", 5) == 0 ? ":443" : ":80";
  size_t host = strlen(r->host), port = strlen(standard);
  if (host > port && strcmp(r->host + host - port, standard) == 0)
    r->host[host - port] = '\0';
  (void)snprintf(r->path, sizeof r->path, "%s", from[length] != '\0' ? from + length : "/");
}

static void set_stamp(lua_State *L, struct request *r, double now)
{
  time_t seconds = (time_t)now;
  struct tm utc;
  if (gmtime_r(&seconds, &utc) == NULL || strftime(r->stamp, sizeof r->stamp, "%Y%m%dT%H%M%SZ", &utc) == 0)
    luaL_error(L, "aws: the clock shows no date");
}

/* The body of a REST request: JSON of the parameters, when there are any, or what the caller has written. */
static bool write_rest_body(lua_State *L, struct request *r, int parameters)
{
  if (r->service.protocol == PROTOCOL_REST_JSON) {
    lua_pushnil(L);
    bool any = lua_next(L, parameters) != 0;
    lua_settop(L, any ? -3 : -1);
    return !any || json_write(L, parameters, &r->body, true, "aws");
  }
  int type = lua_getfield(L, 1, "body");
  const struct secret *secret = secret_test(L, -1);
  size_t length = 0;
  const char *text = secret != NULL ? (const char *)secret->data : type == LUA_TSTRING ? lua_tolstring(L, -1, &length) : "";
  if (secret != NULL && !secret_for(secret, "aws")) {
    lua_pushliteral(L, "field 'body' is a secret of another audience");
    return false;
  }
  return bytes_append(&r->body, text, secret != NULL ? secret->length : length);
}

/* The query of a REST request, also put behind the URL. */
static bool write_query(lua_State *L, struct request *r)
{
  if (lua_getfield(L, 1, "query") != LUA_TTABLE)
    return true;
  if (!form_write(L, lua_gettop(L), &r->query, NULL))
    return false;
  if (r->query.length == 0)
    return true;
  size_t length = strlen(r->url);
  if (length + 1 + r->query.length >= sizeof r->url) {
    lua_pushliteral(L, "the query is too long");
    return false;
  }
  (void)snprintf(r->url + length, sizeof r->url - length, "?%s", r->query.data);
  return true;
}

/* The table of parameters, at the index, as the service's protocol writes it; false leaves a message. */
static bool write_body(lua_State *L, struct request *r, int parameters)
{
  if (is_rest(r))
    return write_query(L, r) && write_rest_body(L, r, parameters);
  if (is_json(r))
    return json_write(L, parameters, &r->body, true, "aws");
  bool ok = bytes_puts(&r->body, "Action=") && sigv4_encode(r->operation, strlen(r->operation), &r->body)
         && bytes_puts(&r->body, "&Version=") && bytes_puts(&r->body, r->service.version);
  return ok && (r->service.protocol == PROTOCOL_EC2 ? form_write_ec2 : form_write)(L, parameters, &r->body, "aws");
}

static const char *content_type(const struct request *r)
{
  switch (r->service.protocol) {
  case PROTOCOL_JSON_1_0: return "application/x-amz-json-1.0";
  case PROTOCOL_JSON_1_1: return "application/x-amz-json-1.1";
  case PROTOCOL_REST_JSON: return "application/json";
  case PROTOCOL_REST_XML: return "application/xml";
  case PROTOCOL_QUERY: case PROTOCOL_EC2: break;
  }
  return "application/x-www-form-urlencoded; charset=utf-8";
}

/* Once the body is written. */
static bool write_headers(struct door *door, struct request *r)
{
  add_header(r, "Host", r->host);
  add_header(r, "X-Amz-Date", r->stamp);
  if (!is_rest(r) || r->body.length > 0)
    add_header(r, "Content-Type", content_type(r));
  if (is_json(r)) {
    (void)snprintf(r->target, sizeof r->target, "%s.%s", r->service.target, r->operation);
    add_header(r, "X-Amz-Target", r->target);
  }
  if (is_rest(r)) {
    struct bytes digest = {0};
    if (!sigv4_payload_hash(door->signing_keys, r->body.data, r->body.length, &digest))
      return false;
    (void)snprintf(r->digest, sizeof r->digest, "%s", digest.data);
    bytes_free(&digest);
    add_header(r, "X-Amz-Content-Sha256", r->digest);   /* which S3 wants */
  }
  return true;
}

/* A member of the credentials that has to be a secret for AWS; NULL when it is absent and may be. Stays on the stack. */
static const struct secret *credential(lua_State *L, int credentials, const char *name, bool optional)
{
  if (lua_getfield(L, credentials, name) == LUA_TNIL && optional)
    return NULL;
  const struct secret *s = secret_test(L, -1);
  if (s == NULL || !secret_for(s, "aws"))
    luaL_error(L, "bad argument #1 to 'request' (credentials.%s must be a secret for AWS)", name);
  return s;
}

/* The credentials at the index; raises before anything of the request is allocated. */
static void take_credentials(lua_State *L, struct request *r, int credentials)
{
  r->access_key_id = field_string(L, credentials, "access_key_id", "");
  r->key = credential(L, credentials, "secret_access_key", false);
  r->token = credential(L, credentials, "session_token", true);
}

/* The token's text stays inside this call's buffers: secrets end in a NUL of their own. */
static bool sign(struct door *door, struct request *r)
{
  if (r->token != NULL)
    add_header(r, "X-Amz-Security-Token", (const char *)r->token->data);
  struct sigv4_request s = {
    .method = r->method, .path = r->path, .query = r->query.data, .headers = r->headers, .header_count = r->header_count,
    .body = r->body.data, .body_length = r->body.length, .access_key_id = r->access_key_id, .secret = r->key->data,
    .secret_length = r->key->length, .region = r->region, .service = r->service.name, .stamp = r->stamp,
  };
  if (!sigv4_authorization(door->signing_keys, &s, &r->authorization))
    return false;
  add_header(r, "Authorization", r->authorization.data);
  return true;
}

/* What was judged is what is written: nothing of the parameters may run Lua or name the operation once more. */
static void check_parameters(lua_State *L, const struct request *r, int parameters)
{
  /* maps and odd lists are written as the API's reference shows them: ["Attributes.entry.1.key"] */
  const char *letters = r->service.known && strcmp(r->service.name, "sns") != 0 ? LETTERS : LETTERS ".";
  if (lua_getmetatable(L, parameters))
    luaL_error(L, "bad argument #1 to 'request' (field 'parameters' must be a table without a metatable)");
  lua_pushnil(L);
  while (r->service.version != NULL && lua_next(L, parameters) != 0) {
    lua_pop(L, 1);
    size_t length = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : "";
    if (length == 0 || strspn(name, letters) != length || strcasecmp(name, "Action") == 0
        || strcasecmp(name, "Version") == 0)
      luaL_error(L, "door: %s %s takes no parameter '%s'", r->service.name, r->operation, name);
  }
  lua_settop(L, parameters + 2);   /* as push_members left it */
}

/* It is written into headers and bodies as it is, and whole. */
static void check_operation(lua_State *L, const char *operation)
{
  size_t length = strlen(operation);
  if (length == 0 || length > OPERATION_MAX || strspn(operation, LETTERS) != length)
    luaL_error(L, "bad argument #1 to 'request' (field 'operation' cannot be '%s')", operation);
}

/* The method and path of a REST request; of the others POST and the endpoint's own. Raises what would leave the path that is shown. */
static const char *check_way(lua_State *L, struct request *r)
{
  static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH", NULL};
  r->method = "POST";
  if (!is_rest(r))
    return "";
  const char *method = field_string(L, 1, "method", ""), *path = field_string(L, 1, "path", "");
  for (size_t i = 0; methods[i] != NULL; i++)
    if (strcmp(methods[i], method) == 0)
      r->method = methods[i];
  if (strcmp(r->method, method) != 0)
    luaL_error(L, "bad argument #1 to 'request' (no method '%s': GET, PUT, POST, DELETE or PATCH)", method);
  bool s3 = strcmp(r->service.name, "s3") == 0;   /* signs a path as it stands, the others encode it once more */
  size_t plain = strspn(path, s3 ? LETTERS "-._~/" : LETTERS "-._~/%:@!$&'()*+,;=");
  if (path[0] != '/' || path[plain] != '\0' || strstr(path, "//") != NULL || strstr(path, "/.") != NULL
      || strcasestr(path, "/%2e") != NULL)
    luaL_error(L, "bad argument #1 to 'request' (field 'path' cannot be '%s')", path);
  return path;
}

/* What the request is about, for the journal: the first of these names that the parameters hold; of REST, where the operation is the caller's
 * word, what is done there. */
static const char *target_of(lua_State *L, const struct request *r, const char *path, int parameters)
{
  if (is_rest(r))
    return lua_pushfstring(L, "%s %s", r->method, path);
  static const char *const names[] = {"RoleName", "AliasName", "KeyId", "RoleArn", "TopicArn", "ResourceArn", "Name", NULL};
  for (size_t i = 0; names[i] != NULL; i++)
    if (lua_getfield(L, parameters, names[i]) == LUA_TSTRING)
      return lua_tostring(L, -1);
  return NULL;
}

static bool dry_run(lua_State *L, int parameters)
{
  lua_pushliteral(L, "DryRun");
  bool dry = lua_rawget(L, parameters) == LUA_TBOOLEAN && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return dry;
}

static int fail(lua_State *L, struct request *r)
{
  request_free(r);
  return luaL_error(L, "aws: %s", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "the request cannot be signed");
}

/* Stack slots of the members of the argument that are no texts. */
struct members { int parameters, credentials, session_key; };

static struct members push_members(lua_State *L, bool anonymous)
{
  struct members m;
  if (lua_getfield(L, 1, "parameters") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  luaL_checktype(L, -1, LUA_TTABLE);
  m.parameters = lua_gettop(L);
  lua_getfield(L, 1, "credentials");
  if (!anonymous)
    luaL_checktype(L, -1, LUA_TTABLE);
  m.credentials = lua_gettop(L);
  lua_getfield(L, 1, "session_key");
  m.session_key = lua_gettop(L);
  return m;
}

/* Where it goes; raises before anything of it is allocated. */
static void address(lua_State *L, struct door *door, int self, struct request *r, const char *region, const char *path)
{
  const struct endpoint *endpoint = door_destination_aws(L, door, r->service.name, r->service.host, region, r->url, sizeof r->url);
  r->region = endpoint->signing_region[0] != '\0' ? endpoint->signing_region : region;
  if (r->region == NULL)
    luaL_error(L, "bad argument #1 to 'request' (field 'region' must be a string, got nil)");
  size_t length = strlen(r->url);
  if (path[0] != '\0' && r->url[length - 1] == '/')
    length--;
  if (length + strlen(path) >= sizeof r->url || length + strlen(path) >= sizeof r->path)
    luaL_error(L, "bad argument #1 to 'request' (field 'path' is too long)");
  if (path[0] != '\0')
    (void)snprintf(r->url + length, sizeof r->url - length, "%s", path);
  split_url(r);
  set_stamp(L, r, door_now(L, door, self) + field_number(L, 1, "skew", 0));
}

static enum answer_format format_of(const struct request *r)
{
  switch (r->service.protocol) {
  case PROTOCOL_QUERY: return ANSWER_XML;
  case PROTOCOL_EC2: case PROTOCOL_REST_XML: return ANSWER_XML_WHOLE;
  case PROTOCOL_JSON_1_0: case PROTOCOL_JSON_1_1: case PROTOCOL_REST_JSON: break;
  }
  return ANSWER_JSON;
}

/* The members of the answer that come out as secrets: the table's, else those that always do and those that the caller names. They live
 * as long as the stack keeps what is left on it here. */
static const char *const *secrets_of(lua_State *L, const struct effects_row *row)
{
  size_t count = 0, bytes = 0, known = sizeof secret_members / sizeof *secret_members - 1;
  const char **named = field_list(L, 1, "secrets", &count);
  if (row->secrets != NULL || (count == 0 && row->service[0] != '\0'))
    return row->secrets;
  if (count == 0)
    return secret_members;
  if (count > SECRETS_MAX)
    luaL_error(L, "bad argument #1 to 'request' (field 'secrets' names more than %d)", SECRETS_MAX);
  for (size_t i = 0; i < count; i++)
    bytes += strlen(named[i]) + 1;
  size_t slots = known + count + 1;
  const char **list = lua_newuserdatauv(L, slots * sizeof *list + bytes, 0);
  char *text = (char *)(list + slots);
  for (size_t i = 0; i < known; i++)
    list[i] = secret_members[i];
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(named[i]) + 1;
    list[known + i] = memcpy(text, named[i], size);
    text += size;
  }
  list[known + count] = NULL;
  return list;
}

static int send_request(lua_State *L, struct door *door, int self, struct request *r, const struct exchange *e, double timeout,
                        const char *const *secrets)
{
  struct message m = {
    .method = r->method, .url = r->url, .service = e->service, .operation = r->operation, .region = e->region,
    .headers = r->headers, .header_count = r->header_count, .body = r->body.data, .body_length = r->body.length,
    .write = e->effect >= EFFECT_WRITE, .timeout = timeout, .format = format_of(r), .secrets = secrets, .audience = "aws",
  };
  bytes_free(&r->query);
  return http_send(L, door, self, &m, e, r->host, &r->body, &r->authorization);
}

static int aws_request(lua_State *L)
{
  static const char *const names[] = {"service", "region", "operation", "parameters", "credentials", "attempt", "timeout", "skew",
                                      "session_key", "host", "protocol", "version", "target", "method", "path", "query", "body", "secrets", NULL};
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  luaL_checkstack(L, SLOTS, NULL);
  field_check_names(L, 1, "request", names);
  struct request r = {0};
  r.service = aws_service_read(L, 1);
  r.operation = field_string(L, 1, "operation", "");
  const char *path = check_way(L, &r);
  bool anonymous = strcmp(r.operation, "AssumeRoleWithWebIdentity") == 0 && strcmp(r.service.name, "sts") == 0;
  struct exchange e = {.service = r.service.name, .operation = r.operation, .region = field_string(L, 1, "region", NULL),
                       .row = effects_of_operation(r.service.known ? r.service.name : "", r.operation)};
  const char *const *secrets = secrets_of(L, e.row);
  struct members members = push_members(L, anonymous);
  check_parameters(L, &r, members.parameters);
  if (!anonymous)
    take_credentials(L, &r, members.credentials);

  e.principal = r.access_key_id;
  e.attempt = (lua_Integer)field_number(L, 1, "attempt", 1);
  e.target = target_of(L, &r, path, members.parameters);
  e.effect = e.row->dry_run && dry_run(L, members.parameters) ? EFFECT_READ : e.row->effect;
  door_admit(L, door, self, &e, members.session_key);
  check_operation(L, r.operation);
  door_refuse_unknown(L, members.parameters, r.operation);
  door_refuse_secrets(L, members.parameters, &e);
  address(L, door, self, &r, e.region, path);
  if (door->signing_keys == NULL && (door->signing_keys = sigv4_cache_new()) == NULL)
    return luaL_error(L, "aws: out of memory");
  double timeout = field_number(L, 1, "timeout", TIMEOUT);
  if (!write_body(L, &r, members.parameters) || !write_headers(door, &r) || (!anonymous && !sign(door, &r)))
    return fail(L, &r);
  return send_request(L, door, self, &r, &e, timeout, secrets);
}

void aws_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

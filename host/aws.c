/* aws.c -- requests to AWS: the operation and its body are written here, so that what is signed is what was judged.
 * Query protocol for IAM and STS, JSON 1.1 for KMS and tagging; Signature Version 4. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "form.h"
#include "json.h"
#include "secret.h"

#define HEADERS_MAX 8
#define TIMEOUT 60.0   /* seconds, as the SDKs wait for an answer */

static int aws_request(lua_State *L);

static const luaL_Reg functions[] = {
  {"request", aws_request},   /* aws.request{service=, region=, operation=, parameters=, credentials=, ...} -> response | nil, message, kind */
  {NULL, NULL}
};

/* How each service is spoken to. */
static const struct service {
  const char *name;
  const char *version;   /* query protocol; NULL: JSON 1.1 */
  const char *target;    /* JSON 1.1: prefix of X-Amz-Target */
} services[] = {
  {"iam",     "2010-05-08", NULL},
  {"sts",     "2011-06-15", NULL},
  {"kms",     NULL, "TrentService."},
  {"tagging", NULL, "ResourceGroupsTaggingAPI_20170126."},
};

/* One request while it is being written. Strings are the stack's or this struct's. */
struct request {
  const struct service *service;
  const char *operation;
  const char *region;           /* signed for */
  const char *access_key_id;    /* NULL: not signed */
  const struct secret *key, *token;   /* borrowed from the credentials; token may be NULL */
  char url[512];
  char host[256];
  char path[256];
  char stamp[24];
  char target[128];
  struct bytes body;            /* owned */
  struct bytes authorization;   /* owned */
  struct sigv4_header headers[HEADERS_MAX];
  size_t header_count;
};

static void request_free(struct request *r)
{
  bytes_free(&r->body);
  bytes_free(&r->authorization);
}

static const struct service *find_service(lua_State *L, const char *name)
{
  for (size_t i = 0; name != NULL && i < sizeof services / sizeof *services; i++)
    if (strcmp(services[i].name, name) == 0)
      return &services[i];
  luaL_error(L, "bad argument #1 to 'request' (no service '%s': iam, sts, kms or tagging)", name != NULL ? name : "nil");
  return NULL;
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

/* The table of parameters, at the index, as the service's protocol writes it; false leaves a message. */
static bool write_body(lua_State *L, struct request *r, int parameters)
{
  if (r->service->version == NULL)
    return json_write(L, parameters, &r->body, true, "aws");
  bool ok = bytes_puts(&r->body, "Action=") && sigv4_encode(r->operation, strlen(r->operation), &r->body)
         && bytes_puts(&r->body, "&Version=") && bytes_puts(&r->body, r->service->version);
  return ok && form_write(L, parameters, &r->body, "aws");
}

static void write_headers(struct request *r)
{
  add_header(r, "Host", r->host);
  add_header(r, "X-Amz-Date", r->stamp);
  if (r->service->target == NULL) {
    add_header(r, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    return;
  }
  (void)snprintf(r->target, sizeof r->target, "%s%s", r->service->target, r->operation);
  add_header(r, "Content-Type", "application/x-amz-json-1.1");
  add_header(r, "X-Amz-Target", r->target);
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
  if (door->signing_keys == NULL)
    door->signing_keys = sigv4_cache_new();
  if (door->signing_keys == NULL)
    return false;
  if (r->token != NULL)
    add_header(r, "X-Amz-Security-Token", (const char *)r->token->data);
  struct sigv4_request s = {
    .method = "POST", .path = r->path, .query = NULL, .headers = r->headers, .header_count = r->header_count,
    .body = r->body.data, .body_length = r->body.length, .access_key_id = r->access_key_id, .secret = r->key->data,
    .secret_length = r->key->length, .region = r->region, .service = r->service->name, .stamp = r->stamp,
  };
  if (!sigv4_authorization(door->signing_keys, &s, &r->authorization))
    return false;
  add_header(r, "Authorization", r->authorization.data);
  return true;
}

/* What was judged is what is written: nothing of the parameters may run Lua or name the operation once more. */
static void check_parameters(lua_State *L, const struct request *r, int parameters)
{
  if (lua_getmetatable(L, parameters))
    luaL_error(L, "bad argument #1 to 'request' (field 'parameters' must be a table without a metatable)");
  lua_pushnil(L);
  while (r->service->version != NULL && lua_next(L, parameters) != 0) {
    lua_pop(L, 1);
    size_t length = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : "";
    size_t letters = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    if (length == 0 || letters != length || strcmp(name, "Action") == 0 || strcmp(name, "Version") == 0)
      luaL_error(L, "door: %s %s takes no parameter '%s'", r->service->name, r->operation, name);
  }
  lua_settop(L, parameters + 2);   /* as push_members left it */
}

/* What the request is about, for the journal: the first of these names that the parameters hold. */
static const char *target_of(lua_State *L, int parameters)
{
  static const char *const names[] = {"RoleName", "AliasName", "KeyId", "RoleArn", NULL};
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

/* Where it goes and what it says of itself; raises before anything of it is allocated. */
static void address(lua_State *L, struct door *door, int self, struct request *r, const char *region)
{
  const struct endpoint *endpoint = door_destination(L, door, r->service->name, region, r->url, sizeof r->url);
  r->region = endpoint->signing_region[0] != '\0' ? endpoint->signing_region : region;
  if (r->region == NULL)
    luaL_error(L, "bad argument #1 to 'request' (field 'region' must be a string, got nil)");
  split_url(r);
  set_stamp(L, r, door_now(L, door, self) + field_number(L, 1, "skew", 0));
  write_headers(r);
}

static int send_request(lua_State *L, struct door *door, int self, struct request *r, const struct exchange *e, double timeout)
{
  struct message m = {
    .method = "POST", .url = r->url, .service = e->service, .operation = r->operation, .region = e->region,
    .headers = r->headers, .header_count = r->header_count, .body = r->body.data, .body_length = r->body.length,
    .write = e->effect >= EFFECT_WRITE, .timeout = timeout, .format = r->service->version != NULL ? ANSWER_XML : ANSWER_JSON,
    .secrets = e->row->secrets, .audience = "aws",
  };
  m.record = door_record(L, door, self, e, r->host);
  return http_send(L, door, self, &m, &r->body, &r->authorization);
}

static int aws_request(lua_State *L)
{
  static const char *const names[] = {"service", "region", "operation", "parameters", "credentials", "attempt", "timeout",
                                      "skew", "session_key", NULL};
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  field_check_names(L, 1, "request", names);
  struct request r = {0};
  r.service = find_service(L, field_string(L, 1, "service", NULL));
  r.operation = field_string(L, 1, "operation", "");
  bool anonymous = strcmp(r.operation, "AssumeRoleWithWebIdentity") == 0;
  struct members members = push_members(L, anonymous);
  check_parameters(L, &r, members.parameters);
  if (!anonymous)
    take_credentials(L, &r, members.credentials);

  struct exchange e = {.service = r.service->name, .operation = r.operation, .region = field_string(L, 1, "region", NULL),
                       .principal = r.access_key_id, .row = effects_of_operation(r.service->name, r.operation)};
  e.attempt = (lua_Integer)field_number(L, 1, "attempt", 1);
  e.target = target_of(L, members.parameters);
  e.effect = e.row->dry_run && dry_run(L, members.parameters) ? EFFECT_READ : e.row->effect;
  door_admit(L, door, self, &e, members.session_key);
  door_refuse_unknown(L, members.parameters, r.operation);
  address(L, door, self, &r, e.region);
  double timeout = field_number(L, 1, "timeout", TIMEOUT);
  if (!write_body(L, &r, members.parameters) || (!anonymous && !sign(door, &r)))
    return fail(L, &r);
  return send_request(L, door, self, &r, &e, timeout);
}

void aws_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

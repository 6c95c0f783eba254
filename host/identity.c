/* identity.c -- requests that it takes to be somebody in AWS and that nobody signs: the metadata of an instance, the credentials of a
 * container, IAM Identity Center. Each is a session call of the door's table; the secrets in their answers never are Lua strings. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "form.h"
#include "json.h"
#include "secret.h"

#define HEADERS_MAX 4
#define TIMEOUT 5.0   /* seconds */
#define SLOTS 40      /* of the stack: what is read stays on it until the request has left */

static int identity_request(lua_State *L);

static const luaL_Reg functions[] = {
  /* identity.request{service=, method=, path=, query=, headers=, body=, timeout=, attempt=, session_key=} -> response | nil, message, kind */
  {"request", identity_request},
  {NULL, NULL}
};

/* What each call answers: its format, and the audience of the secrets in it. A service is told secrets of its own audience alone. */
static const struct call {
  const char *service, *operation;
  enum answer_format format;
  const char *answers, *told;
} calls[] = {
  {"imds",      "GetToken",           ANSWER_SECRET, "imds", "imds"},
  {"imds",      "ListRoles",          ANSWER_RAW,    NULL,   "imds"},
  {"imds",      "GetRoleCredentials", ANSWER_JSON,   "aws",  "imds"},
  {"container", "GetCredentials",     ANSWER_JSON,   "aws",  "container"},
  {"sso",       "GetRoleCredentials", ANSWER_JSON,   "aws",  "sso"},
  {"sso-oidc",  "CreateToken",        ANSWER_JSON,   "sso",  "sso"},
};

/* Headers that a caller may set. */
static const char *const headers_allowed[] = {
  "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token", "x-amz-sso_bearer_token", "Authorization",
};
#define ALLOWED (sizeof headers_allowed / sizeof *headers_allowed)

static const struct call *find_call(lua_State *L, const struct exchange *e)
{
  for (size_t i = 0; e->effect == EFFECT_SESSION && i < sizeof calls / sizeof *calls; i++)
    if (strcmp(calls[i].service, e->service) == 0 && strcmp(calls[i].operation, e->operation) == 0)
      return &calls[i];
  luaL_error(L, "door: %s %s makes no session", e->service, e->operation);
  return NULL;
}

/* Texts and secrets for the service. NULL, or the header that cannot be sent: its line would end early. */
static const char *take_headers(lua_State *L, const struct call *call, struct sigv4_header *headers, size_t *count)
{
  const char *broken = NULL;
  *count = 0;
  if (lua_getfield(L, 1, "headers") != LUA_TTABLE)
    return NULL;
  int table = lua_gettop(L);
  for (size_t i = 0; i < ALLOWED; i++) {
    const char *value = NULL;
    if (lua_getfield(L, table, headers_allowed[i]) == LUA_TUSERDATA) {   /* stays on the stack, and so alive */
      const struct secret *s = secret_check(L, -1);
      if (!secret_for(s, call->told))
        luaL_error(L, "door: the header %s is a secret of another audience", headers_allowed[i]);
      value = (const char *)s->data;
    } else {
      value = lua_tostring(L, -1);
    }
    if (value != NULL && strpbrk(value, "\r\n") != NULL)
      broken = headers_allowed[i];
    if (value != NULL)
      headers[(*count)++] = (struct sigv4_header){headers_allowed[i], value};
  }
  return broken;
}

/* base, path and query, on the stack. */
static const char *push_url(lua_State *L, const char *base, const char *path)
{
  struct bytes query = {0};
  bool ok = lua_getfield(L, 1, "query") != LUA_TTABLE || form_write(L, lua_gettop(L), &query, NULL);
  if (!ok) {
    bytes_free(&query);
    luaL_error(L, "door: %s", lua_tostring(L, -1));
  }
  lua_pushfstring(L, "%s%s%s", base, path, query.length > 0 ? "?" : "");
  lua_pushlstring(L, query.length > 0 ? query.data : "", query.length);
  bytes_free(&query);
  lua_concat(L, 2);
  return lua_tostring(L, -1);
}

static void host_of(const char *url, char *host, size_t size)
{
  const char *from = strstr(url, "://") + 3;
  (void)snprintf(host, size, "%.*s", (int)strcspn(from, "/?"), from);
}

static int identity_request(lua_State *L)
{
  static const char *const names[] = {"service", "method", "path", "query", "headers", "body", "timeout", "attempt", "session_key", NULL};
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  luaL_checkstack(L, SLOTS, NULL);
  field_check_names(L, 1, "request", names);
  const char *service = field_string(L, 1, "service", ""), *method = field_string(L, 1, "method", "GET");
  const char *path = field_string(L, 1, "path", "");
  struct exchange e = {.service = service, .row = effects_of_path(service, method, path)};
  e.effect = e.row->effect;
  e.operation = e.row->operation;
  e.attempt = (lua_Integer)field_number(L, 1, "attempt", 1);
  const struct call *call = find_call(L, &e);
  lua_getfield(L, 1, "session_key");
  door_admit(L, door, self, &e, lua_gettop(L));
  char base[512], host[256];
  (void)door_destination(L, door, service, NULL, base, sizeof base);
  host_of(base, host, sizeof host);
  const char *url = push_url(L, base, path);
  struct sigv4_header headers[HEADERS_MAX + 2];
  size_t count;
  const char *broken = take_headers(L, call, headers, &count);
  if (broken != NULL) {
    luaL_pushfail(L);
    lua_pushfstring(L, "the header %s would hold a line end", broken);
    lua_pushliteral(L, "unsent");
    return 3;
  }
  if (call->format == ANSWER_JSON)
    headers[count++] = (struct sigv4_header){"Accept", "application/json"};
  double timeout = field_number(L, 1, "timeout", TIMEOUT);
  struct bytes body = {0};
  if (lua_getfield(L, 1, "body") != LUA_TNIL) {
    headers[count++] = (struct sigv4_header){"Content-Type", "application/json"};
    if (!json_write(L, lua_gettop(L), &body, true, call->told)) {
      bytes_free(&body);
      return luaL_error(L, "door: %s", lua_tostring(L, -1));
    }
  }
  struct message m = {
    .method = method, .url = url, .service = service, .operation = e.operation, .headers = headers, .header_count = count,
    .body = body.data, .body_length = body.length, .timeout = timeout, .format = call->format,
    .secrets = e.row->secrets, .audience = call->answers,
  };
  return http_send(L, door, self, &m, &e, host, &body, NULL);
}

void identity_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

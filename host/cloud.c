/* cloud.c -- requests to the CockroachDB Cloud API: bearer, version, JSON both ways. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "form.h"
#include "json.h"
#include "secret.h"

#define TIMEOUT 60.0   /* seconds */

static int cloud_request(lua_State *L);

static const luaL_Reg functions[] = {
  {"request", cloud_request},   /* cloud.request{method=, path=, query=, body=, token=, headers=, attempt=, timeout=} -> response | nil, message, kind */
  {NULL, NULL}
};

/* Headers that a caller may set beside the bearer. */
static const char *const headers_allowed[] = {"Cc-Version", "Cc-Vanity-Name", "Cc-Username"};
#define HEADERS (sizeof headers_allowed / sizeof *headers_allowed)

static int fail(lua_State *L, struct bytes *a, struct bytes *b)
{
  bytes_free(a);
  bytes_free(b);
  return luaL_error(L, "cloud: %s", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "the request is too long");
}

static bool write_bearer(struct bytes *out, const struct secret *token)
{
  return bytes_puts(out, "Bearer ") && bytes_append(out, token->data, token->length);
}

/* Appends ?query when the table of that name is there. The path itself holds none: it is what was judged. */
static bool write_url(lua_State *L, struct bytes *url)
{
  if (lua_getfield(L, 1, "query") != LUA_TTABLE)
    return true;
  struct bytes query = {0};
  bool ok = form_write(L, lua_gettop(L), &query, NULL);
  if (ok && query.length > 0)
    ok = bytes_puts(url, "?") && bytes_append(url, query.data, query.length);
  bytes_free(&query);
  return ok;
}

static size_t take_headers(lua_State *L, struct sigv4_header *headers)
{
  size_t count = 0;
  if (lua_getfield(L, 1, "headers") != LUA_TTABLE)
    return 0;
  int table = lua_gettop(L);
  for (size_t i = 0; i < HEADERS; i++) {
    const char *value = field_string(L, table, headers_allowed[i], NULL);
    if (value != NULL)
      headers[count++] = (struct sigv4_header){headers_allowed[i], value};
  }
  return count;
}

static int cloud_request(lua_State *L)
{
  static const char *const names[] = {"method", "path", "query", "body", "token", "headers", "attempt", "timeout", NULL};
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  field_check_names(L, 1, "request", names);
  const char *method = field_string(L, 1, "method", "GET");
  const char *path = field_string(L, 1, "path", "");
  lua_getfield(L, 1, "token");
  const struct secret *token = secret_test(L, -1);
  if (token == NULL || !secret_for(token, "cloud"))
    return luaL_error(L, "bad argument #1 to 'request' (field 'token' must be a secret for the Cloud)");

  struct exchange e = {.service = "cloud", .operation = lua_pushfstring(L, "%s %s", method, path), .target = path,
                       .row = effects_of_path("cloud", method, path)};
  e.effect = e.row->effect;
  if (e.row->operation[0] != '\0')
    e.operation = e.row->operation;
  e.attempt = (lua_Integer)field_number(L, 1, "attempt", 1);
  door_admit(L, door, self, &e, 0);
  int body_type = lua_getfield(L, 1, "body");
  int body_index = lua_gettop(L);
  door_refuse_unknown(L, body_index, e.operation);
  lua_pushstring(L, path);
  door_refuse_unknown(L, -1, e.operation);
  if (path[0] != '/' || strpbrk(path, "?#\\ \r\n@") != NULL || strstr(path, "..") != NULL)
    return luaL_error(L, "cloud: '%s' is no path of the API", path);
  char base[512], host[512];
  (void)door_destination(L, door, "cloud", NULL, base, sizeof base);
  const char *from = strstr(base, "://") + 3;
  (void)snprintf(host, sizeof host, "%.*s", (int)strcspn(from, "/"), from);
  size_t length = strlen(base);
  if (base[length - 1] == '/')
    base[length - 1] = '\0';
  double timeout = field_number(L, 1, "timeout", TIMEOUT);
  struct sigv4_header headers[HEADERS + 3];
  size_t count = take_headers(L, headers);

  struct bytes body = {0}, url = {0};
  bool ok = bytes_puts(&url, base) && bytes_puts(&url, path) && write_url(L, &url);
  if (ok && body_type != LUA_TNIL)
    ok = json_write(L, body_index, &body, false, NULL);
  if (!ok)
    return fail(L, &body, &url);
  const char *whole = lua_pushlstring(L, url.data, url.length);
  bytes_free(&url);
  struct bytes bearer = {0};
  if (!write_bearer(&bearer, token))
    return fail(L, &body, &bearer);
  headers[count++] = (struct sigv4_header){"Authorization", bearer.data};
  headers[count++] = (struct sigv4_header){"Accept", "application/json"};
  if (body_type != LUA_TNIL)
    headers[count++] = (struct sigv4_header){"Content-Type", "application/json"};
  struct message m = {
    .method = method, .url = whole, .service = "cloud", .operation = e.operation, .headers = headers, .header_count = count,
    .body = body.data, .body_length = body.length, .write = e.effect >= EFFECT_WRITE, .timeout = timeout, .format = ANSWER_JSON,
  };
  return http_send(L, door, self, &m, &e, host, &body, &bearer);
}

void cloud_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

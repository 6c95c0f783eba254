/* sigv4_lua.c -- sigv4.c for Lua: the simulator verifies with it, the tests look at every stage. Requests are signed by aws.c, in C. */
#include "sigv4.h"

#include <string.h>

#include <lauxlib.h>

#include "host.h"
#include "secret.h"

#define KEYRING "sigv4.keyring"
#define WORK    "sigv4.work"

#define EXPIRES_MAX 604800     /* seconds that a presigned URL may live: a week */

/* The results of the stages, collected with everything else when something raises. */
struct work {
  struct bytes canonical, text, signed_headers, authorization, query;   /* owned */
  char signature[SIGV4_SIGNATURE];
};

static int sigv4_sign(lua_State *L);
static int sigv4_presign(lua_State *L);

static const luaL_Reg functions[] = {
  {"sign",    sigv4_sign},      /* sigv4.sign{method=, path=, query=, headers=, body=, ...} -> {authorization=, and every stage} */
  {"presign", sigv4_presign},   /* sigv4.presign{... expires=, session_token=} -> {query=, and every stage} */
  {NULL, NULL}
};

/* Every field there is; anything else is a misspelling. */
static const char *const fields[] = {
  "access_key_id", "body", "expires", "headers", "keep_path", "method", "path", "query", "region", "secret", "service", "session_token",
  "stamp", NULL
};

static int keyring_gc(lua_State *L)
{
  struct sigv4_cache **cache = luaL_checkudata(L, 1, KEYRING);
  sigv4_cache_free(*cache);
  *cache = NULL;
  return 0;
}

static int work_gc(lua_State *L)
{
  struct work *w = luaL_checkudata(L, 1, WORK);
  bytes_free(&w->canonical);
  bytes_free(&w->text);
  bytes_free(&w->signed_headers);
  bytes_free(&w->authorization);
  bytes_free(&w->query);
  return 0;
}

static struct work *work_new(lua_State *L)
{
  struct work *w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  luaL_setmetatable(L, WORK);
  lua_toclose(L, -1);
  return w;
}

static void check_fields(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    size_t i = 0;
    while (fields[i] != NULL && strcmp(fields[i], name) != 0)
      i++;
    if (fields[i] == NULL)
      luaL_error(L, "bad argument #1 to 'sigv4' (no field '%s')", name);
  }
}

/* A string at the top of the stack, without a NUL in it: C reads it up to there. It stays on the stack, which keeps it alive. */
static const char *text(lua_State *L, const char *what)
{
  size_t length;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "bad argument #1 to 'sigv4' (%s must be a string, got %s)", what, luaL_typename(L, -1));
  const char *value = lua_tolstring(L, -1, &length);
  if (strlen(value) != length)
    luaL_error(L, "bad argument #1 to 'sigv4' (%s has a zero byte in it)", what);
  return value;
}

static const char *field(lua_State *L, const char *name, const char *otherwise)
{
  if (lua_getfield(L, 1, name) == LUA_TNIL && otherwise != NULL)
    return otherwise;
  return text(L, name);
}

/* A secret for AWS, or, in tests and in the simulator, a string. */
static const unsigned char *key_field(lua_State *L, const char *name, size_t *length)
{
  lua_getfield(L, 1, name);
  struct secret *s = secret_test(L, -1);
  if (s == NULL) {
    const char *value = text(L, name);
    *length = strlen(value);
    return (const unsigned char *)value;
  }
  if (!secret_for(s, "aws"))
    luaL_error(L, "bad argument #1 to 'sigv4' (field '%s' is a secret for %s, not for aws)", name, s->audience);
  *length = s->length;
  return s->data;
}

static void read_headers(lua_State *L, struct sigv4_request *r)
{
  if (lua_getfield(L, 1, "headers") != LUA_TTABLE)
    luaL_error(L, "bad argument #1 to 'sigv4' (headers must be a list of {name, value}, got %s)", luaL_typename(L, -1));
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count > 1000)
    luaL_error(L, "bad argument #1 to 'sigv4' (more than 1000 headers)");
  struct sigv4_header *headers = lua_newuserdatauv(L, count * sizeof *headers, 0);   /* stays on the stack */
  luaL_checkstack(L, 4, "too many headers");
  for (size_t i = 0; i < count; i++) {
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TTABLE)
      luaL_error(L, "bad argument #1 to 'sigv4' (headers[%d] must be {name, value})", (int)i + 1);
    lua_rawgeti(L, -1, 1);
    headers[i].name = text(L, "a header's name");
    lua_rawgeti(L, -2, 2);
    headers[i].value = text(L, "a header's value");
    lua_pop(L, 3);   /* the strings live on in the argument */
  }
  r->headers = headers;
  r->header_count = count;
}

/* Any bytes, or nothing. */
static void read_body(lua_State *L, struct sigv4_request *r)
{
  int type = lua_getfield(L, 1, "body");
  if (type != LUA_TSTRING && type != LUA_TNIL)
    luaL_error(L, "bad argument #1 to 'sigv4' (body must be a string, got %s)", luaL_typename(L, -1));
  r->body = lua_tolstring(L, -1, &r->body_length);
}

/* The request of the argument; what it borrows stays on the stack. */
static void read_request(lua_State *L, struct sigv4_request *r)
{
  lua_settop(L, 1);
  check_fields(L);
  luaL_checkstack(L, 20, "sigv4");
  r->method = field(L, "method", "GET");
  r->path = field(L, "path", "/");
  r->query = field(L, "query", "");
  r->access_key_id = field(L, "access_key_id", NULL);
  r->region = field(L, "region", NULL);
  r->service = field(L, "service", NULL);
  r->stamp = field(L, "stamp", NULL);
  r->secret = key_field(L, "secret", &r->secret_length);
  read_body(L, r);
  lua_getfield(L, 1, "keep_path");
  r->keep_path = lua_toboolean(L, -1);
  read_headers(L, r);
}

static struct sigv4_cache *keyring(lua_State *L)
{
  struct sigv4_cache *cache = *(struct sigv4_cache **)lua_touserdata(L, lua_upvalueindex(1));
  if (cache == NULL)
    luaL_error(L, "sigv4: closed");
  return cache;
}

static bool stages(struct sigv4_cache *cache, const struct sigv4_request *r, struct work *w)
{
  return sigv4_canonical_request(cache, r, &w->canonical) && sigv4_signed_headers(r, &w->signed_headers)
      && sigv4_string_to_sign(cache, r, &w->canonical, &w->text) && sigv4_signature(cache, r, &w->text, w->signature);
}

static int refuse(lua_State *L, const struct sigv4_request *r)
{
  return luaL_error(L, "cannot sign the request %s %s at '%s': a stamp is like 20260102T030405Z, a method and a header's name are words",
                    r->method, r->path, r->stamp);
}

static void set_bytes(lua_State *L, const char *name, const struct bytes *b)
{
  lua_pushlstring(L, b->data != NULL ? b->data : "", b->length);
  lua_setfield(L, -2, name);
}

static void push_stages(lua_State *L, const struct work *w)
{
  lua_createtable(L, 0, 6);
  set_bytes(L, "canonical_request", &w->canonical);
  set_bytes(L, "string_to_sign", &w->text);
  set_bytes(L, "signed_headers", &w->signed_headers);
  lua_pushstring(L, w->signature);
  lua_setfield(L, -2, "signature");
}

static int sigv4_sign(lua_State *L)
{
  struct sigv4_request r = {0};
  read_request(L, &r);
  struct work *w = work_new(L);
  if (!stages(keyring(L), &r, w) || !sigv4_authorization(keyring(L), &r, &w->authorization))
    return refuse(L, &r);
  push_stages(L, w);
  set_bytes(L, "authorization", &w->authorization);
  return 1;
}

static unsigned expires(lua_State *L)
{
  lua_Integer seconds = lua_getfield(L, 1, "expires") == LUA_TNIL ? 3600 : lua_tointeger(L, -1);
  if (seconds < 1 || seconds > EXPIRES_MAX)
    luaL_error(L, "bad argument #1 to 'sigv4' (expires must be 1 to %d seconds, got %s)", EXPIRES_MAX, luaL_tolstring(L, -1, NULL));
  return (unsigned)seconds;
}

static int sigv4_presign(lua_State *L)
{
  struct sigv4_request r = {0};
  size_t length;
  read_request(L, &r);
  unsigned seconds = expires(L);
  bool has_token = lua_getfield(L, 1, "session_token") != LUA_TNIL;
  const char *token = has_token ? (const char *)key_field(L, "session_token", &length) : NULL;
  struct work *w = work_new(L);
  if (!sigv4_presign_query(&r, seconds, token, &w->query))
    return refuse(L, &r);
  r.query = w->query.data;
  if (!stages(keyring(L), &r, w) || !bytes_puts(&w->query, "&X-Amz-Signature=") || !bytes_puts(&w->query, w->signature))
    return refuse(L, &r);
  push_stages(L, w);
  set_bytes(L, "query", &w->query);
  return 1;
}

static void make_type(lua_State *L, const char *name, lua_CFunction finish)
{
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, finish);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, finish);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}

int luaopen_sigv4(lua_State *L)
{
  make_type(L, KEYRING, keyring_gc);
  make_type(L, WORK, work_gc);
  luaL_newlibtable(L, functions);
  struct sigv4_cache **cache = lua_newuserdatauv(L, sizeof(struct sigv4_cache *), 0);
  *cache = NULL;
  luaL_setmetatable(L, KEYRING);
  *cache = sigv4_cache_new();
  if (*cache == NULL)
    return luaL_error(L, "sigv4: no memory");
  luaL_setfuncs(L, functions, 1);
  return 1;
}

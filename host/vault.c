/* vault.c -- requests to Vault and OpenBao: token, namespace, wrapping, LIST, and JSON both ways. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "form.h"
#include "json.h"
#include "secret.h"

#define TIMEOUT 60.0   /* seconds */
#define HEADERS 8

static int vault_request(lua_State *L);

static const luaL_Reg functions[] = {
  /* vault.request{method=, mount=, path=, namespace=, query=, body=, token=, wrap_ttl=, audience=, attempt=, timeout=, session_key=}
   *   -> response | nil, message, kind; audience: whose the secrets of the answer are, "vault" without */
  {"request",       vault_request},
  {"sign_identity", vault_sign_identity},   /* vault.sign_identity{url=, region=, …} -> the fields iam_* of a login: vault_identity.c */
  {NULL, NULL}
};

/* One request while it is being written. Texts are the stack's. */
struct request {
  const char *method, *asked;    /* as it is sent; as it is judged: PUT is POST, GET with ?list=true is LIST */
  const char *path;              /* mount and path */
  const char *namespace, *wrap_ttl, *audience;
  const struct secret *token;    /* borrowed; NULL without */
  struct sigv4_header headers[HEADERS];
  size_t header_count;
};

/* A part of a path: printable, without what a server may decode, cut or climb with. */
static bool is_path(const char *text)
{
  bool ok = text[0] != '\0' && text[0] != '/' && text[strlen(text) - 1] != '/' && strstr(text, "//") == NULL && strstr(text, "..") == NULL
         && strncmp(text, "./", 2) != 0 && strstr(text, "/./") == NULL && strcmp(text, ".") != 0;
  for (const char *c = text; ok && *c != '\0'; c++)
    ok = *c > ' ' && *c <= '~' && strchr("?#%\\\"<>{}*", *c) == NULL;
  return ok;
}

/* A header's text: printable, one line. */
static const char *header_text(lua_State *L, const char *name)
{
  const char *text = field_string(L, 1, name, NULL);
  for (const char *c = text; c != NULL && *c != '\0'; c++)
    if (*c <= ' ' || *c > '~')
      luaL_error(L, "vault: the %s '%s' holds a character that does not belong there", name, text);
  return text;
}

static bool asks_list(lua_State *L)
{
  bool list = false;
  if (lua_getfield(L, 1, "query") == LUA_TTABLE) {
    lua_getfield(L, -1, "list");
    list = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return list;
}

static void take_method(lua_State *L, struct request *r)
{
  static const char *const methods[] = {"GET", "LIST", "POST", "PUT", "PATCH", "DELETE", NULL};
  r->method = field_string(L, 1, "method", "GET");
  size_t i = 0;
  while (methods[i] != NULL && strcmp(methods[i], r->method) != 0)
    i++;
  if (methods[i] == NULL)
    luaL_error(L, "vault: '%s' is no method of the API", r->method);
  r->asked = strcmp(r->method, "PUT") == 0 ? "POST" : strcmp(r->method, "GET") == 0 && asks_list(L) ? "LIST" : r->method;
}

/* Mount and path, and which row of the table they are. Who reads with the session's key knows where the mount ends: what is kept below
 * `data/` may be called creds or export. That it is the right key, the door asks: with one a read is a session (take_options). */
static void take_path(lua_State *L, struct request *r, struct exchange *e)
{
  static const struct effects_row unknown = {"vault", "", EFFECT_WRITE, false, NULL, NULL, NULL};
  const char *mount = field_string(L, 1, "mount", ""), *path = field_string(L, 1, "path", "");
  r->path = lua_pushfstring(L, "%s/%s", mount, path);
  door_refuse_unknown(L, -1, r->path);
  if (!is_path(mount) || !is_path(path))
    luaL_error(L, "vault: '%s' is no path of the API", r->path);
  bool keyed = lua_getfield(L, 1, "session_key") != LUA_TNIL;
  const struct effects_row *own = keyed ? effects_of_vault_mount(r->asked, r->path, strlen(mount)) : NULL;
  e->row = own != NULL && own->effect == EFFECT_READ ? own : effects_of_vault(r->asked, r->path, strlen(mount));
  e->operation = e->row != NULL ? e->row->operation : lua_pushfstring(L, "%s %s", r->asked, r->path);
  e->row = e->row != NULL ? e->row : &unknown;
  e->target = r->path;
  e->effect = e->row->effect;
}

/* What makes a token, or opens an answer to another service than Vault, is for the credential code alone; what that reads itself is its own,
 * whatever a recipe touches. */
static void take_options(lua_State *L, struct request *r, struct exchange *e)
{
  r->namespace = header_text(L, "namespace");
  r->wrap_ttl = header_text(L, "wrap_ttl");
  r->audience = field_string(L, 1, "audience", "vault");
  bool keyed = lua_getfield(L, 1, "session_key") != LUA_TNIL;
  if (e->effect == EFFECT_READ && (keyed || r->wrap_ttl != NULL || strcmp(r->audience, "vault") != 0))
    e->effect = EFFECT_SESSION;
  if (e->effect > EFFECT_SESSION && strcmp(r->audience, "vault") != 0)
    luaL_error(L, "vault: the answer to %s is for Vault alone", e->operation);
}

/* What is wrong with the token, or NULL: its line would end early, or no header could carry it. */
static const char *take_token(lua_State *L, struct request *r)
{
  if (lua_getfield(L, 1, "token") == LUA_TNIL)
    return NULL;
  const struct secret *token = secret_test(L, -1);
  if (token == NULL || !secret_for(token, "vault")) {
    luaL_error(L, "bad argument #1 to 'request' (field 'token' must be a secret for Vault)");
    return NULL;
  }
  r->token = token;
  for (size_t i = 0; i < token->length; i++)
    if (token->data[i] <= ' ' || token->data[i] > '~')
      return "the token holds a character that no token has";
  return token->length == 0 ? "the token is empty" : NULL;
}

static void add_header(struct request *r, const char *name, const char *value)
{
  if (value != NULL && value[0] != '\0')
    r->headers[r->header_count++] = (struct sigv4_header){name, value};
}

static void write_headers(struct request *r, bool body)
{
  add_header(r, "X-Vault-Request", "true");
  add_header(r, "X-Vault-Token", r->token != NULL ? (const char *)r->token->data : NULL);   /* secrets end in a NUL of their own */
  add_header(r, "X-Vault-Namespace", r->namespace);
  add_header(r, "X-Vault-Wrap-TTL", r->wrap_ttl);
  if (body)
    add_header(r, "Content-Type", strcmp(r->method, "PATCH") == 0 ? "application/merge-patch+json" : "application/json");
}

/* base/v1/path?query, on the stack. */
static const char *push_url(lua_State *L, const char *base, const struct request *r)
{
  struct bytes query = {0};
  size_t length = strlen(base);
  bool ok = lua_getfield(L, 1, "query") != LUA_TTABLE || form_write(L, lua_gettop(L), &query, NULL);
  if (!ok) {
    bytes_free(&query);
    luaL_error(L, "vault: %s", lua_tostring(L, -1));
  }
  lua_pushlstring(L, base, length > 0 && base[length - 1] == '/' ? length - 1 : length);
  lua_pushfstring(L, "/v1/%s%s", r->path, query.length > 0 ? "?" : "");
  lua_pushlstring(L, query.length > 0 ? query.data : "", query.length);
  bytes_free(&query);
  lua_concat(L, 3);
  return lua_tostring(L, -1);
}

static int send_request(lua_State *L, struct door *door, int self, struct request *r, const struct exchange *e)
{
  char base[512], host[256];
  (void)door_destination(L, door, "vault", NULL, base, sizeof base);
  const char *from = strstr(base, "://") + 3;
  (void)snprintf(host, sizeof host, "%.*s", (int)strcspn(from, "/"), from);
  const char *url = push_url(L, base, r);
  double timeout = field_number(L, 1, "timeout", TIMEOUT);
  struct bytes body = {0};
  if (lua_getfield(L, 1, "body") != LUA_TNIL && !json_write(L, lua_gettop(L), &body, true, "vault")) {
    bytes_free(&body);
    return luaL_error(L, "vault: %s", lua_tostring(L, -1));
  }
  write_headers(r, body.length > 0);
  bool farewell = e->effect == EFFECT_SESSION && strncmp(e->operation, "Revoke", 6) == 0;
  struct message m = {
    .method = r->method, .url = url, .service = "vault", .operation = e->operation, .headers = r->headers, .header_count = r->header_count,
    .body = body.data, .body_length = body.length, .write = e->effect >= EFFECT_WRITE, .farewell = farewell, .timeout = timeout,
    .format = ANSWER_VAULT, .secrets = effects_vault_secrets_of(e->row, r->asked, r->path), .audience = r->audience,
  };
  return http_send(L, door, self, &m, e, host, &body, NULL);
}

static int vault_request(lua_State *L)
{
  static const char *const names[] = {"method", "mount", "path", "namespace", "query", "body", "token", "wrap_ttl", "audience", "attempt",
                                      "timeout", "session_key", NULL};
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  luaL_checkstack(L, 40, NULL);   /* what is read stays on it until the request has left */
  field_check_names(L, 1, "request", names);
  struct request r = {0};
  struct exchange e = {.service = "vault", .attempt = (lua_Integer)field_number(L, 1, "attempt", 1)};
  take_method(L, &r);
  take_path(L, &r, &e);
  take_options(L, &r, &e);
  lua_getfield(L, 1, "session_key");
  door_admit(L, door, self, &e, lua_gettop(L));
  lua_getfield(L, 1, "body");
  door_refuse_unknown(L, -1, e.operation);
  door_refuse_secrets(L, -1, &e);
  const char *fault = take_token(L, &r);
  if (fault == NULL)
    return send_request(L, door, self, &r, &e);
  luaL_pushfail(L);
  lua_pushstring(L, fault);
  lua_pushliteral(L, "unsent");
  return 3;
}

void vault_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

/* transport.c -- how a service is reached that has ways of its own: whom to trust, as whom to connect, through what. */
#include <string.h>
#include <sys/un.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "secret.h"

#define TRANSPORT "door.transport"

static int transport_gc(lua_State *L)
{
  struct transport *t = luaL_checkudata(L, 1, TRANSPORT);
  bytes_free(&t->ca_text);
  bytes_free(&t->proxy);
  return 0;
}

static void take_text(lua_State *L, int index, const char *name, char *to, size_t size)
{
  door_copy_text(L, to, size, field_string(L, index, name, ""), name);
  lua_pop(L, 1);
}

static bool take_switch(lua_State *L, int index, const char *name)
{
  lua_getfield(L, index, name);
  bool on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* A text, or a secret for Vault: a proxy's URL may hold a password. */
static void take_bytes(lua_State *L, int index, const char *name, struct bytes *out)
{
  bool ok = true;
  lua_getfield(L, index, name);
  const struct secret *s = secret_test(L, -1);
  if (s != NULL && !secret_for(s, "vault"))
    luaL_error(L, "door: the %s is a secret of another audience", name);
  if (s != NULL)
    ok = bytes_append(out, s->data, s->length);
  else if (!lua_isnil(L, -1))
    ok = bytes_puts(out, luaL_checkstring(L, -1));
  if (!ok)
    luaL_error(L, "door: the %s is too long", name);
  lua_pop(L, 1);
}

const struct transport *transport_push(lua_State *L, int index)
{
  static const char *const names[] = {"ca_file", "ca_directory", "ca_text", "client_certificate", "client_key", "server_name", "unix_socket",
                                      "proxy", "skip_verify", "plain", NULL};
  field_check_names(L, index, "endpoint", names);
  struct transport *t = lua_newuserdatauv(L, sizeof *t, 0);
  memset(t, 0, sizeof *t);
  if (luaL_newmetatable(L, TRANSPORT)) {
    lua_pushcfunction(L, transport_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  take_text(L, index, "ca_file", t->ca_file, sizeof t->ca_file);
  take_text(L, index, "ca_directory", t->ca_directory, sizeof t->ca_directory);
  take_text(L, index, "client_certificate", t->client_certificate, sizeof t->client_certificate);
  take_text(L, index, "client_key", t->client_key, sizeof t->client_key);
  take_text(L, index, "server_name", t->server_name, sizeof t->server_name);
  take_text(L, index, "unix_socket", t->unix_socket, sizeof t->unix_socket);
  take_bytes(L, index, "ca_text", &t->ca_text);
  take_bytes(L, index, "proxy", &t->proxy);
  t->skip_verify = take_switch(L, index, "skip_verify");
  t->plain = take_switch(L, index, "plain");
  if ((t->client_certificate[0] == '\0') != (t->client_key[0] == '\0'))
    luaL_error(L, "door: a client certificate and its key go together");
  return t;
}

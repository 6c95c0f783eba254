/* embedded.c -- the Lua files that the program carries: found, loaded, and shown as they were written. */
#include "embedded.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "host.h"

static int embedded_source(lua_State *L);
static int embedded_list(lua_State *L);

static const luaL_Reg functions[] = {
  {"source", embedded_source},   /* embedded.source(path) -> text | nil */
  {"list",   embedded_list},     /* embedded.list(prefix) -> sorted paths */
  {NULL, NULL}
};

static int by_path(const void *path, const void *script)
{
  return strcmp(path, ((const struct script *)script)->path);
}

const struct script *embedded_find(const char *path)
{
  return bsearch(path, scripts, scripts_count, sizeof *scripts, by_path);
}

bool embedded_load(lua_State *L, const char *path)
{
  const struct script *s = embedded_find(path);
  if (s == NULL) {
    lua_pushfstring(L, "no embedded file '%s'", path);
    return false;
  }
  lua_pushfstring(L, "@%s", path);
  int status = s->code != NULL ? luaL_loadbufferx(L, s->code, s->code_length, lua_tostring(L, -1), "b")
                               : luaL_loadbufferx(L, s->text, s->length, lua_tostring(L, -1), "t");
  lua_remove(L, -2);
  return status == LUA_OK;
}

int embedded_search(lua_State *L)
{
  const char *name = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
  const char *path = lua_pushfstring(L, "lua/%s.lua", name);
  if (embedded_find(path) == NULL)
    path = lua_pushfstring(L, "lua/%s/init.lua", name);
  if (embedded_find(path) == NULL) {
    lua_pushfstring(L, "no embedded file 'lua/%s.lua'", name);
    return 1;
  }
  if (!embedded_load(L, path))
    return lua_error(L);
  lua_pushstring(L, path);
  return 2;
}

static int embedded_source(lua_State *L)
{
  const struct script *s = embedded_find(luaL_checkstring(L, 1));
  if (s == NULL)
    return 0;
  lua_pushlstring(L, s->text, s->length);
  return 1;
}

static int embedded_list(lua_State *L)
{
  const char *prefix = luaL_optstring(L, 1, "");
  lua_newtable(L);
  lua_Integer count = 0;
  for (size_t i = 0; i < scripts_count; i++) {
    if (strncmp(scripts[i].path, prefix, strlen(prefix)) == 0) {
      lua_pushstring(L, scripts[i].path);
      lua_rawseti(L, -2, ++count);
    }
  }
  return 1;
}

int luaopen_embedded(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

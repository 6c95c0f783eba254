/* field.c -- reading the fields of an argument table. */
#include "field.h"

#include <string.h>

#include <lauxlib.h>

#define LIST_MAX 65536

void field_check_names(lua_State *L, int index, const char *function, const char *const *names)
{
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    size_t i = 0;
    while (name != NULL && names[i] != NULL && strcmp(names[i], name) != 0)
      i++;
    if (name == NULL || names[i] == NULL)
      luaL_error(L, "bad argument #1 to '%s' (unknown field '%s')", function, luaL_tolstring(L, -1, NULL));
  }
}

const char *field_string(lua_State *L, int index, const char *name, const char *fallback)
{
  int type = lua_getfield(L, index, name);
  if (type == LUA_TNIL)
    return fallback;
  size_t length;
  const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (text == NULL)
    luaL_error(L, "bad argument #1 (field '%s' must be a string, got %s)", name, luaL_typename(L, -1));
  else if (strlen(text) != length)
    luaL_error(L, "bad argument #1 (field '%s' holds a NUL)", name);
  return text;
}

double field_number(lua_State *L, int index, const char *name, double fallback)
{
  int type = lua_getfield(L, index, name);
  double number = type == LUA_TNIL ? fallback : lua_tonumber(L, -1);
  if (type != LUA_TNIL && type != LUA_TNUMBER)
    luaL_error(L, "bad argument #1 (field '%s' must be a number, got %s)", name, luaL_typename(L, -1));
  lua_pop(L, 1);
  return number;
}

bool field_is_set(lua_State *L, int index, const char *name)
{
  lua_getfield(L, index, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

static const char *element(lua_State *L, lua_Integer i, const char *name)
{
  size_t length;
  const char *text = lua_rawgeti(L, -1, i) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (text == NULL)
    luaL_error(L, "bad argument #1 (field '%s' must be a list of strings, [%I] is %s)", name, (LUAI_UACINT)i, luaL_typename(L, -1));
  else if (strlen(text) != length)
    luaL_error(L, "bad argument #1 (field '%s' holds a NUL in [%I])", name, (LUAI_UACINT)i);
  lua_pop(L, 1);
  return text;
}

const char **field_list(lua_State *L, int index, const char *name, size_t *count)
{
  *count = 0;
  int type = lua_getfield(L, index, name);
  if (type == LUA_TNIL)
    return NULL;
  if (type != LUA_TTABLE)
    luaL_error(L, "bad argument #1 (field '%s' must be a list of strings, got %s)", name, luaL_typename(L, -1));
  size_t length = lua_rawlen(L, -1);
  if (length > LIST_MAX)
    luaL_error(L, "bad argument #1 (field '%s' has more than %d elements)", name, LIST_MAX);
  const char **list = lua_newuserdatauv(L, (length + 1) * sizeof *list, 0);
  lua_insert(L, -2);
  for (size_t i = 0; i < length; i++)
    list[i] = element(L, (lua_Integer)i + 1, name);
  list[length] = NULL;
  lua_pop(L, 1);
  *count = length;
  return list;
}

const char *const *field_secrets(lua_State *L, int index, const char **audience)
{
  static const char *const names[] = {"secrets", "audience", NULL};
  size_t count;
  *audience = NULL;
  if (lua_isnil(L, index))
    return NULL;
  field_check_names(L, index, "decode", names);
  *audience = field_string(L, index, "audience", NULL);
  return (const char *const *)field_list(L, index, "secrets", &count);
}

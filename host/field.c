/* field.c -- reading a field of an argument table that is a list of strings. */
#include "field.h"

#include <string.h>

#include <lauxlib.h>

#define LIST_MAX 65536

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

/* trace.c -- where the running task is: its calls, innermost first. A recipe never sees it; the library tells people by it which of their
 * lines an error comes from. Nothing of what the functions hold is given. */
#include <lauxlib.h>

#include "host.h"

#define CALLS_MAX 200   /* of a recursion without an end the innermost are enough */

static int trace_calls(lua_State *L);
static int trace_text(lua_State *L);

static const luaL_Reg functions[] = {
  {"calls", trace_calls},   /* trace.calls() -> list of {source=, line=}: those of Lua, innermost first */
  {"text",  trace_text},    /* trace.text() -> the calls as lines for people, "stack traceback: ..." */
  {NULL, NULL}
};

int luaopen_trace(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

static int trace_calls(lua_State *L)
{
  lua_Debug at;
  lua_Integer count = 0;
  lua_newtable(L);
  for (int level = 1; level <= CALLS_MAX && lua_getstack(L, level, &at) != 0; level++) {
    if (lua_getinfo(L, "Sl", &at) == 0 || at.currentline < 0)   /* C has no lines */
      continue;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, at.source);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, at.currentline);
    lua_setfield(L, -2, "line");
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

static int trace_text(lua_State *L)
{
  luaL_traceback(L, L, NULL, 1);
  return 1;
}

/* trace.c -- where the running task is: its calls, innermost first, and what the variables of a recipe's functions hold. A recipe never sees
 * it; the library tells people by it which of their lines an error comes from, and lets them look there. What the library's own functions
 * hold is given to nobody. */
#include <string.h>

#include <lauxlib.h>

#include "embedded.h"
#include "host.h"

#define CALLS_MAX 200   /* of a recursion without an end the innermost are enough */

static int trace_calls(lua_State *L);
static int trace_text(lua_State *L);
static int trace_stack(lua_State *L);
static int trace_variables(lua_State *L);
static int trace_assign(lua_State *L);

static const luaL_Reg functions[] = {
  {"calls",     trace_calls},       /* trace.calls() -> list of {source=, line=}: those of Lua, innermost first */
  {"text",      trace_text},        /* trace.text() -> the calls as lines for people, "stack traceback: ..." */
  {"stack",     trace_stack},       /* trace.stack(thread) -> list of {source=, line=, depth=}: those of no library function */
  {"variables", trace_variables},   /* trace.variables(thread, depth) -> list of {name=, value=, kind="local"|"upvalue"} */
  {"assign",    trace_assign},      /* trace.assign(thread, depth, name, value) -> whether there is such a variable */
  {NULL, NULL}
};

int luaopen_trace(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

bool script_is_library(const char *source)
{
  return strncmp(source, "@lua/", 5) == 0 && embedded_find(source + 1) != NULL;
}

static void push_call(lua_State *L, const lua_Debug *at)
{
  lua_createtable(L, 0, 3);
  lua_pushstring(L, at->source);
  lua_setfield(L, -2, "source");
  lua_pushinteger(L, at->currentline);
  lua_setfield(L, -2, "line");
}

static int trace_calls(lua_State *L)
{
  lua_Debug at;
  lua_Integer count = 0;
  lua_newtable(L);
  for (int level = 1; level <= CALLS_MAX && lua_getstack(L, level, &at) != 0; level++) {
    if (lua_getinfo(L, "Sl", &at) == 0 || at.currentline < 0)   /* C has no lines */
      continue;
    push_call(L, &at);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

static int trace_text(lua_State *L)
{
  luaL_traceback(L, L, NULL, 1);
  return 1;
}

/* ---- what a recipe's functions hold ---- */

static lua_State *check_thread(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTHREAD);
  return lua_tothread(L, 1);
}

/* How many calls a thread is in: levels count from the innermost call, which changes from look to look, a depth from the outermost. */
static int height_of(lua_State *thread)
{
  lua_Debug at;
  int low = 0, high = 1;
  while (lua_getstack(thread, high, &at) != 0) {
    low = high;
    high *= 2;
  }
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (lua_getstack(thread, middle, &at) != 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static int trace_stack(lua_State *L)
{
  lua_State *thread = check_thread(L);
  lua_Debug at;
  lua_Integer count = 0;
  int height = height_of(thread);
  lua_newtable(L);
  for (int level = 0; level < CALLS_MAX && lua_getstack(thread, level, &at) != 0; level++) {
    if (lua_getinfo(thread, "Sl", &at) == 0 || at.currentline < 0 || script_is_library(at.source))
      continue;
    push_call(L, &at);
    lua_pushinteger(L, height - level);
    lua_setfield(L, -2, "depth");
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* The call at a depth, with its function on top of L's stack. Raises where there is none, or it is the library's. */
static void find_call(lua_State *L, lua_State *thread, lua_Debug *at)
{
  lua_Integer depth = luaL_checkinteger(L, 2);
  int level = height_of(thread) - (int)depth;
  if (depth < 1 || level < 0 || lua_getstack(thread, level, at) == 0 || lua_getinfo(thread, "S", at) == 0)
    luaL_error(L, "trace: there is no call at the depth %I", (LUAI_UACINT)depth);
  else if (at->what[0] == 'C' || script_is_library(at->source))
    luaL_error(L, "trace: the call at the depth %I is the library's", (LUAI_UACINT)depth);
  if (lua_checkstack(thread, 2) == 0)
    luaL_error(L, "trace: out of stack");
  (void)lua_getinfo(thread, "f", at);
  lua_xmove(thread, L, 1);
}

/* Adds {name=, value=, kind=} to the list below the value, which is on top. */
static void add_variable(lua_State *L, const char *name, const char *kind, lua_Integer *count)
{
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  lua_setfield(L, -2, "value");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  lua_rawseti(L, -2, ++*count);
}

/* "(temporary)" and the like are the compiler's own, and _ENV is the world. */
static bool is_shown(const char *name)
{
  return name[0] != '(' && name[0] != '\0' && strcmp(name, "_ENV") != 0;
}

static int trace_variables(lua_State *L)
{
  lua_State *thread = check_thread(L);
  lua_Debug at;
  lua_Integer count = 0;
  const char *name;
  find_call(L, thread, &at);
  lua_newtable(L);
  for (int i = 1; (name = lua_getlocal(thread, &at, i)) != NULL; i++) {
    lua_xmove(thread, L, 1);
    if (is_shown(name))
      add_variable(L, name, "local", &count);
    else
      lua_pop(L, 1);
  }
  for (int i = 1; (name = lua_getupvalue(L, -2, i)) != NULL; i++) {
    if (is_shown(name)) {
      add_variable(L, name, "upvalue", &count);
    } else {
      lua_pop(L, 1);
    }
  }
  return 1;
}

/* The last local of that name, which is the one that its line sees, or the upvalue; 0: none. */
static int find_local(lua_State *thread, const lua_Debug *at, const char *name)
{
  int found = 0;
  const char *candidate;
  for (int i = 1; (candidate = lua_getlocal(thread, at, i)) != NULL; i++) {
    lua_pop(thread, 1);
    if (strcmp(candidate, name) == 0)
      found = i;
  }
  return found;
}

static int trace_assign(lua_State *L)
{
  lua_State *thread = check_thread(L);
  const char *name = luaL_checkstring(L, 3), *candidate;
  lua_Debug at;
  luaL_checkany(L, 4);
  lua_settop(L, 4);
  if (!is_shown(name))
    return luaL_error(L, "trace: '%s' is no variable", name);
  find_call(L, thread, &at);
  int found = find_local(thread, &at, name);
  if (found > 0) {
    lua_pushvalue(L, 4);
    lua_xmove(L, thread, 1);
    (void)lua_setlocal(thread, &at, found);
  }
  for (int i = 1; found == 0 && (candidate = lua_getupvalue(L, 5, i)) != NULL; i++) {
    lua_pop(L, 1);
    if (strcmp(candidate, name) == 0) {
      lua_pushvalue(L, 4);
      (void)lua_setupvalue(L, 5, i);
      found = i;
    }
  }
  lua_pushboolean(L, found > 0);
  return 1;
}

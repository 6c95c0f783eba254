/* clock.c -- door.clock: time, sleep and randomness, of the machine or of a simulated world. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <openssl/rand.h>

#include "transfer.h"

#define SLEEPER "clock.sleeper"
#define RANDOM_MAX 4096   /* bytes at once */

static int clock_now(lua_State *L);
static int clock_sleep(lua_State *L);
static int clock_random(lua_State *L);
static int clock_uuid(lua_State *L);

static const luaL_Reg functions[] = {
  {"now",    clock_now},      /* clock.now() -> seconds since the epoch */
  {"sleep",  clock_sleep},    /* clock.sleep(seconds): raises when the process is asked to stop */
  {"random", clock_random},   /* clock.random(count) -> bytes */
  {"uuid",   clock_uuid},     /* clock.uuid() -> a random UUID (RFC 9562, version 4) */
  {NULL, NULL}
};

static int sleeper_close(lua_State *L)
{
  struct sleeper *s = luaL_checkudata(L, 1, SLEEPER);
  if (s->carrier != NULL) {
    for (struct sleeper **at = &s->carrier->sleepers; *at != NULL; at = &(*at)->next) {
      if (*at == s) {
        *at = s->next;
        break;
      }
    }
  }
  s->carrier = NULL;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, s);
  return 0;
}

static int sleep_over(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  const char *stopping = door_stopping(door_check(L, lua_upvalueindex(1)));
  if (stopping != NULL) {
    lua_pushfstring(L, "stopped by %s", stopping);   /* no place in the source: it is for the user */
    return lua_error(L);
  }
  return 0;
}

static int clock_sleep(lua_State *L)
{
  struct door *door = door_check(L, lua_upvalueindex(1));
  double seconds = luaL_checknumber(L, 1);
  if (!lua_isyieldable(L))
    return luaL_error(L, "door: sleep outside a task");
  if (door->shut)
    return luaL_error(L, "door: shut");
  struct sleeper *s = lua_newuserdatauv(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  luaL_setmetatable(L, SLEEPER);
  lua_toclose(L, -1);
  s->due = door_now(L, door, lua_upvalueindex(1)) + (seconds > 0 ? seconds : 0);
  s->carrier = door->carrier;
  struct sleeper **at = &door->carrier->sleepers;
  while (*at != NULL && (*at)->due <= s->due)
    at = &(*at)->next;
  s->next = *at;
  *at = s;
  lua_pushthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, s);
  return lua_yieldk(L, 0, 0, sleep_over);
}

static int clock_now(lua_State *L)
{
  lua_pushnumber(L, door_now(L, door_check(L, lua_upvalueindex(1)), lua_upvalueindex(1)));
  return 1;
}

/* Pushes random bytes: of the world's seed, or of the system. */
static void push_random(lua_State *L, int count)
{
  if (lua_getiuservalue(L, lua_upvalueindex(1), DOOR_WORLD) == LUA_TTABLE) {
    lua_getfield(L, -1, "random");
    lua_insert(L, -2);
    lua_pushinteger(L, count);
    lua_call(L, 2, 1);
    return;
  }
  lua_pop(L, 1);
  luaL_Buffer buffer;
  char *data = luaL_buffinitsize(L, &buffer, (size_t)count);
  if (RAND_bytes((unsigned char *)data, count) != 1)
    luaL_error(L, "door: the system has no randomness to give");
  luaL_pushresultsize(&buffer, (size_t)count);
}

static int clock_random(lua_State *L)
{
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count > 0 && count <= RANDOM_MAX, 1, "must be 1 to 4096 bytes");
  push_random(L, (int)count);
  return 1;
}

static int clock_uuid(lua_State *L)
{
  push_random(L, 16);
  size_t length;
  const unsigned char *r = (const unsigned char *)luaL_checklstring(L, -1, &length);
  if (length != 16)
    return luaL_error(L, "door: the world's randomness is short");
  char text[37];
  (void)snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
                 r[4], r[5], (r[6] & 0x0fu) | 0x40u, r[7], (r[8] & 0x3fu) | 0x80u, r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
  lua_pushstring(L, text);
  return 1;
}

void clock_push(lua_State *L, int door_index)
{
  if (luaL_newmetatable(L, SLEEPER)) {
    lua_pushcfunction(L, sleeper_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, sleeper_close);
    lua_setfield(L, -2, "__close");
  }
  lua_pop(L, 1);
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

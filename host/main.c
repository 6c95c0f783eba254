/* main.c -- start-up of cmek: what must be true before the first line of Lua runs.
 * No core dumps, a memory cap, the secure heap, and the right to write as the command word allows it. Then lua/cli.lua. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>
#include <openssl/crypto.h>

#include "embedded.h"
#include "host.h"

#define MEMORY_MAX ((size_t)2 << 30)      /* bytes that Lua may hold */
#define SECURE_HEAP ((size_t)256 << 10)   /* bytes of OpenSSL's secure heap */

/* What each command word may come to do. A word that is not here reads. */
static const struct {
  const char *word;
  enum right ceiling;
  bool deletes;
  bool simulated;
} words[] = {
  {"run",     MAY_DO_IRREVERSIBLE, false, false},
  {"resume",  MAY_DO_IRREVERSIBLE, true,  false},
  {"destroy", MAY_WRITE,           true,  false},
  {"orphans", MAY_WRITE,           true,  false},
  {"repl",    MAY_WRITE,           false, false},
  {"sim",     MAY_READ,            false, true},
  {"test",    MAY_DO_IRREVERSIBLE, true,  true},
};

static const luaL_Reg modules[] = {
  {"crypto",   luaopen_crypto},
  {"door",     luaopen_door},
  {"edit",     luaopen_edit},
  {"embedded", luaopen_embedded},
  {"file",     luaopen_file},
  {"journal",  luaopen_journal},
  {"json",     luaopen_json},
  {"material", luaopen_material},
  {"pki",      luaopen_pki},
  {"process",  luaopen_process},
  {"secret",   luaopen_secret},
  {"server",   luaopen_server},
  {"sigv4",    luaopen_sigv4},
  {"terminal", luaopen_terminal},
  {"trace",    luaopen_trace},
  {"xml",      luaopen_xml},
  {NULL, NULL}
};

/* Lua's own libraries that the library may use; io, os and debug are for tests alone: the rest goes through the door. */
static const luaL_Reg libraries[] = {
  {LUA_GNAME,       luaopen_base},
  {LUA_COLIBNAME,   luaopen_coroutine},
  {LUA_TABLIBNAME,  luaopen_table},
  {LUA_STRLIBNAME,  luaopen_string},
  {LUA_MATHLIBNAME, luaopen_math},
  {LUA_UTF8LIBNAME, luaopen_utf8},
  {NULL, NULL}
};

static struct authority read_authority(int argc, char **argv)
{
  struct authority a = {MAY_READ, false, false, false, NULL};
  const char *word = argc > 1 ? argv[1] : "";
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(word, words[i].word) == 0) {
      a.ceiling = words[i].ceiling;
      a.deletes = words[i].deletes;
      a.simulated = words[i].simulated;
    }
  }
  for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--yes") == 0)
      a.yes = true;
    else if (strcmp(argv[i], "--write") == 0 && strcmp(word, "exec") == 0)
      a.ceiling = MAY_WRITE;
    else if (strncmp(argv[i], "--confirm=", 10) == 0)
      a.confirm = argv[i] + 10;
    else if (strcmp(argv[i], "--confirm") == 0 && i + 1 < argc)
      a.confirm = argv[++i];
  }
  return a;
}

static const char authority_key = 0;

const struct authority *host_authority(lua_State *L)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, &authority_key);
  const struct authority *a = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return a;
}

/* How much Lua holds; a request beyond the cap is refused, which Lua reports as "not enough memory". */
struct heap { size_t used; };

static void *allocate(void *context, void *block, size_t old, size_t size)
{
  struct heap *heap = context;
  size_t before = block != NULL ? old : 0;
  if (size > before && size - before > MEMORY_MAX - heap->used)
    return NULL;
  if (size == 0) {
    heap->used -= before;
    free(block);
    return NULL;
  }
  void *moved = realloc(block, size);
  if (moved != NULL)
    heap->used = heap->used - before + size;
  return moved;
}

/* require finds the host's modules and the embedded library; never a file, never a shared object. */
static void open_package(lua_State *L)
{
  luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 0);
  luaL_getsubtable(L, -1, "preload");
  luaL_setfuncs(L, modules, 0);
  lua_pop(L, 1);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i > 1; i--) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  lua_pushcfunction(L, embedded_search);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setfield(L, -2, "loadlib");
  lua_pop(L, 1);
}

static void open_libraries(lua_State *L, bool test)
{
  for (const luaL_Reg *library = libraries; library->func != NULL; library++) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
  open_package(L);
  if (test) {
    luaL_requiref(L, LUA_IOLIBNAME, luaopen_io, 1);
    luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 1);
    luaL_requiref(L, LUA_DBLIBNAME, luaopen_debug, 1);
    luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);   /* the same as before, now by its name too */
    lua_settop(L, 0);
    return;
  }
  static const char *const removed[] = {"dofile", "loadfile"};
  for (size_t i = 0; i < sizeof removed / sizeof *removed; i++) {
    lua_pushnil(L);
    lua_setglobal(L, removed[i]);
  }
}

static int traceback(lua_State *L)
{
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

struct start {
  int argc;
  char **argv;
  struct authority authority;
};

/* Runs lua/cli.lua with the command line, or, for `cmek test FILE`, that file. Returns the exit status as an integer. */
static int start(lua_State *L)
{
  struct start *s = lua_touserdata(L, 1);
  bool test = s->argc > 2 && strcmp(s->argv[1], "test") == 0;
  lua_settop(L, 0);
  lua_pushlightuserdata(L, &s->authority);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &authority_key);
  open_libraries(L, test);
  if (!s->authority.simulated)
    watchdog_resume(L);
  lua_pushcfunction(L, traceback);
  bool loaded = test ? luaL_loadfilex(L, s->argv[2], "t") == LUA_OK : embedded_load(L, "lua/cli.lua");
  if (!loaded)
    return lua_error(L);
  luaL_checkstack(L, s->argc, "too many arguments");
  int first = test ? 3 : 1;
  for (int i = first; i < s->argc; i++)
    lua_pushstring(L, s->argv[i]);
  int count = s->argc > first ? s->argc - first : 0;
  if (lua_pcall(L, count, 1, 1) != LUA_OK)
    return lua_error(L);
  return 1;
}

/* As lua/cli.lua takes it. */
static bool wants_json(int argc, char **argv)
{
  bool json = false;
  for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
    json = json || strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--json=lines") == 0;
  return json && strcmp(argv[1], "exec") != 0;   /* there it is the script's */
}

static void forbid_core_dumps(void)
{
  const struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0)
    perror("cmek: cannot forbid core dumps");
#ifndef NO_WIPE   /* the leak checker has to be able to trace */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    perror("cmek: cannot forbid core dumps");
#endif
}

/* A file that is opened where one of these was closed would get what is written to it: the journal the progress. Writing still fails. */
static void hold_standard_files(void)
{
  int fd;
  do
    fd = open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    (void)close(fd);
}

int main(int argc, char **argv)
{
  hold_standard_files();
  forbid_core_dumps();
  /* A closed pipe and a file that may not grow are errors of the write, told where they happen. */
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
    perror("cmek: cannot ignore signals of writes");
  if (CRYPTO_secure_malloc_init(SECURE_HEAP, 16) == 0) {
    fputs("cmek: no secure heap for secrets\n", stderr);
    return 1;
  }
  struct start s = {argc, argv, read_authority(argc, argv)};
  struct heap heap = {0};
  lua_State *L = lua_newstate(allocate, &heap);
  if (L == NULL) {
    fputs("cmek: not enough memory\n", stderr);
    return 1;
  }
  if (!s.authority.simulated)   /* a simulation may compute for hours */
    watchdog_start(L, wants_json(argc, argv));
  lua_pushcfunction(L, start);
  lua_pushlightuserdata(L, &s);
  int status = 1;
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    status = (int)lua_tointeger(L, -1);
  else
    fprintf(stderr, "cmek: %s\n", luaL_tolstring(L, -1, NULL));
  watchdog_stop();
  lua_close(L);
  if (fflush(stdout) != 0 && status == 0)
    status = 1;
  return status;
}

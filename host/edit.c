/* edit.c -- a line that is edited at the terminal, by libedit: history, reverse search, completion, several lines as one.
 * libedit is loaded on first use; where it is not installed the caller reads plain lines. libedit calls back for the prompt, for the next
 * character (edit_wait.c) and for keys (edit_keys.c); those call Lua, protected, since no error may jump over libedit's frames. */
#include "edit.h"

#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "host.h"

#define EDITOR "edit.Editor"
#define HISTORY_MAX 2000            /* chunks that can be called back */

static int edit_new(lua_State *L);
static int edit_line(lua_State *L);
static int edit_add(lua_State *L);
static int edit_close(lua_State *L);

static const luaL_Reg functions[] = {
  {"new", edit_new},     /* edit.new() -> editor | nil, message: no libedit, or no terminal for it */
  {NULL, NULL}
};

static const luaL_Reg methods[] = {
  {"line",  edit_line},  /* editor:line(prompt, complete, hint, open) -> text | nil, "cancelled": ^C | nil, "the input has ended" */
  {"add",   edit_add},   /* editor:add(text): what can be called back */
  {"close", edit_close}, /* editor:close() */
  {NULL, NULL}
};

static const luaL_Reg meta[] = {
  {"__gc",    edit_close},
  {"__close", edit_close},
  {NULL, NULL}
};

/* ---- the library: one to a process, filled once ---- */

struct edit_api edit_api;

static const char *load_library(void)
{
  static bool loaded;
  if (loaded)
    return NULL;
  void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    return dlerror();
  static const char *const names[] = {
#define NAME(name) #name,
    EDIT_FUNCTIONS(NAME)
#undef NAME
  };
  void *found[sizeof names / sizeof *names];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    found[i] = dlsym(library, names[i]);
    if (found[i] == NULL)
      return dlerror();
  }
  _Static_assert(sizeof found == sizeof edit_api, "POSIX: a function pointer is as large as an object pointer");
  memcpy(&edit_api, found, sizeof edit_api);
  loaded = true;
  return NULL;
}

/* Text is UTF-8, also where the environment names no locale. Only what characters are changes, not how numbers are written. */
static void speak_utf8(void)
{
  if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

struct editor *edit_of(EditLine *el)
{
  void *editor = NULL;
  (void)edit_api.el_get(el, EL_CLIENTDATA, &editor);
  return editor;
}

static char *show_prompt(EditLine *el)
{
  return edit_of(el)->prompt;
}

/* ---- the value ---- */

static struct editor *editor_check(lua_State *L)
{
  struct editor *e = luaL_checkudata(L, 1, EDITOR);
  if (e->el == NULL)
    luaL_error(L, "edit: the editor is closed");
  return e;
}

static bool configure(struct editor *e)
{
  HistEvent event;
  EditLine *el = e->el;
  bool ok = edit_api.history(e->history, &event, H_SETSIZE, HISTORY_MAX) >= 0
    && edit_api.history(e->history, &event, H_SETUNIQUE, 1) >= 0   /* what is run again stands there once */
    && edit_api.el_set(el, EL_CLIENTDATA, e) == 0
    && edit_api.el_set(el, EL_EDITOR, "emacs") == 0
    && edit_api.el_wset(el, EL_GETCFN, edit_read) == 0
    && edit_api.el_set(el, EL_PROMPT_ESC, show_prompt, LITERAL) == 0
    && edit_api.el_set(el, EL_HIST, edit_api.history, e->history) == 0
    && edit_add_functions(el);
  if (!ok)
    return false;
  (void)edit_api.el_source(el, NULL);   /* ~/.editrc: how the user likes it; its absence is no error */
  edit_bind_keys(el);
  return true;
}

static int edit_new(lua_State *L)
{
  const char *wrong = load_library();
  struct editor *e = lua_newuserdatauv(L, sizeof *e, 0);
  memset(e, 0, sizeof *e);          /* closed */
  luaL_setmetatable(L, EDITOR);
  if (wrong == NULL) {
    speak_utf8();
    e->el = edit_api.el_init("cmek", stdin, stdout, stderr);
    e->history = edit_api.history_init();
    if (e->el == NULL || e->history == NULL || !configure(e))
      wrong = "libedit cannot use this terminal";
  }
  if (wrong == NULL)
    return 1;
  luaL_pushfail(L);
  lua_pushstring(L, wrong);
  return 2;
}

static int edit_close(lua_State *L)
{
  struct editor *e = luaL_checkudata(L, 1, EDITOR);
  if (e->el != NULL)
    edit_api.el_end(e->el);
  if (e->history != NULL)
    edit_api.history_end(e->history);
  free(e->prompt);
  memset(e, 0, sizeof *e);
  return 0;
}

static int edit_add(lua_State *L)
{
  struct editor *e = editor_check(L);
  HistEvent event;
  (void)edit_api.history(e->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

static int edit_line(lua_State *L)
{
  struct editor *e = editor_check(L);
  const char *prompt = luaL_checkstring(L, 2);
  luaL_checktype(L, COMPLETE, LUA_TFUNCTION);
  luaL_checktype(L, HINT, LUA_TFUNCTION);
  luaL_checktype(L, OPEN, LUA_TFUNCTION);
  lua_settop(L, OPEN);
  free(e->prompt);
  e->prompt = strdup(prompt);
  if (e->prompt == NULL)
    return luaL_error(L, "edit: out of memory");
  e->L = L;
  e->cancelled = false;
  (void)fflush(stdout);
  edit_begin(e);
  int length = 0;
  const char *line = edit_api.el_gets(e->el, &length);
  (void)fflush(stdout);
  host_waited();                     /* before the signals that were held back come, the watchdog's among them */
  edit_end(e);
  if (e->cancelled || line == NULL || length <= 0) {
    luaL_pushfail(L);
    lua_pushstring(L, e->cancelled ? "cancelled" : "the input has ended");
    return 2;
  }
  while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
    length--;
  lua_pushlstring(L, line, (size_t)length);
  return 1;
}

int luaopen_edit(lua_State *L)
{
  luaL_newmetatable(L, EDITOR);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

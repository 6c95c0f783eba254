/* edit.c -- a line that is edited at the terminal, by libedit: history, reverse search, completion, lines that are pasted together.
 * libedit is loaded on first use; where it is not installed the caller reads plain lines. libedit calls back for the prompt, TAB, ^C
 * and pasting; of these TAB calls Lua, protected, since no error may jump over libedit's frames. */
#include "edit.h"

#include <dlfcn.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include <lauxlib.h>
#include <openssl/crypto.h>

#include "disk.h"
#include "host.h"

#define EDITOR "edit.Editor"
#define HISTORY_MAX 2000            /* chunks that can be called back */
#define PASTE_MAX (1 << 20)         /* bytes */
#define LITERAL '\1'                /* around what moves no cursor, in a prompt */
#define PASTES "\033[?2004h"        /* the terminal marks what is pasted */
#define PASTES_NO_MORE "\033[?2004l"

struct editor {
  EditLine *el;                     /* owned; NULL when closed */
  History *history;                 /* owned */
  lua_State *L;                     /* of the call that edits a line; its stack index 3 is the function for TAB */
  char *prompt;                     /* owned */
  bool cancelled;                   /* ^C was typed */
};

static int edit_new(lua_State *L);
static int edit_line(lua_State *L);
static int edit_add(lua_State *L);
static int edit_close(lua_State *L);

static const luaL_Reg functions[] = {
  {"new", edit_new},     /* edit.new() -> editor | nil, message: no libedit, or no terminal for it */
  {NULL, NULL}
};

static const luaL_Reg methods[] = {
  {"line",  edit_line},  /* editor:line(prompt, complete) -> text | nil, "cancelled": ^C | nil, "the input has ended" */
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

static struct edit_api api;

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
  _Static_assert(sizeof found == sizeof api, "POSIX: a function pointer is as large as an object pointer");
  memcpy(&api, found, sizeof api);
  loaded = true;
  return NULL;
}

/* Text is UTF-8, also where the environment names no locale. Only what characters are changes, not how numbers are written. */
static void speak_utf8(void)
{
  if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

/* ---- what libedit calls ---- */

static struct editor *editor_of(EditLine *el)
{
  void *editor = NULL;
  (void)api.el_get(el, EL_CLIENTDATA, &editor);
  return editor;
}

static char *show_prompt(EditLine *el)
{
  return editor_of(el)->prompt;
}

/* ^C: the line is let go, and its end is typed, so that the cursor comes to stand below it. */
static unsigned char on_cancel(EditLine *el, int c)
{
  (void)c;
  editor_of(el)->cancelled = true;
  api.el_push(el, "\n");
  return CC_NORM;
}

/* ^Z, as the terminal does it elsewhere: the whole job stops; libedit's handler puts the terminal right before and after. */
static unsigned char on_suspend(EditLine *el, int c)
{
  (void)el, (void)c;
  (void)kill(0, SIGTSTP);
  return CC_REFRESH;
}

/* What the terminal marked as pasted: inserted with its line ends, as one. */
static unsigned char on_paste(EditLine *el, int c)
{
  (void)c;
  static const wchar_t end[] = L"\033[201~";
  const size_t marks = sizeof end / sizeof *end - 1;
  size_t length = 0, room = 256;
  wchar_t *text = malloc(room * sizeof *text);
  bool fits = text != NULL, ended = false;
  wchar_t got;
  while (fits && !ended && api.el_wgetc(el, &got) == 1) {
    if (length + 2 > room) {
      room *= 2;
      wchar_t *more = room <= PASTE_MAX ? realloc(text, room * sizeof *text) : NULL;
      fits = more != NULL;
      text = fits ? more : text;
    }
    if (!fits)
      break;
    text[length++] = got == L'\r' ? L'\n' : got;
    ended = length >= marks && wmemcmp(text + length - marks, end, marks) == 0;
  }
  if (ended) {
    length -= marks;
    while (length > 0 && text[length - 1] == L'\n')
      length--;
    text[length] = L'\0';
    ended = length == 0 || api.el_winsertstr(el, text) == 0;
  }
  if (text != NULL)
    OPENSSL_cleanse(text, room * sizeof *text);
  free(text);
  return ended ? CC_REFRESH : CC_ERROR;
}

/* The part of the line before the cursor, as UTF-8, on Lua's stack. */
static void push_before_cursor(lua_State *L, EditLine *el)
{
  const LineInfoW *line = api.el_wline(el);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (const wchar_t *at = line->buffer; at < line->cursor; at++) {
    char bytes[MB_LEN_MAX];
    int n = wctomb(bytes, *at);
    if (n > 0)
      luaL_addlstring(&b, bytes, (size_t)n);
  }
  luaL_pushresult(&b);
}

/* complete(text before the cursor) -> characters to take away, text to insert, text to show below. In a protected call. */
static int complete(lua_State *L)
{
  EditLine *el = lua_touserdata(L, 2);
  push_before_cursor(L, el);
  lua_replace(L, 2);
  lua_call(L, 1, 3);
  return 3;
}

static void insert(EditLine *el, const char *text)
{
  wchar_t wide[1024];
  size_t n = mbstowcs(wide, text, sizeof wide / sizeof *wide - 1);
  if (n == (size_t)-1 || n == sizeof wide / sizeof *wide - 1)
    return;
  wide[n] = L'\0';
  (void)api.el_winsertstr(el, wide);
}

static unsigned char on_tab(EditLine *el, int c)
{
  (void)c;
  lua_State *L = editor_of(el)->L;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  lua_pushcfunction(L, complete);
  lua_pushvalue(L, 3);
  lua_pushlightuserdata(L, el);
  if (lua_pcall(L, 2, 3, 0) == LUA_OK) {
    int away = (int)lua_tointeger(L, -3);
    const char *text = lua_tostring(L, -2), *below = lua_tostring(L, -1);
    if (away > 0)
      api.el_deletestr(el, away);
    if (text != NULL)
      insert(el, text);
    if (below != NULL) {
      (void)disk_write_all(STDOUT_FILENO, "\r\n", 2);
      (void)disk_write_all(STDOUT_FILENO, below, strlen(below));
    }
    result = below != NULL ? CC_REDISPLAY : text != NULL ? CC_REFRESH : CC_ERROR;
  }
  lua_settop(L, top);
  return result;
}

/* ---- the value ---- */

static struct editor *editor_check(lua_State *L)
{
  struct editor *e = luaL_checkudata(L, 1, EDITOR);
  if (e->el == NULL)
    luaL_error(L, "edit: the editor is closed");
  return e;
}

static void bind(EditLine *el, const char *keys, const char *function)
{
  (void)api.el_set(el, EL_BIND, keys, function, NULL);
}

static bool configure(struct editor *e)
{
  HistEvent event;
  EditLine *el = e->el;
  bool ok = api.history(e->history, &event, H_SETSIZE, HISTORY_MAX) >= 0
    && api.el_set(el, EL_CLIENTDATA, e) == 0
    && api.el_set(el, EL_EDITOR, "emacs") == 0
    && api.el_set(el, EL_SIGNAL, 1) == 0
    && api.el_set(el, EL_PROMPT_ESC, show_prompt, LITERAL) == 0
    && api.el_set(el, EL_HIST, api.history, e->history) == 0
    && api.el_set(el, EL_ADDFN, "cmek-complete", "completes what is before the cursor", on_tab) == 0
    && api.el_set(el, EL_ADDFN, "cmek-paste", "inserts what is pasted", on_paste) == 0
    && api.el_set(el, EL_ADDFN, "cmek-suspend", "stops the job", on_suspend) == 0
    && api.el_set(el, EL_ADDFN, "cmek-cancel", "lets the line go", on_cancel) == 0;
  if (!ok)
    return false;
  (void)api.el_source(el, NULL);   /* ~/.editrc: how the user likes it; its absence is no error */
  bind(el, "\t", "cmek-complete");
  bind(el, "\\e[200~", "cmek-paste");
  bind(el, "^C", "cmek-cancel");
  bind(el, "^R", "em-inc-search-prev");
  bind(el, "^Z", "cmek-suspend");
  (void)api.el_set(el, EL_SETTY, "-d", "-isig", NULL);   /* ^C and ^Z are keys while a line is edited */
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
    e->el = api.el_init("cmek", stdin, stdout, stderr);
    e->history = api.history_init();
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
    api.el_end(e->el);
  if (e->history != NULL)
    api.history_end(e->history);
  free(e->prompt);
  memset(e, 0, sizeof *e);
  return 0;
}

static int edit_add(lua_State *L)
{
  struct editor *e = editor_check(L);
  HistEvent event;
  (void)api.history(e->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

static int edit_line(lua_State *L)
{
  struct editor *e = editor_check(L);
  const char *prompt = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  free(e->prompt);
  e->prompt = strdup(prompt);
  if (e->prompt == NULL)
    return luaL_error(L, "edit: out of memory");
  e->L = L;
  e->cancelled = false;
  (void)fflush(stdout);
  (void)disk_write_all(STDOUT_FILENO, PASTES, strlen(PASTES));
  int length = 0;
  const char *line = api.el_gets(e->el, &length);
  (void)fflush(stdout);
  (void)disk_write_all(STDOUT_FILENO, PASTES_NO_MORE, strlen(PASTES_NO_MORE));
  host_waited();
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

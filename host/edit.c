/* edit.c -- a line that is edited at the terminal, by libedit: history, reverse search, completion, lines that are pasted together.
 * libedit is loaded on first use; where it is not installed the caller reads plain lines. libedit calls back for the prompt, for the next
 * character, TAB, ^C and pasting; for TAB and the hint Lua is called, protected, since no error may jump over libedit's frames.
 * Whenever a character is waited for, the hint stands below the line, where libedit does not know of it. */
#include "edit.h"

#include <dlfcn.h>
#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include <lauxlib.h>
#include <openssl/crypto.h>

#include "bytes.h"
#include "cells.h"
#include "disk.h"
#include "host.h"

#define EDITOR "edit.Editor"
#define HISTORY_MAX 2000            /* chunks that can be called back */
#define PASTE_MAX (1 << 20)         /* bytes */
#define LITERAL '\1'                /* around what moves no cursor, in a prompt */
#define PASTES "\033[?2004h"        /* the terminal marks what is pasted */
#define PASTES_NO_MORE "\033[?2004l"
#define CLEAR_BELOW "\033[J"
#define BELOW_MAX 8192              /* bytes of what stands below the line */
#define ENTER "\r"                  /* what Enter sends is a newline to libedit; this ends a line whatever stands behind it */

/* Where the functions stand on the stack of the call that edits a line. */
enum { COMPLETE = 3, HINT = 4 };

struct editor {
  EditLine *el;                     /* owned; NULL when closed */
  History *history;                 /* owned */
  lua_State *L;                     /* of the call that edits a line */
  char *prompt;                     /* owned */
  sigset_t before;                  /* the signals that were held back before the line was begun */
  bool cancelled;                   /* ^C was typed */
  bool pasting;                     /* what comes is marked as pasted */
  bool begun;                       /* the first character was waited for */
  bool rested;                      /* nothing was typed for a moment, since the line was begun */
  bool rushing;                     /* the last character came without a moment's rest */
  bool hinted;                      /* a hint stands below the line */
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
  {"line",  edit_line},  /* editor:line(prompt, complete, hint) -> text | nil, "cancelled": ^C | nil, "the input has ended" */
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

/* A part of the line, as UTF-8, on Lua's stack. */
static void push_part(lua_State *L, const wchar_t *at, const wchar_t *end)
{
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (; at < end; at++) {
    char bytes[MB_LEN_MAX];
    int n = wctomb(bytes, *at);
    if (n > 0)
      luaL_addlstring(&b, bytes, (size_t)n);
  }
  luaL_pushresult(&b);
}

/* ---- what stands below the line ---- */

/* Asks Lua with the text before the cursor, and that behind it. */
static int ask(lua_State *L)
{
  const LineInfoW *line = api.el_wline(lua_touserdata(L, 2));
  lua_settop(L, 1);
  push_part(L, line->buffer, line->cursor);
  push_part(L, line->cursor, line->lastchar);
  lua_call(L, 2, 3);
  return 3;
}

/* The same, protected: three results are on the stack, or what was raised. */
static bool call_lua(struct editor *e, int function)
{
  lua_State *L = e->L;
  lua_pushcfunction(L, ask);
  lua_pushvalue(L, function);
  lua_pushlightuserdata(L, e->el);
  return lua_pcall(L, 2, 3, 0) == LUA_OK;
}

static void write_text(const char *text)
{
  (void)disk_write_all(STDOUT_FILENO, text, strlen(text));
}

/* The line on the terminal. */
struct layout {
  struct cell cursor, end;
  int columns, rows;
};

static struct layout layout_of(struct editor *e)
{
  struct layout l = {.columns = 80, .rows = 24};
  (void)api.el_get(e->el, EL_GETTC, "co", &l.columns);
  (void)api.el_get(e->el, EL_GETTC, "li", &l.rows);
  const LineInfoW *line = api.el_wline(e->el);
  l.cursor = cells_behind(cells_prompt(e->prompt, LITERAL, l.columns), line->buffer, line->cursor, l.columns);
  l.end = cells_behind(l.cursor, line->cursor, line->lastchar, l.columns);
  l.cursor = cells_before(l.cursor, line->cursor, line->lastchar, l.columns);
  return l;
}

/* A text of one row below the line, in the place of the one before; NULL: none. The cursor stays where it is. Where the line fills the
 * terminal there is no row for it. */
static void draw_below(struct editor *e, const char *text)
{
  struct layout l = layout_of(e);
  struct bytes out = {.max = BELOW_MAX};
  bool room = text != NULL && l.end.row + 2 < l.rows;
  cells_move(&out, l.cursor, l.end);
  (void)bytes_append(&out, CLEAR_BELOW, strlen(CLEAR_BELOW));
  if (room) {
    (void)bytes_append(&out, "\r\n", 2);
    (void)bytes_append(&out, text, strlen(text));
    l.end.row++;
  }
  cells_move(&out, l.end, l.cursor);
  (void)disk_write_all(STDOUT_FILENO, out.data, out.length);
  bytes_free(&out);
  e->hinted = room;
}

/* A search of the history shows itself behind the line. */
static bool is_searching(EditLine *el)
{
  const LineInfoW *line = api.el_wline(el);
  for (const wchar_t *at = line->cursor; at + 4 < line->lastchar; at++)
    if (wcsncmp(at, L"\nbck", 4) == 0 || wcsncmp(at, L"\nfwd", 4) == 0)
      return true;
  return false;
}

static void show_hint(struct editor *e)
{
  lua_State *L = e->L;
  int top = lua_gettop(L);
  const char *text = NULL;
  if (!e->pasting && !is_searching(e->el) && call_lua(e, HINT))
    text = lua_tostring(L, -3);
  if (text != NULL || e->hinted)
    draw_below(e, text);
  lua_settop(L, top);
}

/* The cursor below the line, from where the line is drawn anew. */
static void go_below(struct editor *e)
{
  struct layout l = layout_of(e);
  struct bytes out = {.max = BELOW_MAX};
  cells_move(&out, l.cursor, l.end);
  (void)bytes_append(&out, CLEAR_BELOW "\r\n", strlen(CLEAR_BELOW "\r\n"));
  (void)disk_write_all(STDOUT_FILENO, out.data, out.length);
  bytes_free(&out);
  e->hinted = false;
}

/* ---- the next character ---- */

static volatile sig_atomic_t resized, continued;   /* process-wide, as signals are */

static void on_signal(int number)
{
  if (number == SIGWINCH)
    resized = 1;
  else
    continued = 1;
}

static const struct timespec at_once = {0, 0};
static const int watched[] = {SIGWINCH, SIGCONT};
enum { WATCHED = sizeof watched / sizeof *watched };

/* Signals come while a character is waited for, and at no other time of a line. */
static void hold_signals(struct editor *e, struct sigaction before[WATCHED])
{
  struct sigaction action = {.sa_handler = on_signal};
  sigset_t held;
  sigemptyset(&action.sa_mask);
  sigemptyset(&held);
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGPROF};
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    sigaddset(&held, stops[i]);
  resized = continued = 0;
  for (size_t i = 0; i < WATCHED; i++) {
    sigaddset(&held, watched[i]);
    sigaction(watched[i], &action, &before[i]);
  }
  sigprocmask(SIG_BLOCK, &held, &e->before);
}

static void release_signals(const struct editor *e, const struct sigaction before[WATCHED])
{
  for (size_t i = 0; i < WATCHED; i++)
    sigaction(watched[i], &before[i], NULL);
  sigprocmask(SIG_SETMASK, &e->before, NULL);
}

/* The line anew: the terminal has another size, and has broken lines anew that were longer; or somebody else has written on it. */
static void draw_again(struct editor *e)
{
  bool sized = resized != 0;
  if (continued) {
    (void)api.el_set(e->el, EL_PREP_TERM, 1);
    write_text(PASTES);
  }
  resized = continued = 0;
  api.el_resize(e->el);
  if (sized) {
    struct layout l = layout_of(e);
    struct bytes out = {.max = BELOW_MAX};
    cells_move(&out, l.cursor, (struct cell){0, 0});
    (void)bytes_append(&out, CLEAR_BELOW, strlen(CLEAR_BELOW));
    (void)disk_write_all(STDOUT_FILENO, out.data, out.length);
    bytes_free(&out);
  }
  e->hinted = false;
  (void)api.el_set(e->el, EL_REFRESH);
  show_hint(e);
}

/* Waits until a character can be read; false: a signal has come that asks to stop. */
static bool await(struct editor *e)
{
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (resized || continued)
    draw_again(e);
  e->rushing = ppoll(&input, 1, &at_once, NULL) > 0;
  if (!e->rushing || !e->begun)      /* it is asked before the first character: the prompt stands there now */
    show_hint(e);
  e->begun = true;
  if (e->rushing)
    return true;
  e->rested = true;
  sigset_t while_waiting = e->before;
  sigaddset(&while_waiting, SIGPROF);   /* the watchdog's, which counts what computes */
  while (ppoll(&input, 1, NULL, &while_waiting) < 0) {
    if (!resized && !continued)
      return false;
    draw_again(e);
  }
  return true;
}

/* One character, of which libedit knows where it goes. Bytes that are no UTF-8 are passed over. */
static int read_character(EditLine *el, wchar_t *got)
{
  struct editor *e = editor_of(el);
  mbstate_t state;
  memset(&state, 0, sizeof state);
  for (;;) {
    char byte;
    if (!await(e))
      return -1;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count <= 0)
      return (int)count;
    size_t length = mbrtowc(got, &byte, 1, &state);
    if (length == 0 || length == 1)
      return 1;
    if (length == (size_t)-1)
      memset(&state, 0, sizeof state);
  }
}

/* ---- keys ---- */

/* ^C: the line is let go, and its end is typed, so that the cursor comes to stand below it. */
static unsigned char on_cancel(EditLine *el, int c)
{
  (void)c;
  editor_of(el)->cancelled = true;
  api.el_push(el, ENTER);
  return CC_NORM;
}

/* Enter ends the line, unless more was typed at the very moment: a terminal that does not mark what is pasted has pasted several lines.
 * What was typed while a chunk ran is no paste, and neither is what follows a command of the prompt. */
static unsigned char on_enter(EditLine *el, int c)
{
  (void)c;
  struct editor *e = editor_of(el);
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  const LineInfoW *line = api.el_wline(el);
  bool is_command = line->buffer < line->lastchar && (*line->buffer == L':' || *line->buffer == L'?');
  if (e->rested && e->rushing && !is_command && ppoll(&input, 1, &at_once, NULL) > 0)
    return api.el_winsertstr(el, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  api.el_push(el, ENTER);
  return CC_NORM;
}

/* A line's end within the line: several can be typed, and edited, as one. */
static unsigned char on_newline(EditLine *el, int c)
{
  (void)c;
  return api.el_winsertstr(el, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

/* ^Z, as the terminal does it elsewhere: the whole job stops, with the terminal as it was found. */
static unsigned char on_suspend(EditLine *el, int c)
{
  (void)c;
  struct editor *e = editor_of(el);
  go_below(e);
  (void)api.el_set(el, EL_PREP_TERM, 0);
  write_text(PASTES_NO_MORE);
  (void)kill(0, SIGTSTP);            /* stopped; without job control it goes on at once */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCONT);
  (void)sigtimedwait(&signals, NULL, &at_once);
  continued = 1;                     /* the line is drawn again before the next character */
  return CC_NORM;
}

/* What the terminal marks as pasted, up to the mark of its end; how long it is, or -1 where it is too long, and is then read all the same:
 * its lines are not to be taken for typed ones. */
static long read_pasted(EditLine *el, wchar_t **text, size_t *room)
{
  static const wchar_t end[] = L"\033[201~";
  const size_t marks = sizeof end / sizeof *end - 1;
  size_t length = 0, ended = 0;
  bool fits = true;
  wchar_t got;
  while (ended < marks && api.el_wgetc(el, &got) == 1) {
    ended = got == end[ended] ? ended + 1 : got == end[0] ? 1 : 0;
    if (length + 2 > *room) {
      size_t larger = *room * 2;
      wchar_t *more = larger <= PASTE_MAX ? calloc(larger, sizeof **text) : NULL;
      if (more == NULL) {
        fits = false;
        length = 0;
      } else {
        wmemcpy(more, *text, length);
        OPENSSL_cleanse(*text, *room * sizeof **text);
        free(*text);
        *text = more;
        *room = larger;
      }
    }
    if (got != L'\0')
      (*text)[length++] = got == L'\r' ? L'\n' : got;
  }
  return fits && ended == marks ? (long)(length - marks) : -1;
}

/* What is pasted: inserted with its line ends, as one. */
static unsigned char on_paste(EditLine *el, int c)
{
  (void)c;
  struct editor *e = editor_of(el);
  size_t room = 256;
  wchar_t *text = calloc(room, sizeof *text);
  if (text == NULL)
    return CC_ERROR;
  e->pasting = true;
  long length = read_pasted(el, &text, &room);
  e->pasting = false;
  bool done = length >= 0;
  while (length > 0 && text[length - 1] == L'\n')
    length--;
  if (length > 0) {
    text[length] = L'\0';
    done = api.el_winsertstr(el, text) == 0;
  }
  OPENSSL_cleanse(text, room * sizeof *text);
  free(text);
  if (done)
    return CC_REFRESH;
  go_below(e);
  write_text("what was pasted is too long for a line, and is left out: cmek repl < FILE\r\n");
  return CC_REDISPLAY;
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

/* complete(before, behind) -> characters to take away, text to insert, text to show below. */
static unsigned char on_tab(EditLine *el, int c)
{
  (void)c;
  struct editor *e = editor_of(el);
  lua_State *L = e->L;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  if (call_lua(e, COMPLETE)) {
    int away = (int)lua_tointeger(L, -3);
    const char *text = lua_tostring(L, -2), *below = lua_tostring(L, -1);
    if (away > 0)
      api.el_deletestr(el, away);
    if (text != NULL)
      insert(el, text);
    if (below != NULL) {
      go_below(e);
      write_text(below);
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
    && api.el_wset(el, EL_GETCFN, read_character) == 0
    && api.el_set(el, EL_PROMPT_ESC, show_prompt, LITERAL) == 0
    && api.el_set(el, EL_HIST, api.history, e->history) == 0
    && api.el_set(el, EL_ADDFN, "cmek-complete", "completes what is before the cursor", on_tab) == 0
    && api.el_set(el, EL_ADDFN, "cmek-paste", "inserts what is pasted", on_paste) == 0
    && api.el_set(el, EL_ADDFN, "cmek-enter", "ends the line", on_enter) == 0
    && api.el_set(el, EL_ADDFN, "cmek-newline", "goes on in a new line", on_newline) == 0
    && api.el_set(el, EL_ADDFN, "cmek-suspend", "stops the job", on_suspend) == 0
    && api.el_set(el, EL_ADDFN, "cmek-cancel", "lets the line go", on_cancel) == 0;
  if (!ok)
    return false;
  (void)api.el_source(el, NULL);   /* ~/.editrc: how the user likes it; its absence is no error */
  bind(el, "\t", "cmek-complete");
  bind(el, "\n", "cmek-enter");
  bind(el, "\r", "ed-newline");
  bind(el, "\\e\n", "cmek-newline");
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
  luaL_checktype(L, COMPLETE, LUA_TFUNCTION);
  luaL_checktype(L, HINT, LUA_TFUNCTION);
  lua_settop(L, HINT);
  free(e->prompt);
  e->prompt = strdup(prompt);
  if (e->prompt == NULL)
    return luaL_error(L, "edit: out of memory");
  e->L = L;
  e->cancelled = e->begun = e->rested = e->hinted = false;
  (void)fflush(stdout);
  write_text(PASTES);
  struct sigaction before[WATCHED];
  hold_signals(e, before);
  api.el_resize(e->el);              /* it may have another size since the last line */
  int length = 0;
  const char *line = api.el_gets(e->el, &length);
  (void)fflush(stdout);
  write_text(e->hinted ? CLEAR_BELOW PASTES_NO_MORE : PASTES_NO_MORE);
  release_signals(e, before);
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

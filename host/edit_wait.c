/* edit_wait.c -- the next character of a line that is edited: while it is waited for, the hint stands below the line and signals come. */
#include "edit.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "bytes.h"
#include "cells.h"
#include "disk.h"

#define PASTES "\033[?2004h"        /* the terminal marks what is pasted */
#define PASTES_NO_MORE "\033[?2004l"
#define CLEAR_BELOW "\033[J"
#define BELOW_MAX 8192              /* bytes of what stands below the line */

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

/* Asks Lua with the text before the cursor, and that behind it. */
static int ask(lua_State *L)
{
  const LineInfoW *line = edit_api.el_wline(lua_touserdata(L, 2));
  lua_settop(L, 1);
  push_part(L, line->buffer, line->cursor);
  push_part(L, line->cursor, line->lastchar);
  lua_call(L, 2, 3);
  return 3;
}

/* The same, protected: three results are on the stack, or what was raised. */
bool edit_ask(struct editor *e, int function)
{
  lua_State *L = e->L;
  lua_pushcfunction(L, ask);
  lua_pushvalue(L, function);
  lua_pushlightuserdata(L, e->el);
  return lua_pcall(L, 2, 3, 0) == LUA_OK;
}

void edit_write(const char *text)
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
  (void)edit_api.el_get(e->el, EL_GETTC, "co", &l.columns);
  (void)edit_api.el_get(e->el, EL_GETTC, "li", &l.rows);
  const LineInfoW *line = edit_api.el_wline(e->el);
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
  const LineInfoW *line = edit_api.el_wline(el);
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
  if (!e->pasting && !is_searching(e->el) && edit_ask(e, HINT))
    text = lua_tostring(L, -3);
  if (text != NULL || e->hinted)
    draw_below(e, text);
  lua_settop(L, top);
}

/* The cursor below the line, from where the line is drawn anew. */
void edit_go_below(struct editor *e)
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
static const int watched[EDIT_SIGNALS] = {SIGWINCH, SIGCONT};

/* Signals come while a character is waited for, and at no other time of a line. */
void edit_begin(struct editor *e)
{
  e->begun = e->rested = e->hinted = false;
  edit_write(PASTES);
  struct sigaction action = {.sa_handler = on_signal};
  sigset_t held;
  sigemptyset(&action.sa_mask);
  sigemptyset(&held);
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGPROF};
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    sigaddset(&held, stops[i]);
  resized = continued = 0;
  for (size_t i = 0; i < EDIT_SIGNALS; i++) {
    sigaddset(&held, watched[i]);
    sigaction(watched[i], &action, &e->handlers[i]);
  }
  sigprocmask(SIG_BLOCK, &held, &e->before);
  edit_api.el_resize(e->el);              /* the terminal may have another size since the last line */
}

void edit_end(struct editor *e)
{
  edit_write(e->hinted ? CLEAR_BELOW PASTES_NO_MORE : PASTES_NO_MORE);
  for (size_t i = 0; i < EDIT_SIGNALS; i++)
    sigaction(watched[i], &e->handlers[i], NULL);
  sigprocmask(SIG_SETMASK, &e->before, NULL);
}

/* The line anew: the terminal has another size, and has broken lines anew that were longer; or somebody else has written on it. */
static void draw_again(struct editor *e)
{
  bool sized = resized != 0;
  if (continued) {
    (void)edit_api.el_set(e->el, EL_PREP_TERM, 1);
    edit_write(PASTES);
  }
  resized = continued = 0;
  edit_api.el_resize(e->el);
  if (sized) {
    struct layout l = layout_of(e);
    struct bytes out = {.max = BELOW_MAX};
    cells_move(&out, l.cursor, (struct cell){0, 0});
    (void)bytes_append(&out, CLEAR_BELOW, strlen(CLEAR_BELOW));
    (void)disk_write_all(STDOUT_FILENO, out.data, out.length);
    bytes_free(&out);
  }
  e->hinted = false;
  (void)edit_api.el_set(e->el, EL_REFRESH);
  show_hint(e);
}

bool edit_has_more(void)
{
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return ppoll(&input, 1, &at_once, NULL) > 0;
}

/* Waits until a character can be read; false: a signal has come that asks to stop. */
static bool await(struct editor *e)
{
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (resized || continued)
    draw_again(e);
  e->rushing = edit_has_more();
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
int edit_read(EditLine *el, wchar_t *got)
{
  struct editor *e = edit_of(el);
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

void edit_stop(struct editor *e)
{
  edit_go_below(e);
  (void)edit_api.el_set(e->el, EL_PREP_TERM, 0);
  edit_write(PASTES_NO_MORE);
  (void)kill(0, SIGTSTP);            /* stopped; without job control it goes on at once */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCONT);
  (void)sigtimedwait(&signals, NULL, &at_once);
  continued = 1;                     /* the line is drawn again before the next character */
}

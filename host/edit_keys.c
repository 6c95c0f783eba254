/* edit_keys.c -- the keys of a line that is edited which are not libedit's own: Enter, TAB, up and down in several lines, ^C, ^Z, pasting. */
#include "edit.h"

#include <stdlib.h>
#include <wchar.h>

#include <openssl/crypto.h>

#define PASTE_MAX (1 << 20)         /* characters */
#define ENTER "\r"                  /* what Enter sends is a newline to libedit; this ends a line whatever stands behind it */
#define PREVIOUS "\033[997~"         /* no terminal's keys: libedit's own functions behind ours */
#define NEXT "\033[998~"

/* ^C: the line is let go, and its end is typed, so that the cursor comes to stand below it. */
static unsigned char on_cancel(EditLine *el, int c)
{
  (void)c;
  edit_of(el)->cancelled = true;
  edit_api.el_push(el, ENTER);
  return CC_NORM;
}

/* Whether more was typed at the very moment: a terminal that does not mark what is pasted has pasted several lines. What was typed while a
 * chunk ran is no paste, and neither is what follows a command of the prompt. */
static bool is_pasted(const struct editor *e)
{
  const LineInfoW *line = edit_api.el_wline(e->el);
  bool is_command = line->buffer < line->lastchar && (*line->buffer == L':' || *line->buffer == L'?');
  return e->rested && e->rushing && !is_command && edit_has_more();
}

/* Enter ends the chunk, or goes on in a new line where it is not complete. */
static unsigned char on_enter(EditLine *el, int c)
{
  (void)c;
  struct editor *e = edit_of(el);
  int top = lua_gettop(e->L);
  bool more = is_pasted(e) || (edit_ask(e, OPEN) && lua_toboolean(e->L, -3));
  lua_settop(e->L, top);
  if (more)
    return edit_api.el_winsertstr(el, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  edit_api.el_push(el, ENTER);
  return CC_NORM;
}

/* A line's end within the line: several can be typed, and edited, as one. */
static unsigned char on_newline(EditLine *el, int c)
{
  (void)c;
  return edit_api.el_winsertstr(el, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

/* Where the line begins in which `at` stands. */
static const wchar_t *line_start(const LineInfoW *line, const wchar_t *at)
{
  while (at > line->buffer && at[-1] != L'\n')
    at--;
  return at;
}

static const wchar_t *line_end(const LineInfoW *line, const wchar_t *at)
{
  while (at < line->lastchar && *at != L'\n')
    at++;
  return at;
}

static unsigned char move_to(EditLine *el, const wchar_t *place)
{
  (void)edit_api.el_cursor(el, (int)(place - edit_api.el_wline(el)->cursor));
  return CC_CURSOR;
}

/* Home and End stay in the line. */
static unsigned char on_home(EditLine *el, int c)
{
  (void)c;
  const LineInfoW *line = edit_api.el_wline(el);
  return move_to(el, line_start(line, line->cursor));
}

static unsigned char on_end(EditLine *el, int c)
{
  (void)c;
  const LineInfoW *line = edit_api.el_wline(el);
  return move_to(el, line_end(line, line->cursor));
}

/* Up: a line up; in the first, to what was typed before. */
static unsigned char on_up(EditLine *el, int c)
{
  (void)c;
  const LineInfoW *line = edit_api.el_wline(el);
  const wchar_t *start = line_start(line, line->cursor);
  if (start == line->buffer) {
    edit_api.el_push(el, PREVIOUS);
    return CC_NORM;
  }
  const wchar_t *before = line_start(line, start - 1), *same = before + (line->cursor - start);
  return move_to(el, same < start ? same : start - 1);
}

/* Down: a line down; in the last, to what was typed after. */
static unsigned char on_down(EditLine *el, int c)
{
  (void)c;
  const LineInfoW *line = edit_api.el_wline(el);
  const wchar_t *next = line_end(line, line->cursor);
  if (next == line->lastchar) {
    edit_api.el_push(el, NEXT);
    return CC_NORM;
  }
  const wchar_t *same = next + 1 + (line->cursor - line_start(line, line->cursor)), *end = line_end(line, next + 1);
  return move_to(el, same < end ? same : end);
}

static unsigned char on_nothing(EditLine *el, int c)
{
  (void)el, (void)c;
  return CC_NORM;
}

/* ^Z, as the terminal does it elsewhere. */
static unsigned char on_suspend(EditLine *el, int c)
{
  (void)c;
  edit_stop(edit_of(el));
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
  while (ended < marks && edit_api.el_wgetc(el, &got) == 1) {
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
  struct editor *e = edit_of(el);
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
    done = edit_api.el_winsertstr(el, text) == 0;
  }
  OPENSSL_cleanse(text, room * sizeof *text);
  free(text);
  if (done)
    return CC_REFRESH;
  edit_go_below(e);
  edit_write("what was pasted is too long for a line, and is left out: cmek repl < FILE\r\n");
  return CC_REDISPLAY;
}

static void insert(EditLine *el, const char *text)
{
  wchar_t wide[1024];
  size_t n = mbstowcs(wide, text, sizeof wide / sizeof *wide - 1);
  if (n == (size_t)-1 || n == sizeof wide / sizeof *wide - 1)
    return;
  wide[n] = L'\0';
  (void)edit_api.el_winsertstr(el, wide);
}

/* complete(before, behind) -> characters to take away, text to insert, text to show below. */
static unsigned char on_tab(EditLine *el, int c)
{
  (void)c;
  struct editor *e = edit_of(el);
  lua_State *L = e->L;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  if (edit_ask(e, COMPLETE)) {
    int away = (int)lua_tointeger(L, -3);
    const char *text = lua_tostring(L, -2), *below = lua_tostring(L, -1);
    if (away > 0)
      edit_api.el_deletestr(el, away);
    if (text != NULL)
      insert(el, text);
    if (below != NULL) {
      edit_go_below(e);
      edit_write(below);
    }
    result = below != NULL ? CC_REDISPLAY : text != NULL ? CC_REFRESH : CC_ERROR;
  }
  lua_settop(L, top);
  return result;
}

/* ---- which key is which ---- */

static const struct {
  const char *name, *help;
  unsigned char (*function)(EditLine *el, int c);
} functions[] = {
  {"cmek-complete", "completes what is before the cursor", on_tab},
  {"cmek-paste", "inserts what is pasted", on_paste},
  {"cmek-enter", "ends the chunk when it is complete", on_enter},
  {"cmek-newline", "goes on in a new line", on_newline},
  {"cmek-up", "a line up, or what was typed before", on_up},
  {"cmek-down", "a line down, or what was typed after", on_down},
  {"cmek-home", "to where the line begins", on_home},
  {"cmek-end", "to where the line ends", on_end},
  {"cmek-nothing", "does nothing", on_nothing},
  {"cmek-suspend", "stops the job", on_suspend},
  {"cmek-cancel", "lets the line go", on_cancel},
};

static const struct { const char *keys, *function; } bindings[] = {
  {"\t", "cmek-complete"},      {"\\e[200~", "cmek-paste"},
  {"\n", "cmek-enter"},         {ENTER, "ed-newline"},        {"\\e\n", "cmek-newline"},
  {PREVIOUS, "ed-prev-history"}, {"\\e[A", "cmek-up"},         {"\\eOA", "cmek-up"},        {"^P", "cmek-up"},
  {NEXT, "ed-next-history"},    {"\\e[B", "cmek-down"},       {"\\eOB", "cmek-down"},      {"^N", "cmek-down"},
  {"^A", "cmek-home"},          {"\\e[H", "cmek-home"},       {"\\eOH", "cmek-home"},      {"\\e[1~", "cmek-home"},
  {"^E", "cmek-end"},           {"\\e[F", "cmek-end"},        {"\\eOF", "cmek-end"},       {"\\e[4~", "cmek-end"},
  {"^C", "cmek-cancel"},        {"^Z", "cmek-suspend"},       {"^R", "em-inc-search-prev"},
  {"\\e[1;5C", "em-next-word"},  {"\\e[1;3C", "em-next-word"},  {"\\e[3~", "ed-delete-next-char"},
  {"\\e[1;5D", "ed-prev-word"},  {"\\e[1;3D", "ed-prev-word"},
};

/* Keys of terminals that mean nothing here, and would leave half of what they send in the line. */
static const char *const nothing[] = {
  "\\e[2~", "\\e[5~", "\\e[6~", "\\e[Z", "\\e[1;5A", "\\e[1;5B", "\\e[1;3A", "\\e[1;3B", "\\e[1;2A", "\\e[1;2B", "\\e[1;2C", "\\e[1;2D",
  "\\eOP", "\\eOQ", "\\eOR", "\\eOS", "\\e[11~", "\\e[12~", "\\e[13~", "\\e[14~", "\\e[15~", "\\e[17~", "\\e[18~", "\\e[19~",
  "\\e[20~", "\\e[21~", "\\e[23~", "\\e[24~",
};

bool edit_add_functions(EditLine *el)
{
  bool ok = true;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    ok = ok && edit_api.el_set(el, EL_ADDFN, functions[i].name, functions[i].help, functions[i].function) == 0;
  return ok;
}

void edit_bind_keys(EditLine *el)
{
  for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
    (void)edit_api.el_set(el, EL_BIND, bindings[i].keys, bindings[i].function, NULL);
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
    (void)edit_api.el_set(el, EL_BIND, nothing[i], "cmek-nothing", NULL);
  (void)edit_api.el_set(el, EL_SETTY, "-d", "-isig", NULL);   /* ^C and ^Z are keys while a line is edited */
}

/* terminal.c -- whoever sits in front of it: questions, hidden input, whole writes. Line editing is not here yet. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <lauxlib.h>
#include <openssl/crypto.h>

#include "bytes.h"
#include "disk.h"
#include "host.h"
#include "secret.h"

#define WIDTH 80                    /* columns and lines where nobody tells */
#define HEIGHT 24
#define LINE_MAX_BYTES 65536
#define HIDDEN_MAX 4096             /* what a terminal hands over as one line */

/* Where a question goes and its answer comes from. */
struct tty {
  int in, out;
  bool opened;                      /* `in` is ours to close */
};

static int terminal_is_terminal(lua_State *L);
static int terminal_width(lua_State *L);
static int terminal_height(lua_State *L);
static int terminal_read_line(lua_State *L);
static int terminal_read_hidden(lua_State *L);
static int terminal_write(lua_State *L);
static int terminal_write_error(lua_State *L);

static const luaL_Reg functions[] = {
  {"is_terminal", terminal_is_terminal},   /* terminal.is_terminal("stdin"|"stdout"|"stderr") -> boolean */
  {"width",       terminal_width},         /* terminal.width() -> columns */
  {"height",      terminal_height},        /* terminal.height() -> lines */
  {"read_line",   terminal_read_line},     /* terminal.read_line([prompt]) -> text | nil: the end of input, or a signal */
  {"read_hidden", terminal_read_hidden},   /* terminal.read_hidden(prompt, audience) -> secret | nil, message */
  {"write",       terminal_write},         /* terminal.write(text) -> true | nil, message */
  {"write_error", terminal_write_error},   /* terminal.write_error(text) -> true | nil, message */
  {NULL, NULL}
};

enum line { LINE_WHOLE, LINE_TOO_LONG, LINE_NONE };

/* One line without its end, byte by byte: what follows belongs to the next reader, who may be a child. LINE_NONE: the end of
 * input, an error, or a signal whose handler does not restart the read. A line that is too long is read to its end. */
static enum line read_line(int fd, struct bytes *line)
{
  bool fits = true, any = false;
  char c = '\0';
  ssize_t got;
  while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
    any = true;
    fits = fits && bytes_append(line, &c, 1);
  }
  if (got < 0 || (got == 0 && !any))
    return LINE_NONE;
  if (line->length > 0 && line->data[line->length - 1] == '\r')
    line->data[--line->length] = '\0';
  return fits ? LINE_WHOLE : LINE_TOO_LONG;
}

/* ---- the terminal ---- */

static bool tty_open(struct tty *tty)
{
  int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) {
    *tty = (struct tty){fd, fd, true};
    return true;
  }
  *tty = (struct tty){STDIN_FILENO, STDERR_FILENO, false};
  return isatty(STDIN_FILENO) == 1;
}

static void tty_close(struct tty *tty)
{
  if (tty->opened)
    close(tty->in);
}

int terminal_ask(const char *question, char *answer, size_t size)
{
  struct tty tty;
  struct bytes line = {.max = size - 1};
  int length = TERMINAL_NO_ANSWER;
  answer[0] = '\0';
  if (!tty_open(&tty))
    return TERMINAL_NONE;
  if (disk_write_all(tty.out, question, strlen(question)) && read_line(tty.in, &line) == LINE_WHOLE) {
    const char *text = line.length > 0 ? line.data : "";
    if (strlen(text) == line.length) {
      memcpy(answer, text, line.length + 1);
      length = (int)line.length;
    }
  }
  if (length < 0)
    (void)disk_write_all(tty.out, "\n", 1);   /* what follows is no answer */
  bytes_free(&line);
  tty_close(&tty);
  return length;
}

/* ---- hidden input: the echo comes back whatever happens ---- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* The last signal that came during hidden input. Process-wide, as signals are; used by one read at a time. */
static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
  caught = number;
}

static void catch_signals(struct sigaction before[SIGNALS])
{
  struct sigaction action = {.sa_handler = catch_signal};   /* no SA_RESTART: the read ends */
  sigemptyset(&action.sa_mask);
  caught = 0;
  for (size_t i = 0; i < SIGNALS; i++)
    sigaction(signals[i], &action, &before[i]);
}

static void release_signals(const struct sigaction before[SIGNALS])
{
  for (size_t i = 0; i < SIGNALS; i++)
    sigaction(signals[i], &before[i], NULL);
}

/* One line with the echo off. A signal that came is delivered afterwards, with the echo on again. */
static enum line read_silently(const struct tty *tty, const char *prompt, struct bytes *line)
{
  struct termios shown, hidden;
  struct sigaction before[SIGNALS];
  if (tcgetattr(tty->in, &shown) != 0)
    return LINE_NONE;
  hidden = shown;
  hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
  hidden.c_lflag |= ICANON | ISIG;
  catch_signals(before);
  enum line result = LINE_NONE;
  if (tcsetattr(tty->in, TCSAFLUSH, &hidden) == 0) {
    if (disk_write_all(tty->out, prompt, strlen(prompt)))
      result = read_line(tty->in, line);
    (void)disk_write_all(tty->out, "\n", 1);
    while (tcsetattr(tty->in, TCSAFLUSH, &shown) != 0 && errno == EINTR)
      continue;
  }
  release_signals(before);
  int number = caught;
  if (number != 0)
    (void)raise(number);
  return number != 0 ? LINE_NONE : result;
}

/* Asks again after the process was stopped (^Z) and came back. */
static enum line ask_silently(const struct tty *tty, const char *prompt, struct bytes *line)
{
  for (;;) {
    enum line result = read_silently(tty, prompt, line);
    if (result != LINE_NONE || (caught != SIGTSTP && caught != SIGTTIN && caught != SIGTTOU))
      return result;
    if (line->length > 0)
      OPENSSL_cleanse(line->data, line->length);
    line->length = 0;
  }
}

static int terminal_read_hidden(lua_State *L)
{
  const char *prompt = luaL_checkstring(L, 1), *audience = luaL_checkstring(L, 2);
  struct tty tty;
  if (!tty_open(&tty)) {
    luaL_pushfail(L);
    lua_pushliteral(L, "there is no terminal to ask at");
    return 2;
  }
  char room[HIDDEN_MAX];
  struct bytes line = {.max = HIDDEN_MAX - 2};   /* the terminal cuts a longer one without a word */
  enum line result = ask_silently(&tty, prompt, &line);
  tty_close(&tty);
  size_t length = line.length;
  if (length > 0)
    memcpy(room, line.data, length);
  bytes_free(&line);                 /* before anything that may raise */
  if (result == LINE_WHOLE && length > 0)
    secret_push(L, room, length, audience);
  OPENSSL_cleanse(room, sizeof room);
  if (result == LINE_WHOLE && length > 0)
    return 1;
  luaL_pushfail(L);
  lua_pushstring(L, result == LINE_NONE ? "nothing was entered" : length == 0 ? "an empty line was entered" : "the line is too long");
  return 2;
}

/* ---- what else Lua calls ---- */

static int terminal_is_terminal(lua_State *L)
{
  static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
  lua_pushboolean(L, isatty(luaL_checkoption(L, 1, NULL, names)) == 1);
  return 1;
}

/* The size of whichever stream is a terminal; zeros where none is, or it does not tell. */
static struct winsize terminal_size(void)
{
  struct winsize size;
  static const int fds[] = {STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    if (ioctl(fds[i], TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      return size;
  }
  return (struct winsize){0};
}

static int terminal_width(lua_State *L)
{
  struct winsize size = terminal_size();
  lua_pushinteger(L, size.ws_col > 0 ? size.ws_col : WIDTH);
  return 1;
}

static int terminal_height(lua_State *L)
{
  struct winsize size = terminal_size();
  lua_pushinteger(L, size.ws_row > 0 ? size.ws_row : HEIGHT);
  return 1;
}

/* The prompt is shown only where somebody can answer it. */
static int terminal_read_line(lua_State *L)
{
  const char *prompt = luaL_optstring(L, 1, "");
  if (isatty(STDIN_FILENO) == 1)
    (void)disk_write_all(STDERR_FILENO, prompt, strlen(prompt));
  struct bytes line = {.max = LINE_MAX_BYTES};
  enum line result = read_line(STDIN_FILENO, &line);
  if (result != LINE_WHOLE && isatty(STDIN_FILENO) == 1)
    (void)disk_write_all(STDERR_FILENO, "\n", 1);   /* what follows is no answer */
  if (result == LINE_WHOLE)
    lua_pushlstring(L, line.length > 0 ? line.data : "", line.length);
  bytes_free(&line);
  if (result == LINE_WHOLE)
    return 1;
  luaL_pushfail(L);
  lua_pushfstring(L, result == LINE_NONE ? "the input has ended" : "a line of more than %d bytes", LINE_MAX_BYTES);
  return 2;
}

static int write_text(lua_State *L, int fd)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  (void)fflush(stdout);              /* what print wrote comes first */
  if (disk_write_all(fd, text, length)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushfstring(L, "cannot write to %s: %s", fd == STDOUT_FILENO ? "stdout" : "stderr", strerror(errno));
  return 2;
}

static int terminal_write(lua_State *L)
{
  return write_text(L, STDOUT_FILENO);
}

static int terminal_write_error(lua_State *L)
{
  return write_text(L, STDERR_FILENO);
}

int luaopen_terminal(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

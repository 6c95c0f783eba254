/* watchdog.c -- ends what computes on and on and waits for nothing: most likely a recipe or a script with a loop without an end.
 * A timer over the process's own time sets a hook, which raises an error that names the line. Where that is caught it is raised
 * again at the next instruction of a recipe or script, and after another limit the process is ended. A C function that does not
 * come back meets no hook: the next tick ends the process there. There is no hook while all is well, since a hook makes every
 * instruction slower. Who was asked to stop by a signal has less time: what computes through it is ended at a recipe's or script's line.
 * State is process-wide, as timers and signals are. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "host.h"

#define LIMIT_SECONDS 20.0   /* of processor time since something was last waited for */
#define TICKS 8              /* looks of the timer in one limit */
#define ENDLESS "watchdog.Endless"
#define NEXT "look there for a loop without an end"

static struct {
  double limit;                      /* seconds; 0: there is no watchdog */
  volatile double waited;            /* processor time when something was last waited for */
  volatile double raised;            /* and when the error was raised first; 0 before */
  lua_State *volatile running;       /* the thread that runs */
  volatile sig_atomic_t hurried;     /* the timer has set the hook, and it has not run yet */
  volatile sig_atomic_t interrupted; /* the signal that came while a prompt's chunk ran */
  volatile sig_atomic_t asked;       /* the signal that asked this program to stop; 0: none has come */
  volatile sig_atomic_t wrote;       /* a write was journaled: what ends here has to be resumed */
  bool json;                         /* --json: a document on stdout too */
  pthread_t thread;                  /* Lua's; libcurl has others */
  char reason[128];
} dog;

/* Seconds of processor time of this process. */
static double spent(void)
{
  struct timespec now = {0};
  return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec / 1e9 : 0;
}

void host_waited(void)
{
  if (dog.limit > 0) {
    dog.waited = spent();
    dog.hurried = 0;
  }
}

void host_wrote(void)
{
  dog.wrote = 1;
}

/* ---- whose line it is ---- */

/* The innermost line that is not of the library, else the innermost of all. Reads only, so that the timer may do it, too.
 * Returns whether it is a recipe's or a script's. */
static bool blame(lua_State *L, lua_Debug *found)
{
  lua_Debug at;
  bool any = false;
  found->currentline = -1;
  for (int level = 0; lua_getstack(L, level, &at) != 0; level++) {
    if (lua_getinfo(L, "Sl", &at) == 0 || at.currentline < 0)   /* C has no lines */
      continue;
    bool library = script_is_library(at.source);
    if (!library || !any)
      *found = at;
    any = true;
    if (!library)
      return true;
  }
  return false;
}

/* ---- texts: by hand, for a signal's handler may do little ---- */

struct text {
  size_t length;
  char data[8192];
};

static void add(struct text *t, const char *more)
{
  for (; *more != '\0' && t->length < sizeof t->data; more++)
    t->data[t->length++] = *more;
}

static void add_number(struct text *t, int number)
{
  char digits[16];
  size_t at = sizeof digits;
  digits[--at] = '\0';
  do
    digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  add(t, digits + at);
}

/* Inside a JSON string. */
static void add_escaped(struct text *t, const char *more)
{
  static const char hex[] = "0123456789abcdef";
  for (; *more != '\0'; more++) {
    unsigned char c = (unsigned char)*more;
    if (c < 0x20)
      add(t, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], '\0'});
    else
      add(t, c == '"' ? "\\\"" : c == '\\' ? "\\\\" : (char[]){*more, '\0'});
  }
}

/* "mine.lua:4: stopped: …" */
static void add_message(struct text *t, const lua_Debug *at)
{
  if (at->currentline > 0) {
    add(t, at->source[0] == '@' ? at->source + 1 : at->short_src);
    add(t, ":");
    add_number(t, at->currentline);
    add(t, ": ");
  }
  add(t, dog.reason);
}

/* ---- ending ---- */

static void put(int fd, const struct text *t)
{
  for (size_t at = 0; at < t->length;) {
    ssize_t n = write(fd, t->data + at, t->length - at);
    if (n <= 0)
      return;
    at += (size_t)n;
  }
}

/* Ends the process from wherever it is. What was journaled is on disk. */
static _Noreturn void end(lua_State *L)
{
  static struct text message, told, document;
  lua_Debug at;
  (void)blame(L, &at);
  message.length = told.length = document.length = 0;
  add_message(&message, &at);
  if (message.length == sizeof message.data)
    message.length--;
  message.data[message.length] = '\0';
  const char *next = dog.wrote ? NEXT "; cmek runs lists what was begun" : NEXT;
  add(&told, "cmek: ");
  add(&told, message.data);
  add(&told, "\nnext: ");
  add(&told, next);
  add(&told, "\n");
  put(STDERR_FILENO, &told);
  if (dog.json) {
    add(&document, "{\"schema\":\"cmek.error/1\",\"error\":{\"code\":\"endless\",\"message\":\"");
    add_escaped(&document, message.data);
    add(&document, "\",\"next\":\"");
    add(&document, next);
    add(&document, "\"}}\n");
    put(STDOUT_FILENO, &document);
  }
  _exit(dog.wrote ? 5 : 1);
}

static int endless_text(lua_State *L)
{
  lua_getfield(L, 1, "message");
  lua_pushliteral(L, "\nnext: ");
  lua_getfield(L, 1, "next");
  lua_concat(L, 3);
  return 1;
}

static int raise_endless(lua_State *L, const lua_Debug *at)
{
  struct text message = {0};
  add_message(&message, at);
  lua_createtable(L, 0, 3);
  lua_pushlstring(L, message.data, message.length);
  lua_setfield(L, -2, "message");
  lua_pushliteral(L, NEXT);
  lua_setfield(L, -2, "next");
  lua_pushliteral(L, "endless");
  lua_setfield(L, -2, "code");
  if (luaL_newmetatable(L, ENDLESS)) {
    lua_pushcfunction(L, endless_text);
    lua_setfield(L, -2, "__tostring");
  }
  lua_setmetatable(L, -2);
  return lua_error(L);
}

static const char *signal_name(int number)
{
  return number == SIGTERM ? "SIGTERM" : number == SIGHUP ? "SIGHUP" : "SIGINT";
}

static bool is_own_line(lua_State *L, lua_Debug *activation)
{
  return lua_getinfo(L, "Sl", activation) != 0 && activation->currentline >= 0 && !script_is_library(activation->source);
}

/* Whether a signal has come, and it computes on as if there were none. */
static bool deaf(double now)
{
  return dog.asked != 0 && now - dog.waited > dog.limit / TICKS;
}

static void on_count(lua_State *L, lua_Debug *activation)
{
  double now = spent();
  bool again = dog.raised > 0;
  dog.hurried = 0;
  if (!again && now - dog.waited <= dog.limit && deaf(now)) {
    if (is_own_line(L, activation)) {   /* the library may be writing down what it did */
      lua_sethook(L, NULL, 0, 0);
      lua_pushfstring(L, "stopped by %s", signal_name(dog.asked));
      (void)lua_error(L);
    }
    return;
  }
  if (again && now - dog.raised > dog.limit)
    end(L);
  lua_Debug at;
  bool stop = again || now - dog.waited > dog.limit;
  if (!stop || (!blame(L, &at) && again)) {   /* it has waited by now, or the library tells what was wrong */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (!again)
    dog.raised = now;
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
  (void)raise_endless(L, &at);
}

/* Past the limit the hook is set, which Lua lets a handler do; where there was no instruction until the next tick, a C function is
 * running. */
static void on_tick(int number)
{
  if (!pthread_equal(pthread_self(), dog.thread)) {
    (void)pthread_kill(dog.thread, number);
    return;
  }
  int saved = errno;
  double now = spent();
  if (dog.raised > 0 || now - dog.waited > dog.limit) {
    if (dog.hurried)
      end(dog.running);
    dog.hurried = 1;
    lua_sethook(dog.running, on_count, LUA_MASKCOUNT, 1);
  } else if (deaf(now)) {
    lua_sethook(dog.running, on_count, LUA_MASKCOUNT, 1);
  }
  errno = saved;
}

/* ---- ^C at a prompt ---- */

/* Only what the user typed is cut short, never the library below it: it may be waiting for a write, or writing down its outcome. */
static void on_interrupt(lua_State *L, lua_Debug *activation)
{
  if (!dog.interrupted)
    lua_sethook(L, NULL, 0, 0);
  else if (is_own_line(L, activation)) {
    lua_sethook(L, NULL, 0, 0);
    lua_pushfstring(L, "stopped by %s", signal_name(dog.interrupted));
    (void)lua_error(L);
  }
}

void watchdog_asked(int number)
{
  dog.asked = number;
}

void watchdog_interrupt(int number)
{
  if (dog.limit <= 0)
    return;
  if (!pthread_equal(pthread_self(), dog.thread)) {
    (void)pthread_kill(dog.thread, number);
    return;
  }
  dog.interrupted = number;
  lua_sethook(dog.running, on_interrupt, LUA_MASKCOUNT, 1);
}

void watchdog_forgive(lua_State *L)
{
  dog.interrupted = 0;
  dog.asked = 0;
  dog.raised = 0;
  lua_sethook(L, NULL, 0, 0);
  host_waited();
}

/* ---- beginning ---- */

/* coroutine.resume, which keeps in mind which thread runs. */
static int watched_resume(lua_State *L)
{
  lua_State *before = dog.running, *thread = lua_tothread(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  if (thread != NULL)
    dog.running = thread;
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);   /* raises only when it is given no thread */
  dog.running = before;
  return lua_gettop(L);
}

void watchdog_resume(lua_State *L)
{
  lua_getglobal(L, LUA_COLIBNAME);
  lua_getfield(L, -1, "resume");
  lua_pushcclosure(L, watched_resume, 1);
  lua_setfield(L, -2, "resume");
  lua_pop(L, 1);
}

/* Below `cmek sim` a shorter limit may be asked for, never a longer one. */
static double limit_of(void)
{
  const char *simulated = getenv("CMEK_SIM"), *text = getenv("CMEK_COMPUTING_MAX");
  if (simulated == NULL || strcmp(simulated, "1") != 0 || text == NULL)
    return LIMIT_SECONDS;
  char *rest;
  double limit = strtod(text, &rest);
  return rest != text && *rest == '\0' && limit > 0 && limit < LIMIT_SECONDS ? limit : LIMIT_SECONDS;
}

void watchdog_start(lua_State *L, bool json)
{
  dog.limit = limit_of();
  dog.waited = spent();
  dog.running = L;
  dog.json = json;
  dog.thread = pthread_self();
  (void)snprintf(dog.reason, sizeof dog.reason, "stopped: it computed for %g s and waited for nothing", dog.limit);
  struct sigaction action = {0};
  action.sa_handler = on_tick;
  action.sa_flags = SA_RESTART;
  (void)sigemptyset(&action.sa_mask);
  double tick = dog.limit / TICKS;
  struct itimerval timer = {0};
  timer.it_interval.tv_sec = (time_t)tick;
  timer.it_interval.tv_usec = (suseconds_t)((tick - (double)(time_t)tick) * 1e6) + 1;
  timer.it_value = timer.it_interval;
  if (sigaction(SIGPROF, &action, NULL) != 0 || setitimer(ITIMER_PROF, &timer, NULL) != 0)
    perror("cmek: cannot watch for what computes without an end");
}

void watchdog_stop(void)
{
  const struct itimerval none = {0};
  (void)setitimer(ITIMER_PROF, &none, NULL);   /* fails only for what is no timer */
}

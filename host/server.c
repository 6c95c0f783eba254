/* server.c -- a loopback HTTP server for the simulator, on libevent's evhttp, with a loop of its own.
 * It binds 127.0.0.1 and nothing else. server:run() serves until its child ends, its time is up, or a signal comes; a delayed
 * answer waits on a timer, so that it delays nobody else. The handler is called inside run(), protected: libevent is C, and no
 * Lua error may jump through it. What a handler raises becomes a 500 and the third result of run(). */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include <lauxlib.h>
#include <lua.h>

#include "field.h"
#include "host.h"
#include "server_tls.h"

#define SERVER "server"            /* the name that error messages show */
#define BODY_MAX ((ssize_t)16 << 20)
#define HEADERS_MAX ((ssize_t)64 << 10)
#define IDLE_SECONDS 3600
#define CHILD_POLL_SECONDS 0.25    /* beside SIGCHLD, in case somebody else took that */
#define UNKNOWN_METHOD 32768       /* what evhttp makes of a method it does not know; LIST to Vault */

/* One answer that is not sent yet. */
struct answer {
  struct answer *next, **link;     /* the server's list of them */
  struct server *server;           /* borrowed */
  struct evhttp_request *request;  /* evhttp's, ours to answer; it loses its connection when the client goes away */
  struct event *timer;             /* owned; NULL when sent at once */
  struct evbuffer *body;           /* owned */
  int status;
  bool drop;                       /* close the connection instead of answering */
};

struct server {
  struct event_base *base;         /* owned, like what follows; NULL when closed */
  struct evhttp *http;
  SSL_CTX *tls;                    /* NULL: plain HTTP */
  struct answer *waiting;
  int port;
  lua_State *L;                    /* borrowed: the caller of run(), while it runs */
  int signals;                     /* a signalfd while run() runs, else -1 */
  bool serving;                    /* run() goes on */
  const char *ended;               /* why it ended: "child", "seconds", "signal" */
  int detail;                      /* the child's status or the signal's number */
};

/* What one run() holds beside the server; undone whether it returns or raises. */
struct run {
  struct event *signal_event, *child_event, *deadline_event;   /* owned */
  sigset_t mask_before;
  struct sigaction pipe_before;
};

static int server_new(lua_State *L);
static int server_run(lua_State *L);
static int server_close(lua_State *L);
static int server_index(lua_State *L);

static const luaL_Reg functions[] = {
  {"new", server_new},             /* server.new{handler=, port=, tls={cert=, key=, clients=}} -> server; clients: asked for certificates */
  {NULL, NULL}
};

static const luaL_Reg methods[] = {
  {"run", server_run},             /* server:run{child=, seconds=} -> "child"|"seconds"|"signal", status|nil|number, failure|nil */
  {"close", server_close},
  {NULL, NULL}
};

static const luaL_Reg server_meta[] = {
  {"__gc", server_close},
  {"__close", server_close},
  {"__index", server_index},       /* server.port, and the methods */
  {NULL, NULL}
};

/* ---- Requests, as the handler sees them ------------------------------------------------------------------------------ */

static const struct { const char *name; enum evhttp_cmd_type type; bool has_body; } commands[] = {
  {"GET", EVHTTP_REQ_GET, false},         {"POST", EVHTTP_REQ_POST, true},
  {"HEAD", EVHTTP_REQ_HEAD, false},       {"PUT", EVHTTP_REQ_PUT, true},
  {"DELETE", EVHTTP_REQ_DELETE, false},   {"OPTIONS", EVHTTP_REQ_OPTIONS, false},
  {"TRACE", EVHTTP_REQ_TRACE, false},     {"CONNECT", EVHTTP_REQ_CONNECT, false},
  {"PATCH", EVHTTP_REQ_PATCH, true},      {"LIST", (enum evhttp_cmd_type)UNKNOWN_METHOD, false},
};

static size_t command_of(struct evhttp_request *request)
{
  size_t i = 0, last = sizeof commands / sizeof *commands - 1;
  while (i < last && commands[i].type != evhttp_request_get_command(request))
    i++;
  return i;
}

/* evhttp reads no body for this method: what the client sent as one would be taken for the next request. */
static bool leaves_a_body(struct evhttp_request *request)
{
  struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
  const char *length = evhttp_find_header(headers, "Content-Length");
  return !commands[command_of(request)].has_body
    && ((length != NULL && strcmp(length, "0") != 0) || evhttp_find_header(headers, "Transfer-Encoding") != NULL);
}

static void push_headers(lua_State *L, struct evhttp_request *request)
{
  struct evkeyval *header;
  lua_Integer n = 0;
  lua_newtable(L);
  TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next) {
    lua_createtable(L, 2, 0);
    lua_pushstring(L, header->key);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, header->value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, ++n);
  }
}

static void push_body(lua_State *L, struct evhttp_request *request)
{
  struct evbuffer *input = evhttp_request_get_input_buffer(request);
  size_t length = evbuffer_get_length(input);
  luaL_Buffer buffer;
  char *to = luaL_buffinitsize(L, &buffer, length);
  evbuffer_copyout(input, to, length);
  luaL_pushresultsize(&buffer, length);
}

static void push_request(lua_State *L, struct evhttp_request *request, bool tls)
{
  lua_createtable(L, 0, 5);
  lua_pushstring(L, commands[command_of(request)].name);
  lua_setfield(L, -2, "method");
  lua_pushstring(L, evhttp_request_get_uri(request));
  lua_setfield(L, -2, "target");
  push_headers(L, request);
  lua_setfield(L, -2, "headers");
  push_body(L, request);
  lua_setfield(L, -2, "body");
  if (tls)
    server_tls_certificate(L, request);
}

/* ---- Answers ---------------------------------------------------------------------------------------------------------- */

/* Takes it out of the list of those that wait, where it is in it. */
static void answer_unlink(struct answer *a)
{
  if (a->link != NULL)
    *a->link = a->next;
  if (a->next != NULL)
    a->next->link = a->link;
  a->link = NULL, a->next = NULL;
}

static void answer_free(struct answer *a)
{
  if (a->timer != NULL)
    event_free(a->timer);
  if (a->body != NULL)
    evbuffer_free(a->body);
  free(a);
}

static void answer_send(struct answer *a)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(a->request);
  if (a->drop && connection != NULL)
    evhttp_connection_free(connection);                /* and its request */
  else
    evhttp_send_reply(a->request, a->status, NULL, a->body);   /* frees a request whose client is gone */
  answer_unlink(a);
  answer_free(a);
}

static void answer_due(evutil_socket_t fd, short what, void *argument)
{
  (void)fd, (void)what;
  answer_send(argument);
}

static bool answer_later(struct answer *a, double seconds)
{
  struct server *s = a->server;
  struct timeval wait = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
  a->timer = evtimer_new(s->base, answer_due, a);
  if (a->timer == NULL || evtimer_add(a->timer, &wait) != 0)
    return false;
  a->next = s->waiting;
  a->link = &s->waiting;
  if (a->next != NULL)
    a->next->link = &a->next;
  s->waiting = a;
  return true;
}

static void fill_headers(lua_State *L, int response, struct evkeyvalq *headers)
{
  if (lua_getfield(L, response, "headers") != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    evhttp_add_header(headers, luaL_checkstring(L, -2), luaL_checkstring(L, -1));
    lua_pop(L, 3);
  }
  lua_pop(L, 2);
}

static void announce_more(struct evkeyvalq *headers, size_t length)
{
  char text[32];
  snprintf(text, sizeof text, "%zu", 2 * length + 1);
  evhttp_add_header(headers, "Content-Length", text);
  evhttp_add_header(headers, "Connection", "close");
}

/* Runs under lua_pcall: the server's userdata, the request and the answer to fill -> delay in seconds.
 * A response is {status=, headers={{name, value}…}, body=, delay=seconds, close=true: no answer, the connection just ends,
 * cut=true: the body is said to be longer than what comes before the connection ends}. */
static int call_handler(lua_State *L)
{
  struct evhttp_request *request = lua_touserdata(L, 2);
  struct answer *a = lua_touserdata(L, 3);
  lua_getiuservalue(L, 1, 1);
  push_request(L, request, a->server->tls != NULL);
  lua_call(L, 1, 1);
  luaL_checktype(L, 4, LUA_TTABLE);
  a->status = (int)field_number(L, 4, "status", 200);
  bool cut = field_is_set(L, 4, "cut");
  a->drop = !cut && field_is_set(L, 4, "close");
  lua_Number delay = field_number(L, 4, "delay", 0);
  fill_headers(L, 4, evhttp_request_get_output_headers(request));
  size_t length = 0;
  lua_getfield(L, 4, "body");
  const char *body = luaL_optlstring(L, -1, "", &length);
  if (cut)
    announce_more(evhttp_request_get_output_headers(request), length);
  if (evbuffer_add(a->body, body, length) != 0)
    return luaL_error(L, "no memory for a body of %I bytes", (lua_Integer)length);
  lua_pushnumber(L, delay);
  return 1;
}

/* The handler raised: say so in the answer, and keep the first message for run() to return. */
static void answer_failure(struct server *s, struct answer *a, const char *message)
{
  lua_State *L = s->L;
  evhttp_clear_headers(evhttp_request_get_output_headers(a->request));
  evhttp_add_header(evhttp_request_get_output_headers(a->request), "Content-Type", "text/plain");
  evbuffer_drain(a->body, evbuffer_get_length(a->body));
  evbuffer_add_printf(a->body, "the handler failed: %s\n", message != NULL ? message : "?");
  a->status = 500;
  a->drop = false;
  if (lua_getiuservalue(L, 1, 2) == LUA_TNIL) {
    lua_pushvalue(L, -2);          /* the message itself: no allocation */
    lua_setiuservalue(L, 1, 2);
  }
  lua_pop(L, 1);
}

static void handle(struct evhttp_request *request, void *argument)
{
  struct server *s = argument;
  struct answer *a = calloc(1, sizeof *a);
  struct evbuffer *body = evbuffer_new();
  if (a == NULL || body == NULL || s->L == NULL) {
    free(a);
    if (body != NULL)
      evbuffer_free(body);
    evhttp_send_error(request, 503, NULL);
    return;
  }
  *a = (struct answer){.server = s, .request = request, .body = body, .status = 500};
  int top = lua_gettop(s->L);
  lua_pushcfunction(s->L, call_handler);
  lua_pushvalue(s->L, 1);
  lua_pushlightuserdata(s->L, request);
  lua_pushlightuserdata(s->L, a);
  double delay = 0;
  if (lua_pcall(s->L, 3, 1, 0) == LUA_OK)
    delay = lua_tonumber(s->L, -1);
  else
    answer_failure(s, a, lua_tostring(s->L, -1));
  lua_settop(s->L, top);
  if (leaves_a_body(request))
    evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
  /* A connection must not be freed inside its own callback: a drop always waits for a timer. */
  if (!((delay > 0 || a->drop) && answer_later(a, delay > 0 ? delay : 0)))
    answer_send(a);
}

/* ---- Making and closing ------------------------------------------------------------------------------------------------ */

static int server_close(lua_State *L)
{
  struct server *s = luaL_checkudata(L, 1, SERVER);
  if (s->serving)
    return luaL_error(L, "a server cannot be closed while it runs");
  for (struct answer *a = s->waiting, *next; a != NULL; a = next) {
    next = a->next;
    if (evhttp_request_get_connection(a->request) == NULL)
      evhttp_request_free(a->request);               /* its client is gone: nobody else frees it */
    answer_free(a);
  }
  if (s->http != NULL)
    evhttp_free(s->http);
  if (s->base != NULL)
    event_base_free(s->base);
  SSL_CTX_free(s->tls);
  s->http = NULL, s->base = NULL, s->tls = NULL, s->waiting = NULL, s->port = 0;
  return 0;
}

static int server_index(lua_State *L)
{
  const struct server *s = luaL_checkudata(L, 1, SERVER);
  if (strcmp(luaL_checkstring(L, 2), "port") == 0)
    lua_pushinteger(L, s->port);
  else
    lua_getfield(L, lua_upvalueindex(1), lua_tostring(L, 2));
  return 1;
}

static void bind_loopback(lua_State *L, struct server *s, lua_Integer port)
{
  struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", (ev_uint16_t)port);
  if (bound == NULL)
    luaL_error(L, "cannot listen on 127.0.0.1:%I: %s", port, strerror(errno));
  /* Accepted sockets inherit it: else a body that follows its head waits 40 ms for the client's delayed ACK. */
  if (setsockopt(evhttp_bound_socket_get_fd(bound), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
    luaL_error(L, "cannot set TCP_NODELAY: %s", strerror(errno));
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length) != 0)
    luaL_error(L, "cannot learn the port: %s", strerror(errno));
  s->port = ntohs(address.sin_port);
}

/* Timers that never are early: libevent's default clock is coarse, and looked at once a round. */
static struct event_base *new_base(void)
{
  struct event_config *config = event_config_new();
  if (config == NULL)
    return NULL;
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME);
  struct event_base *base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

static int server_new(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  field_check_names(L, 1, "new", (const char *const[]){"handler", "port", "tls", NULL});
  lua_Number port = field_number(L, 1, "port", 0);
  luaL_argcheck(L, port >= 0 && port <= 65535, 1, "field 'port' must be between 0 and 65535");
  struct server *s = lua_newuserdatauv(L, sizeof *s, 2);
  memset(s, 0, sizeof *s);
  s->signals = -1;
  luaL_setmetatable(L, SERVER);
  if (lua_getfield(L, 1, "handler") != LUA_TFUNCTION)
    return luaL_error(L, "bad argument #1 to 'new' (field 'handler' must be a function)");
  lua_setiuservalue(L, 2, 1);
  s->base = new_base();
  s->http = s->base != NULL ? evhttp_new(s->base) : NULL;
  if (s->http == NULL)
    return luaL_error(L, "cannot start a server: out of memory");
  evhttp_set_allowed_methods(s->http, 0xffff);
  evhttp_set_max_body_size(s->http, BODY_MAX);
  evhttp_set_max_headers_size(s->http, HEADERS_MAX);
  evhttp_set_timeout(s->http, IDLE_SECONDS);
  evhttp_set_gencb(s->http, handle, s);
  if (lua_getfield(L, 1, "tls") == LUA_TTABLE)
    server_tls_set(L, 3, s->http, &s->tls);
  bind_loopback(L, s, (lua_Integer)port);
  lua_settop(L, 2);
  return 1;
}

/* ---- Running ------------------------------------------------------------------------------------------------------------ */

static void stop(struct server *s, const char *why, int detail)
{
  if (s->ended == NULL)
    s->ended = why, s->detail = detail;
  event_base_loopbreak(s->base);
}

/* Under lua_pcall: the child (slot 1) -> its status, or nil while it lives. */
static int call_child(lua_State *L)
{
  lua_Integer signal = lua_tointeger(L, 2);
  lua_getfield(L, 1, signal != 0 ? "kill" : "poll");
  lua_pushvalue(L, 1);
  if (signal != 0)
    lua_pushinteger(L, signal);
  lua_call(L, signal != 0 ? 2 : 1, 1);
  return 1;
}

/* run()'s slot 3 is the child, or nil. */
static bool has_child(struct server *s)
{
  return !lua_isnil(s->L, 3);
}

static void ask_child(struct server *s, int signal)
{
  lua_State *L = s->L;
  lua_pushcfunction(L, call_child);
  lua_pushvalue(L, 3);
  lua_pushinteger(L, signal);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK)
    stop(s, "child", 127);         /* it cannot be asked: never wait for it without end */
  else if (signal == 0 && lua_isinteger(L, -1))
    stop(s, "child", (int)lua_tointeger(L, -1));
  lua_pop(L, 1);
}

static void child_due(evutil_socket_t fd, short what, void *argument)
{
  (void)fd, (void)what;
  ask_child(argument, 0);
}

/* A ^C at the terminal reaches the child by itself, being in the same process group: SI_KERNEL says so. */
static void signal_came(evutil_socket_t fd, short what, void *argument)
{
  struct server *s = argument;
  struct signalfd_siginfo info;
  (void)what;
  while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      if (has_child(s))
        ask_child(s, 0);
    } else if (!has_child(s)) {
      stop(s, "signal", (int)info.ssi_signo);
    } else if (info.ssi_code != SI_KERNEL) {
      ask_child(s, (int)info.ssi_signo);
    }
  }
}

static void deadline_due(evutil_socket_t fd, short what, void *argument)
{
  (void)fd, (void)what;
  stop(argument, "seconds", 0);
}

static struct event *add_event(struct server *s, int fd, short what, event_callback_fn callback, double seconds)
{
  struct timeval wait = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
  struct event *event = event_new(s->base, fd, what, callback, s);
  if (event != NULL)
    event_add(event, seconds > 0 ? &wait : NULL);
  return event;
}

static bool run_begin(struct server *s, struct run *run, double seconds)
{
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT), sigaddset(&mask, SIGTERM), sigaddset(&mask, SIGHUP), sigaddset(&mask, SIGCHLD);
  s->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  if (s->signals < 0)
    return false;
  sigprocmask(SIG_BLOCK, &mask, &run->mask_before);
  sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &run->pipe_before);
  s->serving = true, s->ended = NULL, s->detail = 0;
  run->signal_event = add_event(s, s->signals, EV_READ | EV_PERSIST, signal_came, 0);
  if (has_child(s))
    run->child_event = add_event(s, -1, EV_PERSIST, child_due, CHILD_POLL_SECONDS);
  if (seconds > 0)
    run->deadline_event = add_event(s, -1, 0, deadline_due, seconds);
  return true;
}

static void run_end(struct server *s, struct run *run)
{
  if (run->signal_event != NULL)
    event_free(run->signal_event);
  if (run->child_event != NULL)
    event_free(run->child_event);
  if (run->deadline_event != NULL)
    event_free(run->deadline_event);
  close(s->signals);
  sigaction(SIGPIPE, &run->pipe_before, NULL);
  sigprocmask(SIG_SETMASK, &run->mask_before, NULL);
  s->signals = -1, s->serving = false, s->L = NULL;
}

static int server_run(lua_State *L)
{
  struct server *s = luaL_checkudata(L, 1, SERVER);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  field_check_names(L, 2, "run", (const char *const[]){"child", "seconds", NULL});
  luaL_argcheck(L, s->base != NULL && !s->serving, 1, "the server is closed, or runs already");
  double seconds = field_number(L, 2, "seconds", 0);
  luaL_checkstack(L, 20, NULL);    /* so that callbacks need not ask */
  lua_getfield(L, 2, "child");     /* slot 3 */
  struct run run = {0};
  s->L = L;
  if (!run_begin(s, &run, seconds))
    return luaL_error(L, "cannot watch for signals: %s", strerror(errno));
  if (has_child(s))
    ask_child(s, 0);               /* it may have ended before anybody listened */
  if (s->ended == NULL)
    event_base_dispatch(s->base);
  run_end(s, &run);
  lua_pushstring(L, s->ended != NULL ? s->ended : "seconds");
  lua_pushinteger(L, s->detail);
  lua_getiuservalue(L, 1, 2);
  return 3;
}

int luaopen_server(lua_State *L)
{
  luaL_newmetatable(L, SERVER);
  luaL_newlib(L, methods);
  luaL_setfuncs(L, server_meta, 1);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

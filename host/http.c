/* http.c -- requests for Lua: a request sleeps in the task that made it, http.wait() returns the task that woke.
 * Below stands a carrier: libcurl (transfer.c), or, in a simulated world, the world itself, whose clock moves only
 * from event to event. A journal's queued lines are on disk before any request that was queued with them leaves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"
#include "journal.h"
#include "transfer.h"

static int http_request(lua_State *L);
static int http_wait(lua_State *L);
static int wait_more(lua_State *L, int status, lua_KContext context);
static int transfer_close(lua_State *L);
static int http_complete(lua_State *L);

static const luaL_Reg functions[] = {
  {"request",  http_request},   /* http.request{url=, method=, headers={{name, value}…}, body=, timeout=} -> response | nil, message, kind */
  {"wait",     http_wait},      /* http.wait() -> the task that woke | nil: none sleeps */
  {"complete", http_complete}, /* http.complete(id, response | nil, message, kind): the answer of a simulated world */
  {NULL, NULL}
};

static const luaL_Reg transfer_meta[] = {
  {"__gc",    transfer_close},
  {"__close", transfer_close},
  {NULL, NULL}
};

/* ---- the carrier ---- */

struct carrier *carrier_new(void)
{
  return calloc(1, sizeof(struct carrier));
}

static void forget(lua_State *L, const void *key)
{
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static void abandon(lua_State *L, struct transfers *list)
{
  while (list->first != NULL) {
    struct transfer *t = list->first;
    transfer_detach(t);
    t->carrier = NULL;
    t->state = TRANSFER_CLOSED;
    forget(L, t);
  }
}

/* Whoever sleeps sleeps for good, and can be collected. */
void carrier_abandon(lua_State *L, struct carrier *c)
{
  abandon(L, &c->queued);
  abandon(L, &c->flying);
  abandon(L, &c->done);
  for (struct sleeper *s = c->sleepers; s != NULL; s = s->next) {
    s->carrier = NULL;
    forget(L, s);
  }
  c->sleepers = NULL;
}

void carrier_free(lua_State *L, struct carrier *c)
{
  if (c == NULL)
    return;
  carrier_abandon(L, c);
  if (c->multi != NULL)
    (void)c->curl->curl_multi_cleanup(c->multi);
  if (c->share != NULL)
    (void)c->curl->curl_share_cleanup(c->share);   /* after the multi handle, whose connections use it */
  free(c);
}

/* ---- sending ---- */

/* A copy of a text that may be absent; false when there is no memory. */
static bool copy(char **to, const char *text)
{
  if (text != NULL)
    *to = strdup(text);
  return text == NULL || *to != NULL;
}

static struct transfer *transfer_new(lua_State *L)
{
  struct transfer *t = lua_newuserdatauv(L, sizeof *t, 0);
  memset(t, 0, sizeof *t);   /* closed */
  if (luaL_newmetatable(L, TRANSFER))
    luaL_setfuncs(L, transfer_meta, 0);
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return t;
}

static int transfer_close(lua_State *L)
{
  struct transfer *t = luaL_checkudata(L, 1, TRANSFER);
  transfer_detach(t);
  t->state = TRANSFER_CLOSED;
  t->carrier = NULL;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, t);
  free(t->method);
  free(t->url);
  free(t->service);
  free(t->operation);
  free(t->region);
  t->method = t->url = t->service = t->operation = t->region = NULL;
  bytes_free(&t->lines);
  bytes_free(&t->body);
  bytes_free(&t->head);
  bytes_free(&t->answer);
  return 0;
}

/* Copies the message; returns what is wrong with it, or NULL. */
static const char *fill(struct transfer *t, const struct message *m)
{
  t->write = m->write;
  t->farewell = m->farewell;
  t->timeout = m->timeout;
  t->format = m->format;
  t->secrets = m->secrets;
  t->record = m->record;
  t->answer.max = ANSWER_MAX;
  t->head.max = (size_t)256 << 10;
  (void)snprintf(t->audience, sizeof t->audience, "%s", m->audience != NULL ? m->audience : "");
  bool ok = copy(&t->method, m->method) && copy(&t->url, m->url) && copy(&t->service, m->service)
         && copy(&t->operation, m->operation) && copy(&t->region, m->region) && bytes_append(&t->body, m->body, m->body_length);
  for (size_t i = 0; i < m->header_count && ok; i++) {
    if (strpbrk(m->headers[i].name, "\r\n:") != NULL || strpbrk(m->headers[i].value, "\r\n") != NULL)
      return "a header holds a line end, or its name a colon";
    ok = bytes_puts(&t->lines, m->headers[i].name) && bytes_puts(&t->lines, ": ")
      && bytes_append(&t->lines, m->headers[i].value, strlen(m->headers[i].value) + 1);
  }
  return ok ? NULL : "the request is too long";
}

struct sending {
  struct door *door;
  struct message *m;
  const struct exchange *e;
  const char *host;
};

/* Runs under lua_pcall: the door's value and a struct sending. */
static int record(lua_State *L)
{
  struct sending *s = lua_touserdata(L, 2);
  s->m->record = door_record(L, s->door, 1, s->e, s->host);
  return 0;
}

int http_send(lua_State *L, struct door *door, int door_index, struct message *m, const struct exchange *e, const char *host,
              struct bytes *made, struct bytes *also)
{
  struct transfer *t = transfer_new(L);
  int slot = lua_gettop(L);
  lua_pushcfunction(L, record);
  lua_pushvalue(L, door_index);
  lua_pushlightuserdata(L, &(struct sending){.door = door, .m = m, .e = e, .host = host});
  bool recorded = lua_pcall(L, 2, 0, 0) == LUA_OK;
  const char *fault = recorded ? fill(t, m) : NULL;
  if (made != NULL)
    bytes_free(made);
  if (also != NULL)
    bytes_free(also);
  if (!recorded)
    return lua_error(L);
  if (fault != NULL)
    return luaL_error(L, "http: %s", fault);
  t->carrier = door->carrier;
  const char *stopping = door_stopping(door);
  t->state = TRANSFER_QUEUED;
  transfers_add(&door->carrier->queued, t);
  if (stopping != NULL && !t->farewell)
    transfer_end(t, OUTCOME_STOPPED, "stopped by %s", stopping);
  lua_pushthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, t);   /* removed by http_wait, or by transfer_close */
  return lua_yieldk(L, 0, (lua_KContext)slot, answer_finish);
}

/* ---- waiting ---- */

static bool is_world(lua_State *L, int door_index)
{
  bool world = lua_getiuservalue(L, door_index, DOOR_WORLD) == LUA_TTABLE;
  lua_pop(L, 1);
  return world;
}

/* Pushes the task that slept on this key and forgets it. */
static void push_sleeper_of(lua_State *L, const void *key)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* The next task that woke: by an answer, or by the time. */
static bool push_woken(lua_State *L, struct carrier *c, double now)
{
  struct transfer *t = c->done.first;
  if (t != NULL) {
    (void)transfers_remove(&c->done, t);
    push_sleeper_of(L, t);
    return true;
  }
  struct sleeper *s = c->sleepers;
  if (s != NULL && s->due <= now) {
    c->sleepers = s->next;
    s->carrier = NULL;
    push_sleeper_of(L, s);
    return true;
  }
  return false;
}

/* Asked to stop: sleepers wake, reads are given up, what has not left stays here; writes on their way are waited for, and farewells
 * leave all the same. */
static void stop(struct carrier *c, const char *name)
{
  for (struct sleeper *s = c->sleepers; s != NULL; s = s->next)
    s->due = 0;
  struct transfer *next;
  for (struct transfer *t = c->queued.first; t != NULL; t = next) {
    next = t->next;
    if (!t->farewell)
      transfer_end(t, OUTCOME_STOPPED, "stopped by %s", name);
  }
  for (struct transfer *t = c->flying.first; t != NULL; t = next) {
    next = t->next;
    if (!t->write && !t->farewell)
      transfer_end(t, OUTCOME_STOPPED, "stopped by %s", name);
  }
}

/* Nothing that is written down leaves before it is on disk. */
static void sync_journal(lua_State *L, struct door *door, int door_index)
{
  if (door->journal == NULL)
    return;
  lua_getiuservalue(L, door_index, DOOR_JOURNAL);
  int top = lua_gettop(L);
  if (!journal_sync(L, door->journal)) {
    struct transfer *next;
    for (struct transfer *t = door->carrier->queued.first; t != NULL; t = next) {
      next = t->next;
      if (t->record != 0)
        transfer_end(t, OUTCOME_UNSENT, "%s", lua_tostring(L, -1));
    }
  }
  lua_settop(L, top - 1);
}

/* The request as the world sees it; secrets are in the clear there, as they are on a wire. */
static void push_request(lua_State *L, const struct transfer *t)
{
  lua_newtable(L);
  const char *fields[][2] = {{"method", t->method}, {"url", t->url}, {"service", t->service},
                             {"operation", t->operation}, {"region", t->region}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushstring(L, fields[i][1]);
    lua_setfield(L, -2, fields[i][0]);
  }
  lua_pushlstring(L, t->body.length > 0 ? t->body.data : "", t->body.length);
  lua_setfield(L, -2, "body");
  lua_pushboolean(L, t->write);
  lua_setfield(L, -2, "write");
  lua_newtable(L);
  lua_Integer count = 0;
  for (size_t at = 0; at < t->lines.length; at += strlen(t->lines.data + at) + 1) {
    const char *line = t->lines.data + at;
    size_t name = strcspn(line, ":");
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, line, name);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, line + name + 2);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "headers");
}

/* world:start(door, id, request): the world answers by door.http.complete(id, ...) when its clock has come that far. */
static void start_in_world(lua_State *L, struct transfer *t, int door_index)
{
  struct carrier *c = t->carrier;
  (void)transfers_remove(&c->queued, t);
  t->state = TRANSFER_FLYING;
  t->id = ++c->last_id;
  transfers_add(&c->flying, t);
  c->flying_count++;
  lua_getiuservalue(L, door_index, DOOR_WORLD);
  lua_getfield(L, -1, "start");
  lua_insert(L, -2);
  lua_pushvalue(L, door_index);
  lua_pushinteger(L, t->id);
  push_request(L, t);
  lua_call(L, 4, 0);
}

static void launch_queued(lua_State *L, struct door *door, int door_index, bool world)
{
  struct carrier *c = door->carrier;
  while (c->queued.first != NULL && c->flying_count < FLYING_MAX) {
    if (world)
      start_in_world(L, c->queued.first, door_index);
    else
      transfer_start(c->queued.first, door);
  }
}

/* Whether one of those that wait has a line in the journal. */
static bool any_recorded(const struct transfers *list)
{
  const struct transfer *t = list->first;
  while (t != NULL && t->record == 0)
    t = t->next;
  return t != NULL;
}

static void launch(lua_State *L, struct door *door, int door_index, bool world)
{
  struct carrier *c = door->carrier;
  if (c->queued.first == NULL)
    return;
  if (!world && door->journal != NULL && !any_recorded(&c->queued)) {
    launch_queued(L, door, door_index, false);
    carrier_work(c, 0);   /* reads alone: they travel while the disk writes what was answered before */
  }
  sync_journal(L, door, door_index);
  launch_queued(L, door, door_index, world);
}

/* Gives the world its turn: yields the time at which a sleeper is due, or steps the world where nobody runs it. */
static int turn_world(lua_State *L, struct carrier *c, int door_index)
{
  if (lua_isyieldable(L)) {
    if (c->sleepers != NULL)
      lua_pushnumber(L, c->sleepers->due);
    else
      lua_pushnil(L);
    return lua_yieldk(L, 1, 0, wait_more);
  }
  lua_getiuservalue(L, door_index, DOOR_WORLD);
  lua_getfield(L, -1, "step");
  lua_insert(L, -2);
  if (c->sleepers != NULL)
    lua_pushnumber(L, c->sleepers->due);
  else
    lua_pushnil(L);
  lua_call(L, 2, 0);
  return -1;
}

static int wait_more(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  int door_index = lua_upvalueindex(1);
  struct door *door = door_check(L, door_index);
  bool world = is_world(L, door_index);
  for (;;) {
    lua_settop(L, 0);
    struct carrier *c = door->carrier;
    const char *stopping = door_stopping(door);
    if (stopping != NULL)
      stop(c, stopping);
    if (push_woken(L, c, door_now(L, door, door_index)))
      return 1;
    launch(L, door, door_index, world);
    if (push_woken(L, c, door_now(L, door, door_index)))
      return 1;
    if (c->flying.first == NULL && c->sleepers == NULL)
      return 0;
    if (world) {
      int yielded = turn_world(L, c, door_index);
      if (yielded >= 0)
        return yielded;
    } else {
      double left = c->sleepers != NULL ? c->sleepers->due - door_now(L, door, door_index) : 1.0;
      carrier_work(c, left > 0 ? left : 0);
    }
  }
}

static int http_wait(lua_State *L)
{
  lua_settop(L, 0);
  host_waited();
  return wait_more(L, LUA_OK, 0);
}

/* ---- the world's answer ---- */

static void take_answer(lua_State *L, struct transfer *t)
{
  lua_getfield(L, 2, "status");
  t->status = (long)lua_tointeger(L, -1);
  bool ok = true;
  if (lua_getfield(L, 2, "headers") == LUA_TTABLE) {
    for (lua_Integer i = 1; ok && lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
      lua_rawgeti(L, -1, 1);
      lua_rawgeti(L, -2, 2);
      lua_pushfstring(L, "%s: %s\r\n", luaL_checkstring(L, -2), luaL_checkstring(L, -1));
      ok = bytes_puts(&t->head, lua_tostring(L, -1));
      lua_pop(L, 4);
    }
  }
  size_t length;
  lua_getfield(L, 2, "body");
  const char *body = luaL_optlstring(L, -1, "", &length);
  if (ok && bytes_append(&t->answer, body, length))
    transfer_end(t, OUTCOME_ANSWERED, "%s", "");
  else
    transfer_end(t, OUTCOME_LOST, "the answer is longer than %zu MiB", ANSWER_MAX >> 20);
}

static int http_complete(lua_State *L)
{
  struct door *door = door_check(L, lua_upvalueindex(1));
  lua_Integer id = luaL_checkinteger(L, 1);
  struct transfer *t = door->carrier->flying.first;
  while (t != NULL && t->id != id)
    t = t->next;
  if (!is_world(L, lua_upvalueindex(1)) || t == NULL)
    return 0;   /* its task is gone */
  if (lua_istable(L, 2)) {
    take_answer(L, t);
    return 0;
  }
  const char *kind = luaL_optstring(L, 4, "lost");
  transfer_end(t, strcmp(kind, "unsent") == 0 ? OUTCOME_UNSENT : OUTCOME_LOST, "%s", luaL_checkstring(L, 3));
  return 0;
}

/* ---- http.request: the table does not know it, so it is a write ---- */

#define HEADERS_MAX 32

/* A list of {name, value}; the texts lie in it as long as the call takes. */
static size_t take_headers(lua_State *L, struct sigv4_header *headers)
{
  static const char *const rule = "bad argument #1 to 'request' (field 'headers' must be a list of {name, value})";
  int type = lua_getfield(L, 1, "headers");
  if (type == LUA_TNIL)
    return 0;
  int list = lua_gettop(L);
  size_t count = type == LUA_TTABLE ? (size_t)lua_rawlen(L, list) : HEADERS_MAX + 1;
  if (count > HEADERS_MAX)
    luaL_error(L, "%s, %d at the most", rule, HEADERS_MAX);
  for (size_t i = 0; i < count; i++) {
    size_t length[2];
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TTABLE || lua_rawgeti(L, -1, 1) != LUA_TSTRING || lua_rawgeti(L, -2, 2) != LUA_TSTRING)
      luaL_error(L, "%s", rule);
    headers[i] = (struct sigv4_header){lua_tolstring(L, -2, &length[0]), lua_tolstring(L, -1, &length[1])};
    if (strlen(headers[i].name) != length[0] || strlen(headers[i].value) != length[1])
      luaL_error(L, "http: a header holds a NUL");
    lua_settop(L, list);
  }
  return count;
}

static int http_request(lua_State *L)
{
  static const char *const names[] = {"url", "method", "headers", "body", "timeout", NULL};
  struct door *door = door_check(L, lua_upvalueindex(1));
  field_check_names(L, 1, "request", names);
  lua_settop(L, 1);
  const char *url = field_string(L, 1, "url", NULL);
  if (url == NULL)
    return luaL_error(L, "bad argument #1 to 'request' (field 'url' must be a string, got nil)");
  const char *method = field_string(L, 1, "method", "GET");
  struct exchange e = {.service = "http", .operation = method, .target = url, .row = effects_of_path("http", method, url), .attempt = 1};
  e.effect = e.row->effect;
  door_admit(L, door, lua_upvalueindex(1), &e, 0);
  char base[512];
  (void)door_destination(L, door, "http", NULL, base, sizeof base);
  if (strncmp(url, base, strlen(base)) != 0 || (url[strlen(base)] != '/' && url[strlen(base)] != '\0'))
    return luaL_error(L, "door: no destination is open for '%s'", url);
  door_refuse_unknown(L, 1, "the request");
  const char *body = field_string(L, 1, "body", "");
  struct sigv4_header headers[HEADERS_MAX];
  size_t count = take_headers(L, headers);
  struct message m = {.method = method, .url = url, .service = "http", .operation = method, .headers = headers, .header_count = count,
                      .body = body, .body_length = strlen(body), .write = true, .timeout = field_number(L, 1, "timeout", 60),
                      .format = ANSWER_RAW};
  return http_send(L, door, lua_upvalueindex(1), &m, &e, base, NULL, NULL);
}

void http_push(lua_State *L, int door_index)
{
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, door_index);
  luaL_setfuncs(L, functions, 1);
}

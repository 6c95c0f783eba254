/* door.c -- the door: what may pass, where to, and that it is written down first.
 * A door is a value: one process can hold several. Its guards are effect, destination, journal and silence; http.c stands below. */
#include "door.h"
#include "field.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "aws_service.h"
#include "journal.h"
#include "secret.h"
#include "terminal.h"

static int door_new(lua_State *L);
static int door_effect(lua_State *L);
static int door_reads(lua_State *L);
static int door_touches(lua_State *L);
static int door_set_journal(lua_State *L);
static int door_note(lua_State *L);
static int door_session_key(lua_State *L);
static int door_permit_writes(lua_State *L);
static int door_permit_irreversible(lua_State *L);
static int door_permit_deletion(lua_State *L);
static int door_read_only(lua_State *L);
static int door_is_stopping(lua_State *L);
static int door_go_on(lua_State *L);
static int door_prompt_over(lua_State *L);
static int door_shut(lua_State *L);

static const luaL_Reg functions[] = {
  {"new",    door_new},      /* door.new{user_agent=, world=, yes=, confirm=} -> door; the last three in simulation alone */
  {"effect", door_effect},   /* door.effect(service, operation, dry_run?) -> "read" | "session" | "write" | "deletion" | "irreversible" */
  {"reads", door_reads},             /* door.reads(service) -> list of the operations that are known to read */
  {"services", aws_services_push},   /* door.services() -> {sns = {protocol=, host=, version= | target=} ...}: services of AWS that are spoken to in a known way */
  {NULL, NULL}
};

static const luaL_Reg methods[] = {
  {"endpoint",            door_add_endpoint},         /* door:endpoint(service, url[, {signing_region=, transport={...}}]): before seal */
  {"region",              door_add_region},           /* door:region(name): opens that region's own hosts */
  {"seal",                door_seal},                 /* door:seal(): no endpoint can be added from here on */
  {"touches",             door_touches},              /* door:touches{"kms", "iam.GetRole"}: only these from here on; it can only shrink */
  {"record",              door_set_journal},          /* door:record(journal): where writes are written down */
  {"note",                door_note},                 /* door:note(table): a line of the caller's own, with the time */
  {"session_key",         door_session_key},          /* door:session_key() -> key | nil: once, to the credential code */
  {"permit_writes",       door_permit_writes},        /* door:permit_writes(question) -> true | nil, reason */
  {"permit_irreversible", door_permit_irreversible},  /* door:permit_irreversible(text, name) -> true | nil, reason */
  {"permit_deletion", door_permit_deletion},          /* door:permit_deletion(text, name, whose) -> true | nil, reason */
  {"read_only",           door_read_only},            /* door:read_only(): gives up every right to write, for good */
  {"ca_bundle",           door_ca_bundle},            /* door:ca_bundle(path): certificates to trust; before seal */
  {"stopping",            door_is_stopping},          /* door:stopping() -> "SIGINT" | "SIGTERM" | "SIGHUP" | nil */
  {"go_on",               door_go_on},                /* door:go_on(): a prompt: what SIGINT stopped is over, and the next one may begin */
  {"prompt_over",         door_prompt_over},          /* door:prompt_over(): from here on SIGINT stops the program again */
  {"shut",                door_shut},                 /* door:shut(): nothing passes any more */
  {NULL, NULL}
};

/* ---- arguments ---- */

void door_copy_text(lua_State *L, char *to, size_t size, const char *from, const char *what)
{
  size_t length = strlen(from);
  if (length >= size)
    luaL_error(L, "door: %s is longer than %d characters", what, (int)size - 1);
  memcpy(to, from, length + 1);
}

/* ---- the signal that asks to stop: process-wide, as signals are ---- */

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t prompting;   /* a signal ends what runs; SIGINT does not end the program */

static void on_stop(int number)
{
  stop_signal = number;
  if (prompting)
    watchdog_interrupt(number);
  else
    watchdog_asked(number);
}

/* A terminal that goes away ends a run as orderly as the others do, unless nohup was asked to keep it. */
static void watch_signals(lua_State *L)
{
  struct sigaction hangup;
  struct sigaction action = {0};
  action.sa_handler = on_stop;
  (void)sigemptyset(&action.sa_mask);
  if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
    luaL_error(L, "door: cannot watch for SIGINT and SIGTERM");
  if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN && sigaction(SIGHUP, &action, NULL) != 0)
    luaL_error(L, "door: cannot watch for SIGHUP");
}

const char *door_stopping(const struct door *door)
{
  if (door->authority->simulated || stop_signal == 0)
    return NULL;
  return stop_signal == SIGTERM ? "SIGTERM" : stop_signal == SIGHUP ? "SIGHUP" : "SIGINT";
}

static int door_is_stopping(lua_State *L)
{
  lua_pushstring(L, door_stopping(door_check(L, 1)));
  return 1;
}

static int door_go_on(lua_State *L)
{
  (void)door_check(L, 1);
  prompting = 1;
  if (stop_signal == SIGINT)
    stop_signal = 0;
  watchdog_forgive(L);
  return 0;
}

static int door_prompt_over(lua_State *L)
{
  (void)door_check(L, 1);
  prompting = 0;
  watchdog_forgive(L);
  return 0;
}

/* ---- the value ---- */

struct door *door_check(lua_State *L, int index)
{
  return luaL_checkudata(L, index, DOOR);
}

/* What stands for the flags of the command line and for the network in a simulated world. */
static void take_simulation(lua_State *L, struct door *door, int options, int self)
{
  static const char *const names[] = {"user_agent", "world", "yes", "confirm", NULL};
  field_check_names(L, options, "new", names);
  door_copy_text(L, door->user_agent, sizeof door->user_agent, field_string(L, options, "user_agent", "cmek"), "user_agent");
  bool world = lua_getfield(L, options, "world") != LUA_TNIL;
  bool yes = lua_getfield(L, options, "yes") != LUA_TNIL;
  const char *confirm = field_string(L, options, "confirm", NULL);
  if ((world || yes || confirm != NULL) && !door->authority->simulated)
    luaL_error(L, "door: world, yes and confirm are for simulation alone");
  if (yes)
    door->yes = lua_toboolean(L, -2);
  if (confirm != NULL)
    door_copy_text(L, door->confirm, sizeof door->confirm, confirm, "confirm");
  lua_getfield(L, options, "world");
  lua_setiuservalue(L, self, DOOR_WORLD);
}

static int door_new(lua_State *L)
{
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  struct door *door = lua_newuserdatauv(L, sizeof *door, DOOR_USER_VALUES);
  memset(door, 0, sizeof *door);
  luaL_setmetatable(L, DOOR);
  lua_newtable(L);
  lua_setiuservalue(L, -2, DOOR_PARTS);
  door->authority = host_authority(L);
  door->ceiling = door->authority->ceiling;
  door->deletes = door->authority->deletes;
  door->yes = door->authority->yes;
  if (door->authority->confirm != NULL)
    door_copy_text(L, door->confirm, sizeof door->confirm, door->authority->confirm, "--confirm");
  take_simulation(L, door, 1, 2);
  lua_settop(L, 2);
  door->carrier = carrier_new();
  if (door->carrier == NULL)
    return luaL_error(L, "door: out of memory");
  if (!door->authority->simulated)
    watch_signals(L);
  return 1;
}

static int door_gc(lua_State *L)
{
  struct door *door = door_check(L, 1);
  carrier_free(L, door->carrier);
  door->carrier = NULL;
  if (door->signing_keys != NULL)
    sigv4_cache_free(door->signing_keys);
  door->signing_keys = NULL;
  door->shut = true;
  return 0;
}

/* door.http, door.aws, door.cloud, door.vault, door.identity and door.clock are made when first asked for, and kept. */
static int door_index(lua_State *L)
{
  static const struct { const char *name; void (*push)(lua_State *, int); } parts[] = {
    {"http", http_push}, {"aws", aws_push}, {"cloud", cloud_push}, {"vault", vault_push},
    {"identity", identity_push}, {"clock", clock_push},
  };
  (void)door_check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  lua_getiuservalue(L, 1, DOOR_PARTS);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL)
    return 1;
  lua_pop(L, 1);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (strcmp(parts[i].name, name) == 0) {
      parts[i].push(L, 1);
      lua_pushvalue(L, 2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -4);
      return 1;
    }
  }
  return luaL_error(L, "door: no part '%s'", name);
}

/* ---- effects ---- */

/* By the whole name: one that goes on behind a NUL is none of the table's. */
static int door_effect(lua_State *L)
{
  size_t length;
  const char *service = luaL_checkstring(L, 1), *operation = luaL_checklstring(L, 2, &length);
  const struct effects_row *row = effects_named(service, strlen(operation) == length ? operation : "");
  lua_pushstring(L, effect_name(row->dry_run && lua_toboolean(L, 3) ? EFFECT_READ : row->effect));
  return 1;
}

static int door_reads(lua_State *L)
{
  const char *service = luaL_checkstring(L, 1);
  lua_newtable(L);
  const char *name;
  for (lua_Integer i = 1; (name = effects_read(service, (size_t)i - 1)) != NULL; i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* Whether what is touched covers "service" or "service.Operation": an entry of the same name, or one of the whole service. */
static bool covered(const struct door *door, const char *service, const char *operation)
{
  for (size_t i = 0; i < door->touches_count; i++) {
    const char *entry = door->touches[i];
    size_t length = strcspn(entry, ".");
    if (strncmp(entry, service, length) != 0 || service[length] != '\0')
      continue;
    if (entry[length] == '\0' || (operation != NULL && strcmp(entry + length + 1, operation) == 0))
      return true;
  }
  return !door->touching;
}

static int door_touches(lua_State *L)
{
  struct door *door = door_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  char (*kept)[sizeof door->touches[0]] = lua_newuserdatauv(L, sizeof door->touches, 0);
  size_t count = 0;
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
    if (count == DOOR_TOUCHES)
      return luaL_error(L, "door: a recipe can touch %d services and operations", DOOR_TOUCHES);
    door_copy_text(L, kept[count], sizeof kept[0], luaL_checkstring(L, -1), "what is touched");
    char service[sizeof kept[0]];
    size_t length = strcspn(kept[count], ".");
    memcpy(service, kept[count], length);
    service[length] = '\0';
    if (covered(door, service, kept[count][length] == '.' ? kept[count] + length + 1 : NULL))
      count++;
    lua_pop(L, 1);
  }
  memcpy(door->touches, kept, sizeof kept[0] * count);
  door->touches_count = count;
  door->touching = true;
  return 0;
}

static enum right right_for(enum effect effect)
{
  switch (effect) {
  case EFFECT_WRITE: case EFFECT_DELETION: return MAY_WRITE;
  case EFFECT_IRREVERSIBLE: return MAY_DO_IRREVERSIBLE;
  case EFFECT_READ: case EFFECT_SESSION: break;
  }
  return MAY_READ;
}

static const char *kind_of(enum effect effect)
{
  return effect == EFFECT_IRREVERSIBLE ? "irreversible" : effect == EFFECT_DELETION ? "a deletion" : "a write";
}

void door_admit(lua_State *L, struct door *door, int door_index, const struct exchange *e, int session_key)
{
  if (door->shut)
    luaL_error(L, "door: shut");
  if (!lua_isyieldable(L))
    luaL_error(L, "door: %s %s outside a task", e->service, e->operation);
  if (door->right < right_for(e->effect) || (e->effect == EFFECT_DELETION && !door->may_delete))
    luaL_error(L, "door: %s %s is %s, and this command may only %s", e->service, e->operation, kind_of(e->effect),
               door->right == MAY_READ ? "read" : "create and update");
  if (e->effect == EFFECT_SESSION) {
    lua_getiuservalue(L, door_index, DOOR_SESSION);
    bool same = session_key != 0 && !lua_isnil(L, -1) && lua_rawequal(L, -1, session_key);
    lua_pop(L, 1);
    if (!same)
      luaL_error(L, "door: %s %s makes a session, which is for the credential code alone", e->service, e->operation);
    return;   /* allowed in every mode, whatever a recipe touches */
  }
  if (right_for(e->effect) > MAY_READ && door->journal == NULL)
    luaL_error(L, "door: %s %s: a write needs a journal, and this door has none", e->service, e->operation);
  if (!covered(door, e->service, e->operation))
    luaL_error(L, "door: %s %s: the recipe does not say that it touches '%s'", e->service, e->operation, e->service);
}

static int door_session_key(lua_State *L)
{
  struct door *door = door_check(L, 1);
  if (door->session_taken)
    return 0;
  door->session_taken = true;
  (void)lua_newuserdatauv(L, 1, 0);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, DOOR_SESSION);
  return 1;
}

static int refuse(lua_State *L, const char *reason)
{
  luaL_pushfail(L);
  lua_pushstring(L, reason);
  return 2;
}

/* Reads an answer from the person at the terminal. NULL when there is one, else why there is none; nobody: what to say where nobody
 * sits there. */
static const char *ask(const struct door *door, const char *question, char *answer, size_t size, const char *nobody)
{
  int length = door->authority->simulated ? TERMINAL_NONE : terminal_ask(question, answer, size);
  if (length >= 0)
    return NULL;
  const char *stopping = door_stopping(door);
  if (stopping != NULL)
    return strcmp(stopping, "SIGTERM") == 0 ? "stopped by SIGTERM"
         : strcmp(stopping, "SIGHUP") == 0 ? "stopped by SIGHUP" : "stopped by SIGINT";
  return length == TERMINAL_NONE ? nobody : "no answer was given";
}

static int door_permit_writes(lua_State *L)
{
  struct door *door = door_check(L, 1);
  const char *question = luaL_checkstring(L, 2);
  if (door->ceiling < MAY_WRITE)
    return refuse(L, "this command may only read");
  char answer[16] = "";
  bool yes = door->yes;
  if (!yes) {
    const char *why = ask(door, question, answer, sizeof answer, "there is no terminal to ask at; --yes says yes beforehand");
    if (why != NULL)
      return refuse(L, why);
    yes = strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0;
  }
  if (!yes)
    return refuse(L, "declined");
  if (door->right < MAY_WRITE)
    door->right = MAY_WRITE;
  lua_pushboolean(L, 1);
  return 1;
}

/* Whether --confirm or the person at the terminal gives the name; else two values that say why not are on the stack. */
static bool named(lua_State *L, const struct door *door, const char *question, const char *name, const char *whose)
{
  char answer[128] = "";
  if (door->confirm[0] != '\0')
    door_copy_text(L, answer, sizeof answer, door->confirm, "--confirm");
  else {
    const char *nobody = lua_pushfstring(L, "there is no terminal to ask at; --confirm NAME, with %s, confirms beforehand", whose);
    const char *why = ask(door, question, answer, sizeof answer, nobody);
    if (why != NULL) {
      luaL_pushfail(L);
      lua_pushstring(L, why);
      return false;
    }
  }
  if (*name != '\0' && strcmp(answer, name) == 0)
    return true;
  luaL_pushfail(L);
  if (door->confirm[0] != '\0')
    lua_pushfstring(L, "--confirm '%s' is not %s, '%s'", answer, whose, name);
  else
    lua_pushfstring(L, "what was typed is not %s, '%s'", whose, name);
  return false;
}

static int door_permit_irreversible(lua_State *L)
{
  struct door *door = door_check(L, 1);
  const char *question = luaL_checkstring(L, 2);
  const char *name = luaL_checkstring(L, 3);
  if (door->ceiling < MAY_DO_IRREVERSIBLE || door->right < MAY_WRITE)
    return refuse(L, "this command may not do what cannot be undone");
  if (!named(L, door, question, name, "the cluster's name"))
    return 2;
  door->right = MAY_DO_IRREVERSIBLE;
  lua_pushboolean(L, 1);
  return 1;
}

/* --yes is no answer here. Who gives the name lets this command write and delete. */
static int door_permit_deletion(lua_State *L)
{
  struct door *door = door_check(L, 1);
  const char *question = luaL_checkstring(L, 2);
  const char *name = luaL_checkstring(L, 3);
  const char *whose = luaL_optstring(L, 4, "the cluster's name");
  if (!door->deletes)
    return refuse(L, "this command may not delete");
  if (!named(L, door, question, name, whose))
    return 2;
  if (door->right < MAY_WRITE)
    door->right = MAY_WRITE;
  door->may_delete = true;
  lua_pushboolean(L, 1);
  return 1;
}

static int door_read_only(lua_State *L)
{
  struct door *door = door_check(L, 1);
  door->right = door->ceiling = MAY_READ;
  door->deletes = door->may_delete = false;
  return 0;
}

static int door_shut(lua_State *L)
{
  struct door *door = door_check(L, 1);
  door->shut = true;
  if (door->carrier != NULL)
    carrier_abandon(L, door->carrier);
  return 0;
}

/* ---- unknown values ---- */

#define UNKNOWN_MARK "\xEE\x83\x80"   /* U+E0C0, as lua/unknown.lua writes it */

static void refuse_unknown_at(lua_State *L, int index, const char *what, int depth)
{
  if (lua_type(L, index) == LUA_TSTRING) {
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    if (memmem(text, length, UNKNOWN_MARK, strlen(UNKNOWN_MARK)) != NULL)
      luaL_error(L, "door: %s holds a value that is not known before run", what);
  } else if (lua_type(L, index) == LUA_TTABLE) {
    if (depth == 0)
      luaL_error(L, "door: %s is nested too deeply", what);
    luaL_checkstack(L, 4, "nested too deeply");
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
      int top = lua_gettop(L);
      refuse_unknown_at(L, top - 1, what, depth - 1);
      refuse_unknown_at(L, top, what, depth - 1);
      lua_settop(L, top - 1);
    }
  }
}

void door_refuse_unknown(lua_State *L, int index, const char *what)
{
  refuse_unknown_at(L, lua_absindex(L, index), what, 32);
}

/* ---- secrets ---- */

static bool holds_secret(lua_State *L, int index, int depth)
{
  if (lua_type(L, index) != LUA_TTABLE || depth == 0)
    return secret_test(L, index) != NULL;
  luaL_checkstack(L, 4, "nested too deeply");
  bool found = false;
  lua_pushnil(L);
  while (!found && lua_next(L, index) != 0) {
    found = holds_secret(L, lua_gettop(L), depth - 1);
    lua_pop(L, found ? 2 : 1);
  }
  return found;
}

void door_refuse_secrets(lua_State *L, int index, const struct exchange *e)
{
  if (e->effect != EFFECT_SESSION && !effects_take_secrets(e->service, e->operation) && holds_secret(L, lua_absindex(L, index), 32))
    luaL_error(L, "door: %s %s takes no secret: it would be kept where it can be read", e->service, e->operation);
}

/* ---- clock and journal ---- */

double door_now(lua_State *L, struct door *door, int door_index)
{
  (void)door;
  if (lua_getiuservalue(L, door_index, DOOR_WORLD) == LUA_TTABLE) {
    lua_getfield(L, -1, "now");
    double now = lua_tonumber(L, -1);
    lua_pop(L, 2);
    return now;
  }
  lua_pop(L, 1);
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0)
    luaL_error(L, "door: no clock");
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* RFC 3339, UTC, milliseconds. */
void door_push_time(lua_State *L, double now)
{
  double whole = floor(now);
  time_t seconds = (time_t)whole;
  struct tm utc;
  char text[64];
  if (gmtime_r(&seconds, &utc) == NULL || strftime(text, sizeof text - 8, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
    luaL_error(L, "door: the clock shows no date");
  lua_pushfstring(L, "%s", text);
  (void)snprintf(text, sizeof text, ".%03dZ", (int)((now - whole) * 1000.0));
  lua_pushstring(L, text);
  lua_concat(L, 2);
}

static int door_set_journal(lua_State *L)
{
  struct door *door = door_check(L, 1);
  door->journal = journal_check(L, 2);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, DOOR_JOURNAL);
  return 0;
}

static int door_note(lua_State *L)
{
  struct door *door = door_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (door->shut)
    return luaL_error(L, "door: shut");
  if (door->journal == NULL)
    return 0;
  door_push_time(L, door_now(L, door, 1));
  lua_setfield(L, 2, "time");
  journal_append(L, door->journal);
  return 0;
}

static void set_string(lua_State *L, const char *name, const char *value)
{
  if (value != NULL && value[0] != '\0') {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
  }
}

lua_Integer door_record(lua_State *L, struct door *door, int door_index, const struct exchange *e, const char *host)
{
  if (e->effect == EFFECT_READ || door->journal == NULL)   /* a write without a journal was not admitted */
    return 0;
  if (right_for(e->effect) > MAY_READ)
    host_wrote();
  lua_newtable(L);
  door_push_time(L, door_now(L, door, door_index));
  lua_setfield(L, -2, "time");
  lua_pushinteger(L, ++door->request_count);
  lua_setfield(L, -2, "request");
  lua_pushinteger(L, e->attempt);
  lua_setfield(L, -2, "attempt");
  set_string(L, "kind", "request");
  set_string(L, "effect", effect_name(e->effect));
  set_string(L, "service", e->service);
  set_string(L, "operation", e->operation);
  set_string(L, "region", e->region);
  set_string(L, "target", e->target);
  set_string(L, "principal", e->principal);
  set_string(L, "host", host);
  journal_append(L, door->journal);
  return door->request_count;
}

int luaopen_door(lua_State *L)
{
  luaL_newmetatable(L, DOOR);
  lua_pushcfunction(L, door_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "door");
  lua_setfield(L, -2, "__metatable");
  luaL_newlib(L, methods);
  lua_pushcclosure(L, door_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

/* process.c -- children, without a shell, and the environment.
 * process.run waits for a child and reads what it writes; JSON is decoded straight from the buffer, so that secrets in it never are
 * Lua strings. process.spawn starts one that shares stdin, stdout and stderr. A child that Lua lets go of is ended. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#include "child.h"
#include "door.h"
#include "field.h"
#include "host.h"
#include "json.h"
#include "json_scan.h"
#include "secret.h"

#define CHILD "process.child"  /* the name that error messages show */
#define TIMEOUT 60.0           /* seconds, where the caller names none */

extern char **environ;

static int process_run(lua_State *L);
static int process_spawn(lua_State *L);
static int process_environment(lua_State *L);
static int process_environment_names(lua_State *L);
static int process_inherited(lua_State *L);
static int process_argv_split(lua_State *L);
static int process_pid(lua_State *L);
static int process_child_poll(lua_State *L);
static int process_child_kill(lua_State *L);
static int process_child_close(lua_State *L);
static int process_child_index(lua_State *L);

static const luaL_Reg functions[] = {
  /* process.run{argv={...}, environment={NAME=text | true: as it is here} | nil: all as here, input=, timeout=60, json=true, secret=true,
   *   secrets={names}, audience=} -> {status= | signal=, output=text | decoded JSON | secret, error_output=} | nil, message */
  {"run",               process_run},
  {"spawn",             process_spawn},              /* process.spawn{argv={...}, environment=} -> child | nil, message */
  {"environment",       process_environment},        /* process.environment(name) -> text | nil; raises for names of secrets */
  {"environment_names", process_environment_names},  /* process.environment_names() -> sorted names */
  {"inherited",         process_inherited},          /* process.inherited(name) -> true | nil: what hands a variable on unread */
  {"argv_split",        process_argv_split},         /* process.argv_split(text) -> words | nil, message; a shell's quotes, nothing else of it */
  {"pid",               process_pid},                /* process.pid() -> number */
  {NULL, NULL}
};

static const luaL_Reg child_meta[] = {
  {"__gc",    process_child_close},
  {"__close", process_child_close},
  {"__index", process_child_index},            /* child.pid, and the methods */
  {NULL, NULL}
};

static const luaL_Reg child_methods[] = {
  {"poll",  process_child_poll},               /* child:poll() -> status (128 + signal when one ended it) | nil while it lives */
  {"kill",  process_child_kill},               /* child:kill(number | "SIGTERM" | "SIGINT" | "SIGKILL") -> true | nil, message */
  {"close", process_child_close},              /* child:close(): ends it, if it lives, and waits */
  {NULL, NULL}
};

/* Variables that hold secrets: Lua gets at them by secret.environment alone. */
static const char *const secret_names[] = {
  "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "COCKROACH_API_KEY", "COCKROACH_API_JWT", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID", "VAULT_JWT", "BAO_JWT",
  "VAULT_PASSWORD", "BAO_PASSWORD", "VAULT_PROXY_ADDR", "BAO_PROXY_ADDR", "VAULT_HTTP_PROXY", "BAO_HTTP_PROXY",
};

/* ---- arguments ---- */

/* The variable as it stands in our own environment, "NAME=value"; NULL: not set. */
static char *find_variable(const char *name)
{
  size_t length = strlen(name);
  for (char **entry = environ; *entry != NULL; entry++)
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
      return *entry;
  return NULL;
}

static int compare_entries(const void *left, const void *right)
{
  return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The entry of one variable, its name and value on top; texts are kept in the table at `keep`. NULL: not set here either. */
static char *make_entry(lua_State *L, int keep)
{
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
  if (*name == '\0' || strchr(name, '=') != NULL || strlen(name) != lua_rawlen(L, -2))
    luaL_error(L, "bad argument #1 (field 'environment' has the name '%s')", name);
  if (lua_type(L, -1) == LUA_TBOOLEAN && lua_toboolean(L, -1))
    return find_variable(name);
  if (lua_type(L, -1) != LUA_TSTRING || strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
    luaL_error(L, "bad argument #1 (field 'environment.%s' must be a string without NUL or true, got %s)", name, luaL_typename(L, -1));
  const char *entry = lua_pushfstring(L, "%s=%s", name, lua_tostring(L, -1));
  (void)luaL_ref(L, keep);
  return (char *)entry;   /* posix_spawn does not write to it, whatever its type says */
}

/* The child's environment, left on the stack with what it points to. */
static char *const *take_environment(lua_State *L)
{
  int type = lua_getfield(L, 1, "environment");
  if (type == LUA_TNIL)
    return environ;
  if (type != LUA_TTABLE)
    luaL_error(L, "bad argument #1 (field 'environment' must be a table, got %s)", luaL_typename(L, -1));
  int table = lua_gettop(L);
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1))
    count++;
  char **entries = lua_newuserdatauv(L, (count + 1) * sizeof *entries, 0);
  lua_newtable(L);
  size_t used = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
    char *entry = make_entry(L, table + 2);
    if (entry != NULL)
      entries[used++] = entry;
  }
  qsort(entries, used, sizeof *entries, compare_entries);   /* the same child gets the same, whatever the table's order */
  entries[used] = NULL;
  return entries;
}

static char *const *take_argv(lua_State *L)
{
  size_t count;
  const char **argv = field_list(L, 1, "argv", &count);
  if (argv == NULL || count == 0 || *argv[0] == '\0')
    luaL_error(L, "bad argument #1 (field 'argv' must begin with a program's name)");
  return (char *const *)(void *)argv;
}

static bool field_flag(lua_State *L, const char *name)
{
  int type = lua_getfield(L, 1, name);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    luaL_error(L, "bad argument #1 (field '%s' must be a boolean, got %s)", name, luaL_typename(L, -1));
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

/* ---- process.run ---- */

/* Text for a message: what is not UTF-8 or is secret is not in it. */
static void push_errors(lua_State *L, struct child *c)
{
  size_t length = c->errors.length;
  char *text = c->errors.data;
  if (text == NULL) {
    lua_pushliteral(L, "");
    return;
  }
  (void)secret_mask(L, text, length);
  for (size_t i = 0, size; i < length; i += size) {
    size = json_utf8(text + i, length - i);
    if (size == 0) {
      text[i] = '?';
      size = 1;
    }
  }
  lua_pushlstring(L, text, length);
}

/* What is wanted of the output. */
struct want {
  bool json, secret;
  const char *const *secrets;
  const char *audience;
};

static void push_secret_output(lua_State *L, const struct child *c, const char *audience)
{
  size_t length = c->output.length;
  const char *text = length > 0 ? c->output.data : "";
  if (length > 0 && text[length - 1] == '\n')
    length--;
  if (length > 0 && text[length - 1] == '\r')
    length--;
  secret_push(L, text, length, audience);
}

/* The output on the stack; false: a message is. What a command that failed has written is no JSON, and may be no secret: it is not shown. */
static bool push_output(lua_State *L, const struct child *c, const struct want *want)
{
  bool well = WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
  const char *text = c->output.length > 0 ? c->output.data : "";
  if ((want->json || want->secret) && !well)
    lua_pushnil(L);
  else if (want->json)
    return json_push(L, text, c->output.length, want->secrets, want->audience);
  else if (want->secret)
    push_secret_output(L, c, want->audience);
  else
    lua_pushlstring(L, text, c->output.length);
  return true;
}

static int push_result(lua_State *L, struct child *c, const struct want *want, const char *name)
{
  lua_createtable(L, 0, 4);
  if (!push_output(L, c, want)) {
    luaL_pushfail(L);
    lua_pushfstring(L, "the output of '%s' is not JSON: %s", name, lua_tostring(L, -2));
    return 2;
  }
  lua_setfield(L, -2, "output");
  push_errors(L, c);
  lua_setfield(L, -2, "error_output");
  lua_pushinteger(L, WIFEXITED(c->status) ? WEXITSTATUS(c->status) : WTERMSIG(c->status));
  lua_setfield(L, -2, WIFEXITED(c->status) ? "status" : "signal");
  return 1;
}

static void take_command(lua_State *L, struct command *command)
{
  command->argv = take_argv(L);
  command->environment = take_environment(L);
  command->timeout = field_number(L, 1, "timeout", TIMEOUT);
  if (lua_getfield(L, 1, "input") == LUA_TSTRING)
    command->input = lua_tolstring(L, -1, &command->input_length);
  else if (!lua_isnil(L, -1))
    luaL_error(L, "bad argument #1 (field 'input' must be a string, got %s)", luaL_typename(L, -1));
}

/* Born closed. */
static struct child *child_new(lua_State *L)
{
  struct child *c = lua_newuserdatauv(L, sizeof *c, 0);
  child_init(c);
  luaL_setmetatable(L, CHILD);
  return c;
}

static int process_child_close(lua_State *L)
{
  child_free(luaL_checkudata(L, 1, CHILD));
  return 0;
}

static int process_run(lua_State *L)
{
  static const char *const names[] = {"argv", "environment", "input", "timeout", "json", "secret", "secrets", "audience", NULL};
  struct command command = {0};
  struct want want = {0};
  size_t count;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  field_check_names(L, 1, "run", names);
  take_command(L, &command);
  want.json = field_flag(L, "json");
  want.secret = field_flag(L, "secret");
  want.secrets = (const char *const *)field_list(L, 1, "secrets", &count);
  want.audience = field_string(L, 1, "audience", NULL);
  if ((want.secret || count > 0) && want.audience == NULL)
    luaL_error(L, "bad argument #1 (field 'audience' must say whom the secrets are for)");

  const char *name = command.argv[0];
  struct child *c = child_new(L);
  lua_toclose(L, -1);
  int error = child_start_piped(c, &command);
  enum ending ending = error == 0 ? child_follow(c, &command) : CHILD_ENDED;
  if (error == 0 && ending == CHILD_ENDED)
    return push_result(L, c, &want, name);
  luaL_pushfail(L);
  if (error != 0)
    lua_pushfstring(L, "cannot run '%s': %s", name, strerror(error));
  else if (ending == CHILD_TOO_LONG)
    lua_pushfstring(L, "'%s' wrote more than %d bytes", name, (int)CHILD_OUTPUT_MAX);
  else
    lua_pushfstring(L, "'%s' did not finish within %f seconds", name, command.timeout);
  return 2;
}

/* ---- process.spawn ---- */

static int process_spawn(lua_State *L)
{
  static const char *const names[] = {"argv", "environment", NULL};
  struct command command = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  field_check_names(L, 1, "spawn", names);
  command.argv = take_argv(L);
  command.environment = take_environment(L);
  struct child *c = child_new(L);
  int error = child_start(c, &command);
  if (error == 0)
    return 1;
  luaL_pushfail(L);
  lua_pushfstring(L, "cannot run '%s': %s", command.argv[0], strerror(error));
  return 2;
}

static int process_child_index(lua_State *L)
{
  const struct child *c = luaL_checkudata(L, 1, CHILD);
  const char *name = luaL_checkstring(L, 2);
  if (strcmp(name, "pid") == 0) {
    lua_pushinteger(L, c->pid);
    return 1;
  }
  for (const luaL_Reg *method = child_methods; method->name != NULL; method++) {
    if (strcmp(method->name, name) == 0) {
      lua_pushcfunction(L, method->func);
      return 1;
    }
  }
  return luaL_error(L, "a child has no '%s'", name);
}

static int process_child_poll(lua_State *L)
{
  struct child *c = luaL_checkudata(L, 1, CHILD);
  if (!child_has_ended(c))
    return 0;
  lua_pushinteger(L, WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 128 + WTERMSIG(c->status));
  return 1;
}

static int check_signal(lua_State *L, int index)
{
  static const char *const names[] = {"SIGTERM", "SIGINT", "SIGKILL", "SIGHUP", NULL};
  static const int numbers[] = {SIGTERM, SIGINT, SIGKILL, SIGHUP};
  if (!lua_isinteger(L, index))
    return numbers[luaL_checkoption(L, index, "SIGTERM", names)];
  lua_Integer number = lua_tointeger(L, index);
  luaL_argcheck(L, number >= 1 && number <= SIGRTMAX, index, "no such signal");
  return (int)number;
}

/* A child that was reaped is not signalled: its number may be another's by now. */
static int process_child_kill(lua_State *L)
{
  struct child *c = luaL_checkudata(L, 1, CHILD);
  int number = check_signal(L, 2);
  if (c->pid > 0 && !child_has_ended(c) && kill(c->pid, number) == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushliteral(L, "the child has ended");
  return 2;
}

/* ---- the environment ---- */

static int process_environment(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  for (size_t i = 0; i < sizeof secret_names / sizeof *secret_names; i++)
    if (strcmp(name, secret_names[i]) == 0)
      luaL_error(L, "process.environment: '%s' holds a secret: read it by secret.environment", name);
  lua_pushstring(L, getenv(name));
  return 1;
}

static int process_inherited(lua_State *L)
{
  if (find_variable(luaL_checkstring(L, 1)) == NULL)
    return 0;
  lua_pushboolean(L, 1);
  return 1;
}

/* The names alone, sorted; of one that is there twice, one. */
static int process_environment_names(lua_State *L)
{
  size_t count = 0;
  while (environ[count] != NULL)
    count++;
  char **sorted = lua_newuserdatauv(L, (count + 1) * sizeof *sorted, 0);
  memcpy(sorted, environ, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare_entries);
  lua_newtable(L);
  lua_Integer used = 0;
  for (size_t i = 0; i < count; i++) {
    size_t length = strcspn(sorted[i], "=");
    bool again = i > 0 && strncmp(sorted[i - 1], sorted[i], length) == 0 && sorted[i - 1][length] == '=';
    if (length == 0 || sorted[i][length] == '\0' || again)
      continue;
    lua_pushlstring(L, sorted[i], length);
    lua_rawseti(L, -2, ++used);
  }
  return 1;
}

static int process_pid(lua_State *L)
{
  lua_pushinteger(L, getpid());
  return 1;
}

/* ---- words as a shell splits them ---- */

/* The part of a word in quotes, the text standing behind the first; appended to the buffer. NULL: the quote is never closed. */
static const char *read_quoted(luaL_Buffer *word, const char *at, char quote)
{
  while (*at != '\0' && *at != quote) {
    if (quote == '"' && at[0] == '\\' && at[1] != '\0' && strchr("\\\"$`", at[1]) != NULL)
      at++;
    luaL_addchar(word, *at++);
  }
  return *at == quote ? at + 1 : NULL;
}

/* One word, pushed; NULL: a quote is never closed, or a backslash escapes nothing. */
static const char *read_word(lua_State *L, const char *at)
{
  luaL_Buffer word;
  luaL_buffinit(L, &word);
  while (at != NULL && *at != '\0' && strchr(" \t\r\n", *at) == NULL) {
    if (*at == '\'' || *at == '"') {
      at = read_quoted(&word, at + 1, *at);
    } else if (*at == '\\') {
      if (at[1] != '\0')
        luaL_addchar(&word, at[1]);
      at = at[1] != '\0' ? at + 2 : NULL;
    } else {
      luaL_addchar(&word, *at++);
    }
  }
  luaL_pushresult(&word);
  return at;
}

static int process_argv_split(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length), *at = text;
  luaL_argcheck(L, strlen(text) == length, 1, "a command holds no NUL");
  lua_settop(L, 1);
  lua_newtable(L);
  for (lua_Integer count = 1; at[strspn(at, " \t\r\n")] != '\0'; count++) {
    at = read_word(L, at + strspn(at, " \t\r\n"));
    if (at == NULL) {
      luaL_pushfail(L);
      lua_pushliteral(L, "a quote is not closed, or a backslash stands at the end");
      return 2;
    }
    lua_rawseti(L, 2, count);
  }
  return 1;
}

int luaopen_process(lua_State *L)
{
  if (luaL_newmetatable(L, CHILD))
    luaL_setfuncs(L, child_meta, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

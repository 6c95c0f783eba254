/* journal.c -- an append-only, hash-chained log: JSON lines, each with the SHA-256 of the line before it.
 * Lines are queued; sync puts them on disk together, so that many writes share one fsync. A line that was cut by a
 * crash ends the journal; a line that was changed or removed breaks the chain, and reading says where. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <openssl/evp.h>

#include "bytes.h"
#include "host.h"
#include "json.h"
#include "secret.h"

#define HEX 64   /* characters of a SHA-256 */

struct journal {
  int fd;                /* owned; -1 when closed or when a sink stands in */
  bool sink;             /* the first user value is a table with append and sync */
  char chain[HEX + 1];   /* hash of the last line; empty before the first */
  lua_Integer count;     /* lines so far */
  struct bytes queue;    /* owned; lines not yet handed on */
  bool dirty;            /* something is not known to be on disk */
  bool broken;           /* a write failed: half a line may stand there, so nothing can follow */
  int cause;             /* errno of that write; 0 where the system gave none */
};

static int journal_create(lua_State *L);
static int journal_continue(lua_State *L);
static int journal_over(lua_State *L);
static int journal_read(lua_State *L);
static int method_append(lua_State *L);
static int method_sync(lua_State *L);
static int method_close(lua_State *L);

static const luaL_Reg functions[] = {
  {"create",   journal_create},     /* journal.create(path) -> journal | nil, message: the file must not exist */
  {"continue", journal_continue},   /* journal.continue(path, text) -> journal | nil, message: after the lines of text */
  {"over",     journal_over},       /* journal.over(sink[, text]) -> journal: over {append=, sync=}, for simulation */
  {"read",     journal_read},       /* journal.read(text) -> entries, length of the whole lines | nil, message */
  {NULL, NULL}
};

static const luaL_Reg methods[] = {
  {"append", method_append},        /* journal:append(table): queues a line */
  {"sync",   method_sync},          /* journal:sync() -> true | nil, message */
  {"close",  method_close},         /* journal:close() -> true | nil, message */
  {NULL, NULL}
};

struct journal *journal_check(lua_State *L, int index)
{
  return luaL_checkudata(L, index, JOURNAL);
}

static void hash_line(char hex[HEX + 1], const char *line, size_t length)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  hex[0] = '\0';
  if (EVP_Digest(line, length, digest, &size, EVP_sha256(), NULL) != 1)
    return;
  for (unsigned int i = 0; i < size && i < HEX / 2; i++)
    (void)snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
}

static struct journal *journal_new(lua_State *L)
{
  struct journal *j = lua_newuserdatauv(L, sizeof *j, 1);
  memset(j, 0, sizeof *j);
  j->fd = -1;
  luaL_setmetatable(L, JOURNAL);
  return j;
}

static int push_errno(lua_State *L, const char *what, const char *path)
{
  int code = errno;
  luaL_pushfail(L);
  lua_pushfstring(L, "cannot %s the journal %s: %s", what, path, strerror(code));
  return 2;
}

/* A new directory entry is not on disk before its directory is. */
static bool sync_directory(const char *path)
{
  char directory[4096];
  const char *slash = strrchr(path, '/');
  int length = slash == NULL ? snprintf(directory, sizeof directory, ".")
                             : snprintf(directory, sizeof directory, "%.*s/", (int)(slash - path), path);
  if (length < 0 || (size_t)length >= sizeof directory)
    return false;
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool synced = fsync(fd) == 0;
  return close(fd) == 0 && synced;
}

static int journal_create(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  struct journal *j = journal_new(L);
  j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (j->fd < 0)
    return push_errno(L, "create", path);
  if (!sync_directory(path))
    return push_errno(L, "create", path);
  return 1;
}

/* Takes up the chain where text ends: whole lines only. */
static void resume_chain(struct journal *j, const char *text, size_t length)
{
  const char *line = text;
  while (line < text + length) {
    const char *end = memchr(line, '\n', (size_t)(text + length - line));
    if (end == NULL)
      return;
    hash_line(j->chain, line, (size_t)(end - line));
    j->count++;
    line = end + 1;
  }
}

/* What a crash left of the last line goes: the chain continues after the last whole one. */
static int journal_continue(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  struct journal *j = journal_new(L);
  size_t whole = length;
  while (whole > 0 && text[whole - 1] != '\n')
    whole--;
  j->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (j->fd < 0 || (whole < length && ftruncate(j->fd, (off_t)whole) != 0))
    return push_errno(L, "continue", path);
  resume_chain(j, text, whole);
  return 1;
}

static int journal_over(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t length = 0;
  const char *text = luaL_optlstring(L, 2, "", &length);
  struct journal *j = journal_new(L);
  j->sink = true;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  resume_chain(j, text, length);
  return 1;
}

void journal_append(lua_State *L, struct journal *j)
{
  if (j->fd < 0 && !j->sink)
    luaL_error(L, "journal: closed");
  int top = lua_gettop(L);
  lua_newtable(L);                       /* a copy: the chain's members are not the caller's */
  lua_pushnil(L);
  while (lua_next(L, top) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, top + 1);
  }
  lua_pushstring(L, j->chain);
  lua_setfield(L, top + 1, "prev");
  lua_pushinteger(L, j->count + 1);
  lua_setfield(L, top + 1, "seq");
  struct bytes line = {0};
  if (!json_write(L, top + 1, &line, false, NULL)) {
    bytes_free(&line);
    luaL_error(L, "journal: %s", lua_tostring(L, -1));
  }
  (void)secret_mask(L, line.data, line.length);
  hash_line(j->chain, line.data, line.length);
  bool queued = bytes_append(&line, "\n", 1) && bytes_append(&j->queue, line.data, line.length);
  bytes_free(&line);
  if (!queued)
    luaL_error(L, "journal: out of memory");
  j->count++;
  j->dirty = true;
  lua_settop(L, top - 1);
}

static bool write_all(int fd, const char *data, size_t length)
{
  while (length > 0) {
    ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    data += n;
    length -= (size_t)n;
  }
  return true;
}

/* Hands the queue to the sink's method, or false and its message. */
static bool call_sink(lua_State *L, int sink, const char *method, const struct bytes *data)
{
  lua_getfield(L, sink, method);
  lua_pushvalue(L, sink);
  if (data != NULL)
    lua_pushlstring(L, data->data, data->length);
  lua_call(L, data != NULL ? 2 : 1, 2);
  if (lua_toboolean(L, -2)) {
    lua_pop(L, 2);
    return true;
  }
  lua_remove(L, -2);
  return false;
}

static bool sync_sink(lua_State *L, struct journal *j, int index)
{
  lua_getiuservalue(L, index, 1);
  int sink = lua_gettop(L);
  bool done = (j->queue.length == 0 || call_sink(L, sink, "append", &j->queue)) && call_sink(L, sink, "sync", NULL);
  lua_remove(L, sink);
  return done;
}

/* The journal has to be on top of the stack: its sink is a user value. */
static bool sync_top(lua_State *L, struct journal *j)
{
  if (!j->dirty)
    return true;
  if (j->broken) {
    lua_pushfstring(L, "cannot write the journal: an earlier write failed%s%s", j->cause != 0 ? ": " : "",
                    j->cause != 0 ? strerror(j->cause) : "");
    return false;
  }
  bool done;
  if (j->sink) {
    done = sync_sink(L, j, lua_gettop(L));
  } else {
    done = j->fd >= 0 && write_all(j->fd, j->queue.data, j->queue.length) && fsync(j->fd) == 0;
    if (!done) {
      j->cause = j->fd < 0 ? 0 : errno;
      lua_pushfstring(L, "cannot write the journal: %s", j->fd < 0 ? "it is closed" : strerror(j->cause));
    }
  }
  j->broken = !done;
  j->dirty = !done;
  if (done)
    bytes_free(&j->queue);
  return done;
}

bool journal_sync(lua_State *L, struct journal *j)
{
  return sync_top(L, j);
}

static int method_append(lua_State *L)
{
  struct journal *j = journal_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  journal_append(L, j);
  return 0;
}

static int method_sync(lua_State *L)
{
  struct journal *j = journal_check(L, 1);
  lua_settop(L, 1);
  if (!sync_top(L, j)) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int method_close(lua_State *L)
{
  struct journal *j = journal_check(L, 1);
  lua_settop(L, 1);
  bool open = j->fd >= 0 || j->sink;
  bool synced = !open || sync_top(L, j);
  if (j->fd >= 0 && close(j->fd) != 0 && synced) {
    synced = false;
    lua_pushfstring(L, "cannot close the journal: %s", strerror(errno));
  }
  j->fd = -1;
  j->sink = false;
  bytes_free(&j->queue);
  if (!synced) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* Collected without close: what is queued was never promised to anybody. */
static int journal_gc(lua_State *L)
{
  struct journal *j = journal_check(L, 1);
  if (j->fd >= 0)
    (void)close(j->fd);   /* nothing was queued that sync did not report */
  j->fd = -1;
  j->sink = false;
  bytes_free(&j->queue);
  return 0;
}

/* Decodes one line onto the list at index 2 and checks that it continues the chain; false leaves a message. */
static bool read_line(lua_State *L, const char *line, size_t length, const char *chain, lua_Integer number)
{
  if (!json_push(L, line, length, NULL, NULL)) {
    lua_pushfstring(L, "line %I of the journal is not JSON: %s", (LUAI_UACINT)number, lua_tostring(L, -1));
    return false;
  }
  if (!lua_istable(L, -1)) {
    lua_pushfstring(L, "line %I of the journal is not an object", (LUAI_UACINT)number);
    return false;
  }
  lua_getfield(L, -1, "prev");
  const char *prev = lua_tostring(L, -1);
  if (prev == NULL || strcmp(prev, chain) != 0) {
    lua_pushfstring(L, "the journal was changed before line %I: its hash chain breaks there", (LUAI_UACINT)number);
    return false;
  }
  lua_pop(L, 1);
  lua_rawseti(L, 2, number);
  return true;
}

static int journal_read(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_settop(L, 1);
  lua_newtable(L);
  char chain[HEX + 1] = "";
  lua_Integer number = 0;
  const char *line = text;
  while (line < text + length) {
    const char *end = memchr(line, '\n', (size_t)(text + length - line));
    if (end == NULL)
      break;
    if (!read_line(L, line, (size_t)(end - line), chain, ++number)) {
      luaL_pushfail(L);
      lua_insert(L, -2);
      return 2;
    }
    hash_line(chain, line, (size_t)(end - line));
    line = end + 1;
  }
  lua_pushinteger(L, (lua_Integer)(line - text));
  return 2;
}

int luaopen_journal(lua_State *L)
{
  luaL_newmetatable(L, JOURNAL);
  lua_pushcfunction(L, journal_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

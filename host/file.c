/* file.c -- files and directories for Lua: whole reads, atomic writes that are on disk when they return, locks, and where cmek keeps things. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "bytes.h"
#include "disk.h"
#include "field.h"
#include "host.h"
#include "json.h"
#include "secret.h"

#define LOCK "file.lock"
#define MODE_FILE 0600
#define MODE_DIRECTORY 0700

struct lock { int fd; };           /* -1: closed */

static int file_read(lua_State *L);
static int file_lines(lua_State *L);
static int file_json(lua_State *L);
static int file_write(lua_State *L);
static int file_write_json(lua_State *L);
static int file_append(lua_State *L);
static int file_mkdir(lua_State *L);
static int file_list(lua_State *L);
static int file_exists(lua_State *L);
static int file_remove(lua_State *L);
static int file_rename(lua_State *L);
static int file_lock(lua_State *L);
static int file_stat(lua_State *L);
static int file_canonical(lua_State *L);
static int file_home(lua_State *L);
static int file_state_directory(lua_State *L);
static int file_config_directory(lua_State *L);
static int lock_close(lua_State *L);

/* What goes wrong comes back as nil, message and, where nothing is there, "missing". */
static const luaL_Reg functions[] = {
  {"read",             file_read},              /* file.read(path[, max bytes]) -> text | nil, message */
  {"lines",            file_lines},             /* file.lines(path, {names}, audience) -> list of string | {name=, value=<secret>, indent=} | nil, message */
  {"json",             file_json},              /* file.json(path, {names}, audience) -> value whose members of these names are secrets | nil, message */
  {"write",            file_write},             /* file.write(path, text[, mode=0600]) -> true | nil, message; all or nothing, on disk */
  {"write_json",       file_write_json},        /* file.write_json(path, value) -> true | nil, message; with the secrets of SSO in clear, mode 0600 */
  {"append",           file_append},            /* file.append(path, text[, mode=0600]) -> true | nil, message */
  {"mkdir",            file_mkdir},             /* file.mkdir(path[, mode=0700]) -> true | nil, message; with parents */
  {"list",             file_list},              /* file.list(directory) -> sorted names | nil, message */
  {"exists",           file_exists},            /* file.exists(path) -> boolean */
  {"remove",           file_remove},            /* file.remove(path) -> true | nil, message; a file or an empty directory */
  {"rename",           file_rename},            /* file.rename(from, to) -> true | nil, message */
  {"lock",             file_lock},              /* file.lock(path) -> lock | nil, "locked by ..."; lock:close() */
  {"stat",             file_stat},              /* file.stat(path) -> {size=, mtime=seconds, mode=, kind="file"|"directory"|"other"} | nil, message */
  {"canonical",        file_canonical},         /* file.canonical(path) -> path without links and dots | nil, message */
  {"home",             file_home},              /* file.home() -> path | nil */
  {"state_directory",  file_state_directory},   /* file.state_directory() -> path | nil, message */
  {"config_directory", file_config_directory},  /* file.config_directory() -> path | nil, message */
  {NULL, NULL}
};

static const luaL_Reg lock_meta[] = {
  {"__gc",    lock_close},
  {"__close", lock_close},
  {NULL, NULL}
};

static const luaL_Reg lock_methods[] = {
  {"close", lock_close},
  {NULL, NULL}
};

/* ---- what all share ---- */

static const char *check_path(lua_State *L, int index)
{
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, strlen(path) == length, index, "a path holds no NUL");
  luaL_argcheck(L, length > 0, index, "the path is empty");
  luaL_argcheck(L, length < DISK_PATH_MAX, index, "the path is too long");
  return path;
}

static mode_t check_mode(lua_State *L, int index, mode_t standard)
{
  lua_Integer mode = luaL_optinteger(L, index, (lua_Integer)standard);
  luaL_argcheck(L, mode >= 0 && mode <= 07777, index, "a mode is 0 to 4095 (octal 7777)");
  return (mode_t)mode;
}

/* nil, "cannot read 'x': Permission denied" */
static int fail(lua_State *L, const char *what, const char *path, int error)
{
  luaL_pushfail(L);
  lua_pushfstring(L, "cannot %s '%s': %s", what, path, strerror(error));
  if (error != ENOENT && error != ENOTDIR)
    return 2;
  lua_pushliteral(L, "missing");
  return 3;
}

static int succeed(lua_State *L)
{
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- reading ---- */

/* Errors of Lua's memory must not lose the buffer, so strings are made within a protected call. */
static int push_bytes(lua_State *L)
{
  const struct bytes *b = lua_touserdata(L, 1);
  lua_pushlstring(L, b->length > 0 ? b->data : "", b->length);
  return 1;
}

static int file_read(lua_State *L)
{
  const char *path = check_path(L, 1);
  lua_Integer max = luaL_optinteger(L, 2, BYTES_MAX);
  luaL_argcheck(L, max > 0 && max <= (lua_Integer)1 << 32, 2, "a limit is 1 byte to 4 GiB");
  struct bytes text = {.max = (size_t)max};
  bool ok = disk_read(path, &text);
  int error = errno;
  if (ok) {
    lua_pushcfunction(L, push_bytes);
    lua_pushlightuserdata(L, &text);
    ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
    error = ENOMEM;
  }
  bytes_free(&text);
  return ok ? 1 : fail(L, "read", path, error);
}

/* ---- lines, some of which hold a secret ---- */

struct lines {
  struct bytes text;               /* owned by file_lines */
  const char **names;              /* borrowed */
  const char *audience;            /* borrowed */
};

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The secret name that the line begins with, in any case; NULL: none. */
static const char *find_name(const struct lines *lines, const char *line, size_t length)
{
  for (const char **name = lines->names; name != NULL && *name != NULL; name++) {
    size_t size = strlen(*name);
    if (size <= length && strncasecmp(*name, line, size) == 0 && (size == length || is_blank(line[size]) || strchr("=:", line[size]) != NULL))
      return *name;
  }
  return NULL;
}

/* What follows the name, without blanks and one = or : around it. A line that lacks the sign is taken for a slip: its rest is as secret. */
static void push_setting(lua_State *L, const struct lines *lines, const char *name, const char *rest, size_t length, bool indent)
{
  while (length > 0 && is_blank(*rest))
    rest++, length--;
  if (length > 0 && (*rest == '=' || *rest == ':'))
    rest++, length--;
  while (length > 0 && is_blank(*rest))
    rest++, length--;
  while (length > 0 && is_blank(rest[length - 1]))
    length--;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  secret_push(L, rest, length, lines->audience);
  lua_setfield(L, -2, "value");
  lua_pushboolean(L, indent);
  lua_setfield(L, -2, "indent");
}

/* Of a comment only its sign is left: people comment old keys out. */
static void push_line(lua_State *L, const struct lines *lines, const char *line, size_t length)
{
  if (length > 0 && line[length - 1] == '\r')
    length--;
  size_t blanks = 0;
  while (blanks < length && is_blank(line[blanks]))
    blanks++;
  const char *first = line + blanks, *name = find_name(lines, first, length - blanks);
  if (name != NULL)
    push_setting(L, lines, name, first + strlen(name), length - blanks - strlen(name), blanks > 0);
  else if (blanks < length && (*first == '#' || *first == ';'))
    lua_pushlstring(L, first, 1);
  else
    lua_pushlstring(L, line, length);
}

static int push_lines(lua_State *L)
{
  const struct lines *lines = lua_touserdata(L, 1);
  const char *at = lines->text.data, *end = at + lines->text.length;
  lua_Integer count = 0;
  if (lines->text.length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
    at += 3;
  lua_newtable(L);
  while (at < end) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    push_line(L, lines, at, (size_t)((stop != NULL ? stop : end) - at));
    lua_rawseti(L, -2, ++count);
    at = stop != NULL ? stop + 1 : end;
  }
  return 1;
}

static int file_lines(lua_State *L)
{
  const char *path = check_path(L, 1), *audience = luaL_checkstring(L, 3);
  struct lines lines = {.audience = audience};
  size_t count;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  lua_newtable(L);
  lua_pushvalue(L, 2);
  lua_setfield(L, 4, "names");
  lines.names = field_list(L, 4, "names", &count);
  if (!disk_read(path, &lines.text)) {
    int error = errno;
    bytes_free(&lines.text);
    return fail(L, "read", path, error);
  }
  if (lines.text.length == 0)
    (void)bytes_append(&lines.text, "", 0);
  lua_pushcfunction(L, push_lines);
  lua_pushlightuserdata(L, &lines);
  bool ok = lines.text.data != NULL && lua_pcall(L, 1, 1, 0) == LUA_OK;
  bytes_free(&lines.text);
  return ok ? 1 : luaL_error(L, "cannot read '%s': %s", path, lua_tostring(L, -1));
}

/* ---- JSON, some of which is secret ---- */

static int file_json(lua_State *L)
{
  const char *path = check_path(L, 1), *audience = luaL_checkstring(L, 3);
  struct bytes text = {0};
  size_t count;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  lua_newtable(L);
  lua_pushvalue(L, 2);
  lua_setfield(L, 4, "names");
  const char *const *names = (const char *const *)field_list(L, 4, "names", &count);
  if (!disk_read(path, &text)) {
    int error = errno;
    bytes_free(&text);
    return fail(L, "read", path, error);
  }
  bool ok = json_push(L, text.length > 0 ? text.data : "", text.length, names, audience);
  bytes_free(&text);
  if (ok)
    return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

/* What AWS's own clients keep on disk in clear, the tokens of IAM Identity Center, and no other secret. */
static int file_write_json(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct bytes text = {0};
  lua_settop(L, 2);
  bool ok = json_write(L, 2, &text, true, "sso");
  bool written = ok && disk_replace(path, text.data, text.length, MODE_FILE);
  int error = errno;
  bytes_free(&text);
  if (!ok)
    return luaL_error(L, "cannot write '%s': %s", path, lua_tostring(L, -1));
  return written ? succeed(L) : fail(L, "write", path, error);
}

/* ---- writing ---- */

static int file_write(lua_State *L)
{
  const char *path = check_path(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  mode_t mode = check_mode(L, 3, MODE_FILE);
  struct stat found;
  bool ok;
  if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) {   /* pipes, terminals, /dev/stdout */
    ok = disk_write_into(path, 0, 0, text, length);
  } else {
    char *target = realpath(path, NULL);       /* a link stays; what it leads to is replaced */
    ok = disk_replace(target != NULL && strlen(target) < DISK_PATH_MAX ? target : path, text, length, mode);
    int error = errno;
    free(target);
    errno = error;
  }
  return ok ? succeed(L) : fail(L, "write", path, errno);
}

static int file_append(lua_State *L)
{
  const char *path = check_path(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  bool ok = disk_write_into(path, O_CREAT | O_APPEND, check_mode(L, 3, MODE_FILE), text, length);
  return ok ? succeed(L) : fail(L, "write", path, errno);
}

/* ---- directories and names ---- */

static bool is_directory(const char *path)
{
  struct stat found;
  return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* Each part that is missing, from the left. */
static bool make_directories(char *path, mode_t mode)
{
  for (char *c = path + 1; ; c++) {
    if (*c != '/' && *c != '\0')
      continue;
    char end = *c;
    *c = '\0';
    bool ok = mkdir(path, mode) == 0 || is_directory(path);
    *c = end;
    if (!ok || end == '\0')
      return ok;
  }
}

static int file_mkdir(lua_State *L)
{
  const char *path = check_path(L, 1);
  mode_t mode = check_mode(L, 2, MODE_DIRECTORY);
  char copy[DISK_PATH_MAX];
  memcpy(copy, path, strlen(path) + 1);
  return make_directories(copy, mode) ? succeed(L) : fail(L, "make the directory", path, errno);
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
  return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_name(const struct dirent *entry)
{
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

struct names { struct dirent **entries; int count; };

static int push_names(lua_State *L)
{
  const struct names *names = lua_touserdata(L, 1);
  lua_createtable(L, names->count, 0);
  for (int i = 0; i < names->count; i++) {
    lua_pushstring(L, names->entries[i]->d_name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int file_list(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct names names;
  names.count = scandir(path, &names.entries, is_name, by_name);
  if (names.count < 0)
    return fail(L, "list", path, errno);
  lua_pushcfunction(L, push_names);
  lua_pushlightuserdata(L, &names);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  for (int i = 0; i < names.count; i++)
    free(names.entries[i]);
  free(names.entries);
  return ok ? 1 : fail(L, "list", path, ENOMEM);
}

static int file_exists(lua_State *L)
{
  struct stat found;
  lua_pushboolean(L, stat(check_path(L, 1), &found) == 0);
  return 1;
}

static int file_remove(lua_State *L)
{
  const char *path = check_path(L, 1);
  return remove(path) == 0 ? succeed(L) : fail(L, "remove", path, errno);
}

static int file_rename(lua_State *L)
{
  const char *from = check_path(L, 1), *to = check_path(L, 2);
  return rename(from, to) == 0 && disk_sync_directory(to) ? succeed(L) : fail(L, "rename", from, errno);
}

static int file_stat(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct stat found;
  if (stat(path, &found) != 0)
    return fail(L, "look at", path, errno);
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)found.st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, (lua_Number)found.st_mtim.tv_sec + (lua_Number)found.st_mtim.tv_nsec / 1e9);
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, (lua_Integer)(found.st_mode & 07777));
  lua_setfield(L, -2, "mode");
  lua_pushstring(L, S_ISREG(found.st_mode) ? "file" : S_ISDIR(found.st_mode) ? "directory" : "other");
  lua_setfield(L, -2, "kind");
  return 1;
}

static int file_canonical(lua_State *L)
{
  const char *path = check_path(L, 1);
  char *found = realpath(path, NULL);
  if (found == NULL)
    return fail(L, "find", path, errno);
  lua_pushstring(L, found);
  free(found);
  return 1;
}

/* ---- locks: they go with the process, however it ends ---- */

/* nil, "locked by process 17". The number is read for people; it may be gone already. */
static int locked(lua_State *L, const struct lock *lock, const char *path)
{
  char text[16] = "";
  ssize_t got = pread(lock->fd, text, sizeof text - 1, 0);
  text[got > 0 ? got : 0] = '\0';
  text[strspn(text, "0123456789")] = '\0';
  luaL_pushfail(L);
  lua_pushfstring(L, "'%s' is locked by process %s", path, *text != '\0' ? text : "(unknown)");
  return 2;
}

static bool write_owner(int fd)
{
  char text[16];
  int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

static int file_lock(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct lock *lock = lua_newuserdatauv(L, sizeof *lock, 0);
  lock->fd = -1;
  luaL_setmetatable(L, LOCK);
  lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, MODE_FILE);
  if (lock->fd < 0)
    return fail(L, "lock", path, errno);
  if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0 && write_owner(lock->fd))
    return 1;
  int error = errno, results = error == EWOULDBLOCK ? locked(L, lock, path) : fail(L, "lock", path, error);
  close(lock->fd);
  lock->fd = -1;
  return results;
}

static int lock_close(lua_State *L)
{
  struct lock *lock = luaL_checkudata(L, 1, LOCK);
  if (lock->fd >= 0)
    close(lock->fd);
  lock->fd = -1;
  return 0;
}

/* ---- where cmek keeps things ---- */

static const char *home(void)
{
  const char *path = getenv("HOME");
  if (path != NULL && *path != '\0')
    return path;
  const struct passwd *user = getpwuid(getuid());
  return user != NULL && user->pw_dir != NULL && *user->pw_dir != '\0' ? user->pw_dir : NULL;
}

static int file_home(lua_State *L)
{
  lua_pushstring(L, home());
  return 1;
}

/* XDG's rule: a variable that holds no absolute path is ignored. */
static int push_directory(lua_State *L, const char *variable, const char *below_home)
{
  const char *path = getenv(variable), *at = home();
  if (path != NULL && *path == '/') {
    lua_pushfstring(L, "%s/cmek", path);
    return 1;
  }
  if (at != NULL) {
    lua_pushfstring(L, "%s/%s/cmek", at, below_home);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushfstring(L, "neither HOME nor %s is set", variable);
  return 2;
}

static int file_state_directory(lua_State *L)
{
  const char *path = getenv("CMEK_STATE_DIR");
  if (path == NULL || *path == '\0')
    return push_directory(L, "XDG_STATE_HOME", ".local/state");
  lua_pushstring(L, path);
  return 1;
}

static int file_config_directory(lua_State *L)
{
  return push_directory(L, "XDG_CONFIG_HOME", ".config");
}

int luaopen_file(lua_State *L)
{
  if (luaL_newmetatable(L, LOCK)) {
    luaL_setfuncs(L, lock_meta, 0);
    luaL_newlib(L, lock_methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}

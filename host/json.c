/* json.c -- lua-cjson made faithful: integers, arrays and secrets survive, and what cannot be carried exactly is refused.
 * Reading: json_scan.c judges the text and marks what lua-cjson would lose, lua-cjson decodes, one walk restores.
 * Writing: a small writer of its own, keys sorted. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua-cjson.h>

#include "door.h"
#include "field.h"
#include "host.h"
#include "json_scan.h"
#include "secret.h"

#define ARRAY "json.array"     /* the metatable of arrays, and its name */
#define INDENT_MAX 16

/* A place in the value that is written, for messages; the outermost has no `up`. */
struct place {
  const struct place *up;
  const char *name;            /* borrowed; a member's name, or NULL */
  lua_Integer index;           /* else the element's */
};

struct writer {
  lua_State *L;
  struct bytes *out;           /* borrowed */
  const char *audience;        /* secrets for it are written; NULL: none is */
  int indent;                  /* spaces a level; 0: everything on one line */
  int depth;
};

static int json_decode(lua_State *L);
static int json_encode(lua_State *L);
static int json_array(lua_State *L);
static int json_is_array(lua_State *L);

static const luaL_Reg functions[] = {
  {"decode",   json_decode},    /* json.decode(text[, {secrets={names}, audience=}]) -> value | nil, message */
  {"encode",   json_encode},    /* json.encode(value[, {indent=}]) -> text */
  {"array",    json_array},     /* json.array([table]) -> the table, marked: written as [...] even when empty */
  {"is_array", json_is_array},  /* json.is_array(value) -> boolean */
  {NULL, NULL}
};

/* ---- reading ---- */

static const char decode_key = 0;   /* in the registry: lua-cjson's decode of this state */

/* lua-cjson's decode function, on the stack. */
static void push_decode(lua_State *L)
{
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &decode_key) == LUA_TFUNCTION)
    return;
  lua_pop(L, 1);
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "decode");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &decode_key);
  lua_remove(L, -2);
}

void json_mark_array(lua_State *L, int index)
{
  index = lua_absindex(L, index);
  if (luaL_newmetatable(L, ARRAY)) {
    lua_pushliteral(L, ARRAY);
    lua_setfield(L, -2, "__name");
  }
  lua_setmetatable(L, index);
}

struct reading {
  struct json_scan scan;
  const char *audience;
};

static void restore(lua_State *L, const struct reading *r);

static void push_secret(lua_State *L, const struct reading *r, const char *number)
{
  const struct json_span *spans = (const struct json_span *)(const void *)r->scan.hidden_spans.data;
  const struct json_span *span = &spans[strtoull(number, NULL, 10) - 1];
  secret_push(L, r->scan.hidden.data + span->start, span->length, r->audience);
}

/* Replaces the marked string on top by what it stands for. */
static void restore_string(lua_State *L, const struct reading *r)
{
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  if (length < 2 || text[0] != JSON_MARK)
    return;
  if (text[1] == JSON_NUMBER)
    (void)lua_stringtonumber(L, text + 2);
  else if (text[1] == JSON_SECRET)
    push_secret(L, r, text + 2);
  else
    lua_pushlstring(L, text + 2, length - 2);
  lua_remove(L, -2);
}

/* Is the first element of the table on top the mark of an array that was empty? */
static bool is_empty_mark(lua_State *L)
{
  static const char mark[] = {JSON_MARK, JSON_EMPTY};
  size_t length;
  const char *text = lua_rawgeti(L, -1, 1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  bool empty = text != NULL && length == sizeof mark && memcmp(text, mark, length) == 0;
  lua_pop(L, 1);
  return empty;
}

static void restore_array(lua_State *L, const struct reading *r)
{
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (is_empty_mark(L)) {
    lua_pushnil(L);
    lua_rawseti(L, -2, 1);
    count = 0;
  }
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    restore(L, r);
    lua_rawseti(L, -2, i);
  }
  json_mark_array(L, -1);
}

static void restore_object(lua_State *L, const struct reading *r)
{
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    restore(L, r);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);      /* a field that exists: lua_next goes on undisturbed */
  }
}

/* Replaces the value on top. The scan has bounded the depth. */
static void restore(lua_State *L, const struct reading *r)
{
  luaL_checkstack(L, 6, "JSON");
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:       /* lua-cjson's float of a short integer */
      lua_pushinteger(L, (lua_Integer)lua_tonumber(L, -1));
      lua_remove(L, -2);
      break;
    case LUA_TSTRING:
      restore_string(L, r);
      break;
    case LUA_TTABLE:
      if (lua_rawgeti(L, -1, 1) != LUA_TNIL) {
        lua_pop(L, 1);
        restore_array(L, r);
      } else {
        lua_pop(L, 1);
        restore_object(L, r);
      }
      break;
    default:
      break;
  }
}

static int read_protected(lua_State *L)
{
  struct reading *r = lua_touserdata(L, 1);
  push_decode(L);
  lua_pushlstring(L, r->scan.out.data, r->scan.out.length);
  bytes_free(&r->scan.out);
  lua_call(L, 1, 1);
  restore(L, r);
  return 1;
}

/* An error on the way must not lose the buffers: everything that can raise happens within a protected call. */
bool json_push(lua_State *L, const char *text, size_t length, const char *const *secrets, const char *audience)
{
  struct reading r = {.scan = {.text = text, .length = length, .secrets = secrets}, .audience = audience};
  bool ok = json_scan(&r.scan);
  if (ok) {
    lua_pushcfunction(L, read_protected);
    lua_pushlightuserdata(L, &r);
    ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  } else {
    lua_pushstring(L, r.scan.fault);
  }
  json_scan_free(&r.scan);
  return ok;
}

/* ---- writing ---- */

/* The place as Lua writes it, like Tags[2].Key, in front of the message. Raises. */
static void refuse(const struct writer *w, const struct place *place, const char *message)
{
  lua_State *L = w->L;
  lua_pushliteral(L, "");
  for (const struct place *p = place; p != NULL && p->up != NULL; p = p->up) {
    if (p->name != NULL)
      lua_pushfstring(L, "%s%s", p->up->up != NULL ? "." : "", p->name);
    else
      lua_pushfstring(L, "[%I]", (LUAI_UACINT)p->index);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  const char *path = lua_tostring(L, -1);
  if (*path == '\0')
    luaL_error(L, "cannot write JSON: %s", message);
  luaL_error(L, "cannot write JSON: %s: %s", path, message);
}

static void put(const struct writer *w, const char *text, size_t length)
{
  if (!bytes_append(w->out, text, length))
    luaL_error(w->L, "cannot write JSON: the text is too long, or memory is short");
}

static void new_line(const struct writer *w)
{
  static const char spaces[INDENT_MAX + 1] = "                ";
  if (w->indent == 0)
    return;
  put(w, "\n", 1);
  for (int i = 0; i < w->depth; i++)
    put(w, spaces, (size_t)w->indent);
}

static void put_escape(const struct writer *w, unsigned char c)
{
  static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
  char escape[8] = "\\u00";
  const char *at = c != 0 ? strchr(meanings, c) : NULL;
  int length = at != NULL ? snprintf(escape, sizeof escape, "\\%c", letters[at - meanings]) : snprintf(escape, sizeof escape, "\\u%04x", c);
  put(w, escape, (size_t)length);
}

static void put_string(const struct writer *w, const struct place *place, const char *text, size_t length)
{
  size_t copied = 0, at = 0;
  put(w, "\"", 1);
  while (at < length) {
    unsigned char c = (unsigned char)text[at];
    size_t character = c < 0x80 ? 1 : json_utf8(text + at, length - at);
    if (character == 0)
      refuse(w, place, "a string that is not UTF-8");
    if (c < ' ' || c == '"' || c == '\\') {
      put(w, text + copied, at - copied);
      put_escape(w, c);
      copied = at + 1;
    }
    at += character;
  }
  put(w, text + copied, length - copied);
  put(w, "\"", 1);
}

/* The shortest text that reads back as the same float, and as a float. */
static void put_float(const struct writer *w, const struct place *place, lua_Number number)
{
  char text[40];
  int length = 0;
  if (!isfinite(number))
    refuse(w, place, "a number that is not finite");
  for (int digits = 15; digits <= 17; digits++) {
    length = snprintf(text, sizeof text, "%.*g", digits, number);
    double back = strtod(text, NULL);
    if (!(back < number) && !(back > number))
      break;
  }
  put(w, text, (size_t)length);
  if (strpbrk(text, ".e") == NULL)
    put(w, ".0", 2);
}

static void put_integer(const struct writer *w, lua_Integer number)
{
  char text[24];
  int length = snprintf(text, sizeof text, "%lld", (long long)number);
  put(w, text, (size_t)length);
}

/* Whoever holds a secret may write it where it is meant to go, and nowhere else. */
static void put_secret(const struct writer *w, const struct place *place, const struct secret *s)
{
  if (w->audience == NULL)
    refuse(w, place, "a secret is not written");
  else if (!secret_for(s, w->audience))
    refuse(w, place, "a secret that is not for this service");
  put_string(w, place, (const char *)s->data, s->length);
}

static void put_value(struct writer *w, const struct place *place);

static void put_array(struct writer *w, const struct place *place, lua_Integer count)
{
  put(w, "[", 1);
  w->depth++;
  for (lua_Integer i = 1; i <= count; i++) {
    const struct place element = {place, NULL, i};
    if (i > 1)
      put(w, ",", 1);
    new_line(w);
    lua_rawgeti(w->L, -1, i);
    put_value(w, &element);
    lua_pop(w->L, 1);
  }
  w->depth--;
  if (count > 0)
    new_line(w);
  put(w, "]", 1);
}

struct key { const char *text; size_t length; };

static int compare_keys(const void *left, const void *right)
{
  const struct key *a = left, *b = right;
  size_t shorter = a->length < b->length ? a->length : b->length;
  int order = memcmp(a->text, b->text, shorter);
  return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* The keys of the table on top, sorted by byte, in a userdata that is left above it. It holds the strings too: a __json may change the table. */
static const struct key *push_keys(lua_State *L, size_t count)
{
  struct key *keys = lua_newuserdatauv(L, count * sizeof *keys, 1);
  size_t i = 0;
  lua_createtable(L, (int)count, 0);
  lua_pushnil(L);
  while (lua_next(L, -4) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)i + 1);
    keys[i].text = lua_tolstring(L, -1, &keys[i].length);
    i++;
  }
  lua_setiuservalue(L, -2, 1);
  qsort(keys, count, sizeof *keys, compare_keys);
  return keys;
}

static void put_object(struct writer *w, const struct place *place, size_t count)
{
  lua_State *L = w->L;
  const struct key *keys = push_keys(L, count);
  put(w, "{", 1);
  w->depth++;
  for (size_t i = 0; i < count; i++) {
    const struct place member = {place, keys[i].text, 0};
    if (i > 0)
      put(w, ",", 1);
    new_line(w);
    put_string(w, place, keys[i].text, keys[i].length);
    put(w, ": ", w->indent > 0 ? 2 : 1);
    lua_pushlstring(L, keys[i].text, keys[i].length);
    lua_rawget(L, -3);
    put_value(w, &member);
    lua_pop(L, 1);
  }
  w->depth--;
  if (count > 0)
    new_line(w);
  put(w, "}", 1);
  lua_pop(L, 1);
}

/* What the keys of a table are. */
struct shape {
  size_t strings;
  size_t indexes;          /* integers from 1 to the table's length */
  size_t others;
};

static struct shape shape_of(lua_State *L)
{
  struct shape shape = {0, 0, 0};
  lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING)
      shape.strings++;
    else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= length)
      shape.indexes++;
    else
      shape.others++;
  }
  return shape;
}

static bool is_array(lua_State *L, int index)
{
  if (!lua_istable(L, index) || !lua_getmetatable(L, index))
    return false;
  luaL_getmetatable(L, ARRAY);
  bool same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same;
}

static void put_table(struct writer *w, const struct place *place)
{
  lua_State *L = w->L;
  if (w->depth == JSON_DEPTH)
    refuse(w, NULL, "a table is nested deeper than 200 levels, or holds itself");
  struct shape shape = shape_of(L);
  size_t count = shape.strings + shape.indexes + shape.others;
  bool marked = is_array(L, -1);
  if (marked || (count > 0 && shape.indexes == count)) {
    if (shape.indexes != count || count != lua_rawlen(L, -1))
      refuse(w, place, "an array needs the keys 1 to its length, and no other");
    put_array(w, place, (lua_Integer)count);
  } else if (shape.strings == count) {
    if (count == 0 && luaL_getmetafield(L, -1, "__index") != LUA_TNIL)
      refuse(w, place, "a table that only stands for another has no JSON form");
    put_object(w, place, count);
  } else {
    refuse(w, place, "the keys of a table must all be strings, or 1 to its length");
  }
}

/* A table or userdata that goes into JSON as another value says which by its __json. Replaces the value on top. */
static void replace_by_json(lua_State *L)
{
  if (luaL_getmetafield(L, -1, "__json") == LUA_TNIL)
    return;
  lua_pushvalue(L, -2);
  lua_call(L, 1, 1);
  lua_replace(L, -2);
}

/* The value on top of the stack, which is left there. */
static void put_value(struct writer *w, const struct place *place)
{
  lua_State *L = w->L;
  size_t length;
  luaL_checkstack(L, 10, "JSON");
  const struct secret *s = lua_isuserdata(L, -1) ? secret_test(L, -1) : NULL;
  if (w->audience == NULL && (lua_istable(L, -1) || lua_isuserdata(L, -1)))   /* a request was judged: no Lua may change it now */
    replace_by_json(L);
  const char *text;
  switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
      put(w, lua_toboolean(L, -1) ? "true" : "false", lua_toboolean(L, -1) ? 4 : 5);
      return;
    case LUA_TNUMBER:
      if (lua_isinteger(L, -1))
        put_integer(w, lua_tointeger(L, -1));
      else
        put_float(w, place, lua_tonumber(L, -1));
      return;
    case LUA_TSTRING:
      text = lua_tolstring(L, -1, &length);
      put_string(w, place, text, length);
      return;
    case LUA_TTABLE:
      put_table(w, place);
      return;
    default:
      break;
  }
  if (s != NULL)
    put_secret(w, place, s);
  else if (lua_islightuserdata(L, -1) && lua_touserdata(L, -1) == NULL)
    put(w, "null", 4);
  else
    refuse(w, place, lua_pushfstring(L, "a %s has no JSON form", luaL_typename(L, -1)));
}

struct writing {
  struct writer writer;
  bool push;               /* the text is wanted as a Lua string */
};

static int write_protected(lua_State *L)
{
  struct writing *writing = lua_touserdata(L, 2);
  lua_pushvalue(L, 1);
  put_value(&writing->writer, &(const struct place){NULL, NULL, 0});
  if (!writing->push)
    return 0;
  lua_pushlstring(L, writing->writer.out->data, writing->writer.out->length);
  return 1;
}

/* Protected, as reading is: the buffer is not lost. False: a message is on the stack. */
static bool write_value(lua_State *L, int index, struct writing *writing)
{
  luaL_checkstack(L, 4, "JSON");
  index = lua_absindex(L, index);
  lua_pushcfunction(L, write_protected);
  lua_pushvalue(L, index);
  lua_pushlightuserdata(L, writing);
  return lua_pcall(L, 2, writing->push ? 1 : 0, 0) == LUA_OK;
}

bool json_write(lua_State *L, int index, struct bytes *out, bool reveal, const char *audience)
{
  struct writing writing = {.writer = {.L = L, .out = out, .audience = reveal ? audience : NULL}};
  return write_value(L, index, &writing);
}

/* ---- what Lua calls ---- */

static int json_decode(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length), *audience;
  lua_settop(L, 2);
  const char *const *secrets = field_secrets(L, 2, &audience);
  if (json_push(L, text, length, secrets, audience))
    return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

static int json_encode(lua_State *L)
{
  static const char *const names[] = {"indent", NULL};
  struct bytes out = {.max = JSON_MAX};
  struct writing writing = {.writer = {.L = L, .out = &out}, .push = true};
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    field_check_names(L, 2, "encode", names);
    double indent = field_number(L, 2, "indent", 0);
    luaL_argcheck(L, indent >= 0 && indent <= INDENT_MAX, 2, "an indent is 0 to 16 spaces");
    writing.writer.indent = (int)indent;
  }
  bool ok = write_value(L, 1, &writing);
  bytes_free(&out);
  return ok ? 1 : luaL_error(L, "%s", luaL_tolstring(L, -1, NULL));
}

static int json_array(lua_State *L)
{
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  json_mark_array(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int json_is_array(lua_State *L)
{
  lua_settop(L, 1);
  lua_pushboolean(L, is_array(L, 1));
  return 1;
}

int luaopen_json(lua_State *L)
{
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}

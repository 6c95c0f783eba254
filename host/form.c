/* form.c -- percent-encoded names and values, of query strings and forms. */
#include "form.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "secret.h"
#include "sigv4.h"

#define DEPTH_MAX 16

/* How a table is written. */
struct form {
  struct bytes *out;
  const char *audience;   /* of the secrets that are revealed; NULL: none */
  const char *list;       /* what stands between a list's name and the number: ".member." or "." */
};

static bool write_value(lua_State *L, int index, const char *name, const struct form *form, int depth);

static bool fault(lua_State *L, const char *name, const char *what)
{
  lua_pushfstring(L, "the parameter '%s' %s", name, what);
  return false;
}

static bool write_pair(lua_State *L, const char *name, const char *value, size_t length, struct bytes *out)
{
  bool ok = (out->length == 0 || bytes_puts(out, "&")) && sigv4_encode(name, strlen(name), out) && bytes_puts(out, "=")
         && sigv4_encode(value, length, out);
  return ok || fault(L, name, "is too long");
}

static int by_text(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the table's members, sorted; they live as long as the table does. NULL: a key is no text, or no memory. */
static const char **sorted_names(lua_State *L, int index, size_t *count)
{
  *count = 0;
  size_t capacity = 0;
  const char **names = NULL;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    if (*count == capacity) {
      capacity = capacity > 0 ? capacity * 2 : 16;
      const char **more = realloc(names, capacity * sizeof *names);
      if (more == NULL) {
        free(names);
        lua_pop(L, 1);
        return NULL;
      }
      names = more;
    }
    if (lua_type(L, -1) != LUA_TSTRING) {
      free(names);
      lua_pop(L, 1);
      return NULL;
    }
    names[(*count)++] = lua_tostring(L, -1);
  }
  if (*count == 0)
    names = malloc(sizeof *names);
  else
    qsort(names, *count, sizeof *names, by_text);
  return names;
}

static bool write_list(lua_State *L, int index, const char *name, const struct form *form, int depth)
{
  bool ok = true;
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);   /* nothing of a table may run Lua while it is written */
  for (lua_Integer i = 1; ok && i <= length; i++) {
    const char *member = lua_pushfstring(L, "%s%s%I", name, form->list, (LUAI_UACINT)i);
    lua_rawgeti(L, index, i);
    ok = write_value(L, lua_gettop(L), member, form, depth);
    if (ok)
      lua_pop(L, 2);
  }
  return ok;
}

static bool write_members(lua_State *L, int index, const char *name, const struct form *form, int depth)
{
  size_t count;
  const char **names = sorted_names(L, index, &count);
  if (names == NULL)
    return fault(L, name, "has a member that has no name");
  bool ok = true;
  for (size_t i = 0; ok && i < count; i++) {
    const char *member = name[0] != '\0' ? lua_pushfstring(L, "%s.%s", name, names[i]) : lua_pushstring(L, names[i]);
    lua_pushstring(L, names[i]);
    lua_rawget(L, index);
    ok = write_value(L, lua_gettop(L), member, form, depth);
    if (ok)
      lua_pop(L, 2);
  }
  free(names);
  return ok;
}

static bool write_value(lua_State *L, int index, const char *name, const struct form *form, int depth)
{
  size_t length;
  const struct secret *secret = secret_test(L, index);
  if (secret != NULL) {
    if (form->audience == NULL || !secret_for(secret, form->audience))
      return fault(L, name, "is a secret of another audience");
    return write_pair(L, name, (const char *)secret->data, secret->length, form->out);
  }
  switch (lua_type(L, index)) {
  case LUA_TSTRING: case LUA_TNUMBER: {
    lua_pushvalue(L, index);   /* lua_tolstring would change a number in its table */
    const char *text = lua_tolstring(L, -1, &length);
    bool ok = write_pair(L, name, text, length, form->out);
    if (ok)
      lua_pop(L, 1);
    return ok;
  }
  case LUA_TBOOLEAN: {
    const char *text = lua_toboolean(L, index) ? "true" : "false";
    return write_pair(L, name, text, strlen(text), form->out);
  }
  case LUA_TTABLE:
    if (depth == 0 || !lua_checkstack(L, 8))
      return fault(L, name, "is nested too deeply");
    if (lua_rawlen(L, index) > 0)
      return write_list(L, index, name, form, depth - 1);
    return write_members(L, index, name, form, depth - 1);
  default:
    return fault(L, name, "is neither text, number, boolean nor table");
  }
}

bool form_write(lua_State *L, int index, struct bytes *out, const char *audience)
{
  return write_members(L, lua_absindex(L, index), "", &(struct form){out, audience, ".member."}, DEPTH_MAX);
}

bool form_write_ec2(lua_State *L, int index, struct bytes *out, const char *audience)
{
  return write_members(L, lua_absindex(L, index), "", &(struct form){out, audience, "."}, DEPTH_MAX);
}

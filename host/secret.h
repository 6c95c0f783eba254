/* secret.h -- strings that Lua may pass on and never read, each with the audience it may be revealed to. */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#define SECRET "secret"        /* the name that error messages show */
#define SECRET_FORMS 4         /* as it is, and in base64 at each of the three places it can have in a group */
#define SECRET_MASK_MIN 6      /* a shorter text is too common to be masked wherever it stands */

/* One form of a secret to look for in a text, in the list of those that begin with the same byte. */
struct secret_form {
  const struct secret *of;
  int before;                          /* -1: as it is; else in base64, with so many bytes before it in its group of three */
  size_t length;
  struct secret_form *next, **link;    /* link: what points here; NULL while in no list */
};

struct secret {
  unsigned char *data;                 /* owned, secure heap while there is room in it; a NUL stands behind the last byte; NULL once wiped */
  size_t length;
  char audience[32];                   /* "aws", "cloud", "vault" */
  struct secret_form forms[SECRET_FORMS];
};

/* A new secret, on the stack; a copy of the data. Raises when there is no memory or the audience is not a word. */
struct secret *secret_push(lua_State *L, const void *data, size_t length, const char *audience);

struct secret *secret_check(lua_State *L, int index);   /* raises when it is none */
struct secret *secret_test(lua_State *L, int index);    /* NULL when it is none */

/* May it be revealed to this audience? */
bool secret_for(const struct secret *s, const char *audience);

/* Writes '*' over every live secret of the state that stands in the text, as it is, in base64, with %XX or with JSON's or XML's escapes.
 * Returns how many bytes were masked. Never raises. */
size_t secret_mask(lua_State *L, char *text, size_t length);

#endif

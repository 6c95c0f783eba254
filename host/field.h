/* field.h -- reading the fields of an argument table. Each raises and names the field; absent is nil. */
#ifndef FIELD_H
#define FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Raises when the table has a field that is not among the names (ends with NULL). */
void field_check_names(lua_State *L, int index, const char *function, const char *const *names);

/* A string without NUL; the value is left on the stack and owns the text. */
const char *field_string(lua_State *L, int index, const char *name, const char *fallback);

double field_number(lua_State *L, int index, const char *name, double fallback);

/* Whether the field is true, in Lua's sense: anything but nil and false. */
bool field_is_set(lua_State *L, int index, const char *name);

/* The list of strings under this name in the table at the index, ending with NULL; NULL when there is none. The array is left on
 * the stack (nil when there is none) and owns nothing: the strings are the table's. */
const char **field_list(lua_State *L, int index, const char *name, size_t *count);

/* The options of a decoder at the index, a table or nil: which members come out as secrets (ends with NULL; NULL: none) and for which
 * audience. Both are left on the stack, and are owned by the table. */
const char *const *field_secrets(lua_State *L, int index, const char **audience);

#endif

/* field.h -- reading a field of an argument table that is a list of strings. */
#ifndef FIELD_H
#define FIELD_H

#include <stddef.h>

#include <lua.h>

/* The list of strings under this name in the table at the index, ending with NULL; NULL when there is none. The array is left on
 * the stack (nil when there is none) and owns nothing: the strings are the table's. Raises and names the field. */
const char **field_list(lua_State *L, int index, const char *name, size_t *count);

#endif

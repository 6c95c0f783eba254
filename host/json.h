/* json.h -- JSON for other C files: lua-cjson made faithful. Neither function raises. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "bytes.h"

/* Decodes one text. True: the value is on the stack; false: a message is. Members named in `secrets` (ends with NULL; NULL stands
 * for none) come out as secrets for `audience`, never as Lua strings; so does every string and number inside such a member. */
bool json_push(lua_State *L, const char *text, size_t length, const char *const *secrets, const char *audience);

/* Appends the value, keys sorted. A secret is written only if `reveal` and it is for `audience`; else it is refused.
 * False: a message is on the stack, and what is in `out` is worth nothing. */
bool json_write(lua_State *L, int index, struct bytes *out, bool reveal, const char *audience);

/* Marks the table at the index as an array, as json.array does. */
void json_mark_array(lua_State *L, int index);

#endif

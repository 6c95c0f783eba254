/* xml.h -- XML answers for other C files. */
#ifndef XML_H
#define XML_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Decodes one document. True: the content of its root element is on the stack; false: a message is. Elements named in `secrets`
 * (ends with NULL; NULL stands for none) come out as secrets for `audience`, never as Lua strings. Does not raise. */
bool xml_push(lua_State *L, const char *text, size_t length, const char *const *secrets, const char *audience);

#endif

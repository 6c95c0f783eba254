/* embedded.h -- the Lua files that the program carries. */
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* One Lua source, and what it compiles to (made by embed.lua). */
struct script {
  const char *path;   /* "lua/cli.lua" */
  const char *text;
  size_t length;
  const char *code;   /* of string.dump, with its lines; NULL where another release of Lua made it */
  size_t code_length;
};
extern const struct script scripts[];   /* sorted by path */
extern const size_t scripts_count;

/* NULL: it is not carried. */
const struct script *embedded_find(const char *path);

/* A library file as a function on the stack; false leaves the message instead. */
bool embedded_load(lua_State *L, const char *path);

/* require's searcher: lua/NAME.lua or lua/NAME/init.lua, of the embedded files alone. */
int embedded_search(lua_State *L);

#endif

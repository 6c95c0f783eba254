/* host.h -- what main.c opens, and what the command line allows. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

int luaopen_crypto(lua_State *L);
int luaopen_door(lua_State *L);
int luaopen_edit(lua_State *L);
int luaopen_embedded(lua_State *L);
int luaopen_file(lua_State *L);
int luaopen_journal(lua_State *L);
int luaopen_json(lua_State *L);
int luaopen_material(lua_State *L);
int luaopen_pki(lua_State *L);
int luaopen_process(lua_State *L);
int luaopen_secret(lua_State *L);
int luaopen_server(lua_State *L);
int luaopen_sigv4(lua_State *L);
int luaopen_terminal(lua_State *L);
int luaopen_trace(lua_State *L);
int luaopen_xml(lua_State *L);

/* What this process may ever do, fixed by its command line before any Lua runs. A door starts reading only
 * and grows up to here by a confirmation; nothing makes this larger. */
enum right { MAY_READ, MAY_WRITE, MAY_DO_IRREVERSIBLE };

struct authority {
  enum right ceiling;    /* by the command word */
  bool deletes;          /* by the command word: keys and roles may come to be deleted; apart from the rights above */
  bool yes;              /* --yes was given: creating and updating need no question */
  bool simulated;        /* the services are simulated: in-process carriers and virtual clocks are allowed */
  const char *confirm;   /* --confirm NAME, of argv; NULL without */
};
const struct authority *host_authority(lua_State *L);

/* The watchdog: what computes for 20 s of processor time without waiting for anything is ended, and its line is named. */
void watchdog_start(lua_State *L, bool json);   /* json: --json was given */
void watchdog_resume(lua_State *L);             /* coroutine.resume tells it which thread runs; once the libraries are open */
void watchdog_stop(void);                       /* before L is closed */
void watchdog_interrupt(int number);                /* in a signal's handler: a chunk of the user's own that computes is ended */
void watchdog_asked(int number);                /* the same: a signal came by which the program is to end */
void watchdog_forgive(lua_State *L);             /* what was ended is over: a prompt goes on */
void host_waited(void);                         /* called by what waits */
void host_wrote(void);                          /* called before a write leaves: what is ended from here on has to be resumed */

bool script_is_library(const char *source);     /* of lua_Debug: "@lua/…", which the program carries; only reads */

#endif

/* journal.h -- what other C files call of the journal. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#define JOURNAL "journal"

struct journal;

struct journal *journal_check(lua_State *L, int index);

/* Queues the table on top of the stack as a line and pops it. Raises when a member cannot be written (a secret, a function). */
void journal_append(lua_State *L, struct journal *j);

/* Everything queued is on disk afterwards; false leaves a message on the stack. Nothing queued is quick and true. */
bool journal_sync(lua_State *L, struct journal *j);

#endif

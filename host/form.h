/* form.h -- percent-encoded names and values, of query strings and forms. */
#ifndef FORM_H
#define FORM_H

#include <lua.h>

#include "bytes.h"

/* Appends the table at the index as `name=value&...`, sorted by name; nested tables by AWS's query protocol:
 * lists as Name.member.1, members as Name.Key. Secrets are revealed when their audience is this one.
 * false leaves a message on the stack. */
bool form_write(lua_State *L, int index, struct bytes *out, const char *audience);

/* The same by the protocol of EC2, where lists are Name.1. */
bool form_write_ec2(lua_State *L, int index, struct bytes *out, const char *audience);

#endif

/* answer.c -- an answer as Lua sees it: status, headers, the decoded body with its secrets sealed; and its line in the journal. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <openssl/crypto.h>

#include "journal.h"
#include "json.h"
#include "secret.h"
#include "transfer.h"
#include "xml.h"

#define TEXT_MAX 2048    /* characters shown of an answer that could not be read */

/* Header lines as a table by lower-case name; same names are joined. */
static void push_headers(lua_State *L, const struct transfer *t)
{
  lua_newtable(L);
  const char *line = t->head.data, *end = t->head.data + t->head.length;
  while (line != NULL && line < end) {
    size_t length = strcspn(line, "\r\n");
    const char *colon = memchr(line, ':', length);
    if (colon != NULL) {
      luaL_Buffer name;
      luaL_buffinit(L, &name);
      for (const char *c = line; c < colon; c++)
        luaL_addchar(&name, (char)tolower((unsigned char)*c));
      luaL_pushresult(&name);
      const char *value = colon + 1;
      while (value < line + length && (*value == ' ' || *value == '\t'))
        value++;
      lua_pushvalue(L, -1);
      lua_pushlstring(L, value, (size_t)(line + length - value));
      lua_pushvalue(L, -2);
      if (lua_rawget(L, -5) == LUA_TSTRING) {
        lua_pushliteral(L, ", ");
        lua_pushvalue(L, -3);
        lua_concat(L, 3);
        lua_replace(L, -2);
      } else {
        lua_pop(L, 1);
      }
      lua_rawset(L, -4);
      lua_pop(L, 1);
    }
    line += length + strspn(line + length, "\r\n");
  }
}

/* What could be read of an answer that could not be decoded: its beginning, masked. */
static void push_text(lua_State *L, const struct transfer *t)
{
  char text[TEXT_MAX];
  size_t length = t->answer.length < sizeof text ? t->answer.length : sizeof text;
  if (length > 0)
    memcpy(text, t->answer.data, length);
  (void)secret_mask(L, text, length);
  lua_pushlstring(L, text, length);
  OPENSSL_cleanse(text, sizeof text);
}

/* The part of an XML answer that the operation returns: the content of its ...Result element; an error stays whole. */
static void unwrap_xml(lua_State *L, const struct transfer *t)
{
  int root = lua_gettop(L);
  if (!lua_istable(L, root))
    return;
  if (lua_getfield(L, root, "ResponseMetadata") == LUA_TTABLE) {
    lua_getfield(L, -1, "RequestId");
    lua_setfield(L, root - 1, "request_id");
  }
  lua_settop(L, root);
  bool error = lua_getfield(L, root, "Error") != LUA_TNIL;
  lua_pop(L, 1);
  if (error) {
    lua_getfield(L, root, "RequestId");
    lua_setfield(L, root - 1, "request_id");
    return;
  }
  lua_pushfstring(L, "%sResult", t->operation);
  lua_rawget(L, root);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lua_replace(L, root);
}

/* Sets response.body, or response.text and response.fault where the body cannot be decoded. The response is on top. */
static void set_body(lua_State *L, const struct transfer *t)
{
  int response = lua_gettop(L);
  const char *data = t->answer.length > 0 ? t->answer.data : "";
  bool decoded = true;
  if (t->format == ANSWER_SECRET && t->status == 200 && t->answer.length > 0) {
    secret_push(L, data, t->answer.length, t->audience);
  } else if (t->format == ANSWER_RAW || t->format == ANSWER_SECRET) {
    lua_pushlstring(L, data, t->answer.length);
  } else if (t->answer.length == 0) {   /* what an operation without a result answers; who asked for one has to know */
    lua_pushboolean(L, true);
    lua_setfield(L, response, "empty");
    lua_newtable(L);
  } else if (t->format == ANSWER_JSON || t->format == ANSWER_VAULT) {
    decoded = json_push(L, data, t->answer.length, t->secrets, t->audience);
  } else {
    decoded = xml_push(L, data, t->answer.length, t->secrets, t->audience);
    if (decoded && t->format == ANSWER_XML)
      unwrap_xml(L, t);
  }
  lua_settop(L, response + 1);
  if (t->format == ANSWER_VAULT && lua_istable(L, response + 1) && lua_getfield(L, response + 1, "request_id") == LUA_TSTRING
      && lua_rawlen(L, -1) > 0)
    lua_setfield(L, response, "request_id");
  lua_settop(L, response + 1);
  lua_setfield(L, response, decoded ? "body" : "fault");
  if (!decoded) {
    push_text(L, t);
    lua_setfield(L, response, "text");
  }
}

static const char *service_code(lua_State *L, int response)
{
  static const char *const at[] = {"__type", "code", "Code"};
  const char *code = NULL;
  if (lua_getfield(L, response, "body") != LUA_TTABLE)
    return NULL;
  if (lua_getfield(L, -1, "Error") != LUA_TTABLE)
    lua_pop(L, 1);
  for (size_t i = 0; code == NULL && i < sizeof at / sizeof *at; i++) {
    if (lua_getfield(L, -1, at[i]) == LUA_TSTRING)
      code = lua_tostring(L, -1);
    else
      lua_pop(L, 1);
  }
  return code;   /* lies in the response */
}

/* The line of the outcome. It waits for the next sync: that the request may have left is on disk already. */
static void record_outcome(lua_State *L, int door_index, const struct transfer *t, int response)
{
  static const char *const kinds[] = {"answered", "unsent", "lost", "stopped"};
  struct door *door = door_check(L, door_index);
  if (t->record == 0 || door->journal == NULL || door->shut)
    return;
  int top = lua_gettop(L);
  const char *code = response != 0 && t->status >= 300 ? service_code(L, response) : NULL;
  lua_newtable(L);
  door_push_time(L, door_now(L, door, door_index));
  lua_setfield(L, -2, "time");
  lua_pushliteral(L, "outcome");
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, t->record);
  lua_setfield(L, -2, "request");
  lua_pushstring(L, kinds[t->outcome]);
  lua_setfield(L, -2, "outcome");
  if (t->status != 0) {
    lua_pushinteger(L, t->status);
    lua_setfield(L, -2, "status");
  }
  if (code != NULL) {
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
  }
  if (response != 0) {
    lua_getfield(L, response, "request_id");
    lua_setfield(L, -2, "request_id");
  }
  journal_append(L, door->journal);
  lua_settop(L, top);
}

static int push_failure(lua_State *L, const struct transfer *t)
{
  static const char *const kinds[] = {"", "unsent", "lost", "stopped"};
  char text[sizeof t->error];
  (void)snprintf(text, sizeof text, "%s", t->error);
  (void)secret_mask(L, text, strlen(text));
  luaL_pushfail(L);
  lua_pushstring(L, text);
  lua_pushstring(L, kinds[t->outcome]);
  return 3;
}

/* Back in the task, its stack as http_send left it. */
int answer_finish(lua_State *L, int status, lua_KContext slot)
{
  (void)status;
  struct transfer *t = luaL_checkudata(L, (int)slot, TRANSFER);
  int door_index = lua_upvalueindex(1);
  if (t->outcome != OUTCOME_ANSWERED) {
    record_outcome(L, door_index, t, 0);
    return push_failure(L, t);
  }
  lua_createtable(L, 0, 6);
  int response = lua_gettop(L);
  lua_pushinteger(L, t->status);
  lua_setfield(L, response, "status");
  push_headers(L, t);
  static const char *const ids[] = {"x-amzn-requestid", "x-amz-request-id", "x-request-id", "request-id"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    if (lua_getfield(L, response + 1, ids[i]) == LUA_TSTRING && lua_getfield(L, response, "request_id") == LUA_TNIL) {
      lua_pop(L, 1);
      lua_setfield(L, response, "request_id");
    }
    lua_settop(L, response + 1);
  }
  lua_getfield(L, response + 1, "date");
  lua_setfield(L, response, "date");
  lua_setfield(L, response, "headers");
  set_body(L, t);
  record_outcome(L, door_index, t, response);
  lua_settop(L, response);
  return 1;
}

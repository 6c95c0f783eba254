/* xml.c -- XML answers as tables, by expat. No DOCTYPE and so no entities but the five and numbers; attributes and prefixes are dropped.
 * The document becomes a flat list of elements in C first, then a table: no expat callback calls Lua, and what is secret goes
 * straight from the list into secret userdata. */
#include "xml.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <expat.h>
#include <lauxlib.h>

#include "bytes.h"
#include "door.h"
#include "field.h"
#include "host.h"
#include "json.h"
#include "secret.h"

#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9   /* which calls the older name deprecated */
#define LINE_NUMBER XML_GetCurrentLineNumber64
#else
#define LINE_NUMBER XML_GetCurrentLineNumber
#endif

#define XML_DEPTH 100                   /* elements in each other */
#define XML_MAX ((size_t)16 << 20)      /* bytes of one document */
#define ELEMENTS_MAX 500000
#define NONE SIZE_MAX

struct element {
  size_t name;                          /* where in `names` it begins; ends with a NUL */
  size_t text, length;                  /* where in `text` its own text stands */
  size_t parent, first, last, next;     /* indexes of elements, or NONE */
  size_t children;
  bool alike;                           /* all children have the first one's name */
  bool secret;
};

struct document {
  XML_Parser parser;                    /* owned during the parse */
  const char *const *secrets;           /* borrowed */
  const char *audience;                 /* borrowed */
  struct bytes elements;                /* owned; struct element, in document order */
  struct bytes names, text;             /* owned */
  size_t open;                          /* the innermost open element, or NONE */
  int depth;
  char fault[160];
};

static int xml_decode(lua_State *L);

static const luaL_Reg functions[] = {
  {"decode", xml_decode},               /* xml.decode(text[, {secrets={names}, audience=}]) -> root's name, content | nil, message */
  {NULL, NULL}
};

/* ---- the parse ---- */

static void stop(struct document *d, const char *message)
{
  if (d->fault[0] == '\0')
    (void)snprintf(d->fault, sizeof d->fault, "line %lu: %s", (unsigned long)LINE_NUMBER(d->parser), message);
  (void)XML_StopParser(d->parser, XML_FALSE);
}

static struct element *element_at(const struct document *d, size_t index)
{
  return (struct element *)(void *)d->elements.data + index;
}

static const char *name_of(const struct document *d, const struct element *e)
{
  return d->names.data + e->name;
}

static bool is_secret_name(const struct document *d, const char *name)
{
  for (const char *const *secret = d->secrets; secret != NULL && *secret != NULL; secret++)
    if (strcmp(*secret, name) == 0)
      return true;
  return false;
}

/* What stands between child elements may only be white space; it is dropped. */
static bool drop_text(struct document *d, struct element *e)
{
  const char *text = e->length > 0 ? d->text.data + e->text : "";
  for (size_t i = 0; i < e->length; i++)
    if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
      return false;
  d->text.length -= e->length;
  e->length = 0;
  return true;
}

static void link_child(struct document *d, struct element *parent, size_t index)
{
  if (parent->first == NONE) {
    parent->first = index;
  } else {
    element_at(d, parent->last)->next = index;
    if (strcmp(name_of(d, element_at(d, parent->first)), name_of(d, element_at(d, index))) != 0)
      parent->alike = false;
  }
  parent->last = index;
  parent->children++;
}

static void XMLCALL start_element(void *user, const XML_Char *full_name, const XML_Char **attributes)
{
  struct document *d = user;
  (void)attributes;
  const char *colon = strrchr(full_name, ':'), *name = colon != NULL ? colon + 1 : full_name;
  size_t index = d->elements.length / sizeof(struct element);
  bool secret = is_secret_name(d, name);
  if (d->open != NONE) {
    struct element *parent = element_at(d, d->open);
    if (!drop_text(d, parent)) {
      stop(d, "text stands beside an element");
      return;
    }
    secret = secret || parent->secret;
  }
  const struct element new = {.name = d->names.length, .text = d->text.length, .parent = d->open, .first = NONE, .last = NONE,
                              .next = NONE, .alike = true, .secret = secret};
  if (d->depth == XML_DEPTH || index == ELEMENTS_MAX)
    stop(d, d->depth == XML_DEPTH ? "nested deeper than 100 levels" : "more than 500000 elements");
  else if (!bytes_append(&d->elements, &new, sizeof new) || !bytes_append(&d->names, name, strlen(name) + 1))
    stop(d, "out of memory");
  else {
    if (d->open != NONE)
      link_child(d, element_at(d, d->open), index);
    d->open = index;
    d->depth++;
  }
}

static void XMLCALL end_element(void *user, const XML_Char *name)
{
  struct document *d = user;
  (void)name;
  if (d->open == NONE)
    return;
  struct element *e = element_at(d, d->open);
  if (e->first != NONE && !drop_text(d, e))
    stop(d, "text stands beside an element");
  d->open = e->parent;
  d->depth--;
  if (d->open != NONE)
    element_at(d, d->open)->text = d->text.length;
}

static void XMLCALL add_text(void *user, const XML_Char *text, int length)
{
  struct document *d = user;
  if (d->open == NONE)
    return;
  if (!bytes_append(&d->text, text, (size_t)length))
    stop(d, "out of memory");
  else
    element_at(d, d->open)->length += (size_t)length;
}

static void XMLCALL start_doctype(void *user, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
  (void)name, (void)system, (void)public, (void)internal;
  stop(user, "a DOCTYPE is not accepted");
}

static bool parse(struct document *d, const char *text, size_t length)
{
  if (length > XML_MAX) {
    (void)snprintf(d->fault, sizeof d->fault, "the document has %zu bytes, more than %zu", length, XML_MAX);
    return false;
  }
  d->parser = XML_ParserCreate(NULL);
  if (d->parser == NULL) {
    (void)snprintf(d->fault, sizeof d->fault, "out of memory");
    return false;
  }
  d->elements.max = ELEMENTS_MAX * sizeof(struct element);
  d->names.max = d->text.max = 2 * length + 16;   /* Latin-1 doubles in UTF-8 */
  XML_SetUserData(d->parser, d);
  XML_SetElementHandler(d->parser, start_element, end_element);
  XML_SetCharacterDataHandler(d->parser, add_text);
  XML_SetStartDoctypeDeclHandler(d->parser, start_doctype);
  bool ok = XML_Parse(d->parser, text, (int)length, XML_TRUE) == XML_STATUS_OK;
  if (!ok && d->fault[0] == '\0')
    stop(d, XML_ErrorString(XML_GetErrorCode(d->parser)));
  XML_ParserFree(d->parser);
  d->parser = NULL;
  return ok && d->fault[0] == '\0';
}

static void document_free(struct document *d)
{
  bytes_free(&d->elements);
  bytes_free(&d->names);
  bytes_free(&d->text);
}

/* ---- from the list to a table ---- */

static void push_element(lua_State *L, const struct document *d, size_t index);

static void push_leaf(lua_State *L, const struct document *d, const struct element *e)
{
  const char *text = e->length > 0 ? d->text.data + e->text : "";
  if (e->secret)
    secret_push(L, text, e->length, d->audience);
  else
    lua_pushlstring(L, text, e->length);
}

/* The query protocol writes lists as <member>, EC2 as <item>; maps are <entry> with <key> and <value>. Other names make a list when they are repeated. */
static bool is_list(const struct document *d, const struct element *e)
{
  const char *name = name_of(d, element_at(d, e->first));
  return e->alike && (e->children > 1 || strcmp(name, "member") == 0 || strcmp(name, "entry") == 0 || strcmp(name, "item") == 0);
}

static void push_list(lua_State *L, const struct document *d, const struct element *e)
{
  lua_Integer count = 0;
  lua_createtable(L, (int)e->children, 0);
  for (size_t i = e->first; i != NONE; i = element_at(d, i)->next) {
    push_element(L, d, i);
    lua_rawseti(L, -2, ++count);
  }
  json_mark_array(L, -1);
}

static void push_members(lua_State *L, const struct document *d, const struct element *e)
{
  lua_createtable(L, 0, (int)e->children);
  for (size_t i = e->first; i != NONE; i = element_at(d, i)->next) {
    const char *name = name_of(d, element_at(d, i));
    lua_pushstring(L, name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL)
      luaL_error(L, "the element '%s' stands twice in '%s', beside others", name, name_of(d, e));
    lua_pop(L, 1);
    push_element(L, d, i);
    lua_rawset(L, -3);
  }
}

/* The depth is bounded by the parse. */
static void push_element(lua_State *L, const struct document *d, size_t index)
{
  const struct element *e = element_at(d, index);
  luaL_checkstack(L, 6, "XML");
  if (e->first == NONE)
    push_leaf(L, d, e);
  else if (is_list(d, e))
    push_list(L, d, e);
  else
    push_members(L, d, e);
}

static int push_protected(lua_State *L)
{
  const struct document *d = lua_touserdata(L, 1);
  lua_pushstring(L, name_of(d, element_at(d, 0)));
  push_element(L, d, 0);
  return 2;
}

/* True: the root's name and its content are on the stack; false: a message is. Whatever can raise does so within a protected call. */
static bool push_document(lua_State *L, const char *text, size_t length, const char *const *secrets, const char *audience)
{
  struct document d = {.secrets = secrets, .audience = audience, .open = NONE};
  bool ok = parse(&d, text, length);
  if (ok) {
    lua_pushcfunction(L, push_protected);
    lua_pushlightuserdata(L, &d);
    ok = lua_pcall(L, 1, 2, 0) == LUA_OK;
  } else {
    lua_pushstring(L, d.fault);
  }
  document_free(&d);
  return ok;
}

bool xml_push(lua_State *L, const char *text, size_t length, const char *const *secrets, const char *audience)
{
  bool ok = push_document(L, text, length, secrets, audience);
  if (ok)
    lua_remove(L, -2);
  return ok;
}

static int xml_decode(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length), *audience;
  lua_settop(L, 2);
  const char *const *secrets = field_secrets(L, 2, &audience);
  if (push_document(L, text, length, secrets, audience))
    return 2;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

int luaopen_xml(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

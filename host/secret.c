/* secret.c -- strings that Lua may pass on and never read. They live in OpenSSL's secure heap; tostring gives ****; Lua itself refuses
 * to join, compare, index or measure one. Host code alone reveals it, to its audience. Every live secret is found again in a text, and masked. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bytes.h"
#include "host.h"

#define FILE_LIMIT 65536       /* bytes of a secret's file, when the caller names no limit */
#define LENGTH_MAX 1048576     /* bytes of a secret */
#define RAW (-1)               /* the form of a secret that is the secret itself */

/* The forms of all live secrets of a Lua state, by their first byte. Owned by the registry. */
struct live {
  struct secret_form *first[256];
};

static const char live_key = 0;

static int secret_new(lua_State *L);
static int secret_environment(lua_State *L);
static int secret_file(lua_State *L);
static int secret_is(lua_State *L);
static int secret_equal(lua_State *L);
static int secret_length(lua_State *L);
static int secret_trimmed(lua_State *L);
static int secret_fingerprint(lua_State *L);
static int secret_masked(lua_State *L);
static int secret_reference(lua_State *L);
static int secret_access_key_id(lua_State *L);
static int secret_gc(lua_State *L);
static int secret_tostring(lua_State *L);

static const luaL_Reg functions[] = {
  {"new",         secret_new},           /* secret.new(text, audience) -> secret */
  {"environment", secret_environment},   /* secret.environment(name, audience) -> secret | nil */
  {"file",        secret_file},          /* secret.file(path, audience[, limit]) -> secret | nil, message */
  {"is",          secret_is},            /* secret.is(value) -> boolean */
  {"equal",       secret_equal},         /* secret.equal(a, b) -> boolean; a and b: secret or string */
  {"length",      secret_length},        /* secret.length(secret) -> bytes */
  {"trimmed",     secret_trimmed},       /* secret.trimmed(secret) -> secret: the same without the white space around it */
  {"fingerprint", secret_fingerprint},   /* secret.fingerprint(secret) -> 16 hex digits that are its own and do not tell it */
  {"reference",   secret_reference},     /* secret.reference(secret) -> text | nil: "vault:…", which says where a secret is and is none */
  {"access_key_id", secret_access_key_id},   /* secret.access_key_id(secret) -> text | nil: an ID of AWS, which is none either */
  {"mask",        secret_masked},        /* secret.mask(text) -> text with '*' over every live secret */
  {NULL, NULL}
};

static const luaL_Reg meta[] = {
  {"__gc",       secret_gc},
  {"__tostring", secret_tostring},
  {NULL, NULL}
};

/* ---- the live secrets ---- */

/* NULL in a state that never had a secret. Never raises. */
static struct live *find_live(lua_State *L)
{
  if (!lua_checkstack(L, 1))
    return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &live_key);
  struct live *live = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return live;
}

static void make_metatable(lua_State *L)
{
  if (luaL_newmetatable(L, SECRET)) {
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, SECRET);      /* what getmetatable gives: Lua never gets at __gc */
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
}

/* What the first secret of a state needs, whoever makes it. */
static struct live *make_live(lua_State *L)
{
  struct live *live = find_live(L);
  if (live == NULL) {
    live = lua_newuserdatauv(L, sizeof *live, 0);
    *live = (struct live){{NULL}};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &live_key);
    make_metatable(L);
  }
  return live;
}

/* How many characters of a group of four are mixed with what stands before the secret in it. */
static size_t mixed(int before)
{
  return before == 0 ? 0 : (size_t)before + 1;
}

/* A byte of the form. The base64 forms are reckoned, not kept: a copy less to guard. */
static unsigned char form_byte(const struct secret_form *form, size_t i)
{
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *data = form->of->data;
  if (form->before == RAW)
    return data[i];
  size_t bit = 6 * (i + mixed(form->before)) - 8 * (size_t)form->before;
  unsigned two = (unsigned)data[bit / 8] << 8 | data[bit / 8 + 1];   /* the NUL behind the last byte is read, never used */
  return (unsigned char)alphabet[two >> (10 - bit % 8) & 63];
}

static void form_link(struct live *live, struct secret *s, struct secret_form *form, int before)
{
  form->of = s;
  form->before = before;
  form->length = before == RAW ? s->length : 8 * (s->length + (size_t)before) / 6 - mixed(before);
  struct secret_form **first = &live->first[form_byte(form, 0)];
  form->next = *first;
  form->link = first;
  if (form->next != NULL)
    form->next->link = &form->next;
  *first = form;
}

static void form_unlink(struct secret_form *form)
{
  if (form->link == NULL)
    return;
  *form->link = form->next;
  if (form->next != NULL)
    form->next->link = form->link;
  form->link = NULL;
}

/* ---- masking ---- */

static int hex_value(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hex_byte(const char *text, size_t left, unsigned char *byte)
{
  if (left < 2 || hex_value(text[0]) < 0 || hex_value(text[1]) < 0)
    return false;
  *byte = (unsigned char)(hex_value(text[0]) << 4 | hex_value(text[1]));
  return true;
}

/* Spellings of one byte that need no arithmetic: form encoding, base64url, JSON, XML. */
static const struct {
  const char *text;
  unsigned char byte;
} spellings[] = {
  {"+", ' '}, {"-", '+'}, {"_", '/'}, {"\\/", '/'}, {"\\\"", '"'}, {"\\\\", '\\'}, {"\\n", '\n'}, {"\\r", '\r'}, {"\\t", '\t'},
  {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''},
};

/* Does some spelling of another byte begin like this? */
static bool escapes(char c)
{
  return c != '\0' && strchr("%\\&+-_", c) != NULL;
}

/* Reads %2F, and, when deep, what was encoded again as %252F; gives how much of the text that took. */
static size_t read_percent(const char *text, size_t left, bool deep, unsigned char *byte)
{
  unsigned char deeper;
  size_t at = 1;
  if (!hex_byte(text + at, left - at, byte))
    return 0;
  for (at += 2; deep && *byte == '%' && hex_byte(text + at, left - at, &deeper); at += 2)
    *byte = deeper;
  return at;
}

/* The byte that is spelled at the beginning of the text otherwise than by itself; 0 when there is none, else how much of the text it takes. */
static size_t read_spelling(const char *text, size_t left, bool deep, unsigned char *byte)
{
  if (*text == '%')
    return read_percent(text, left, deep, byte);
  if (left >= 6 && memcmp(text, "\\u00", 4) == 0)
    return hex_byte(text + 4, 2, byte) ? 6 : 0;
  for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    size_t length = strlen(spellings[i].text);
    if (length <= left && memcmp(text, spellings[i].text, length) == 0) {
      *byte = spellings[i].byte;
      return length;
    }
  }
  return 0;
}

/* How much of the text spells this byte, at its beginning; 0: none of it. */
static size_t spelled(const char *text, size_t left, bool deep, unsigned char want)
{
  unsigned char byte;
  size_t length = escapes(*text) ? read_spelling(text, left, deep, &byte) : 0;
  return length > 0 && byte == want ? length : (unsigned char)*text == want;
}

/* How much of the text, at its beginning, spells this form of a secret; 0: it is not there. */
static size_t match_spelled(const struct secret_form *form, const char *text, size_t left, bool deep)
{
  size_t at = 0;
  for (size_t i = 0; i < form->length; i++) {
    size_t length = at < left ? spelled(text + at, left - at, deep, form_byte(form, i)) : 0;
    if (length == 0)
      return 0;
    at += length;
  }
  return at;
}

/* The same, tried plainest first: a secret may itself look like something encoded. */
static size_t match(const struct secret_form *form, const char *text, size_t left)
{
  if (form->before == RAW && form->length <= left && memcmp(text, form->of->data, form->length) == 0)
    return form->length;
  size_t length = match_spelled(form, text, left, false);
  return length > 0 ? length : match_spelled(form, text, left, true);
}

static size_t longest(const struct secret_form *forms, const char *text, size_t left)
{
  size_t most = 0;
  for (const struct secret_form *form = forms; form != NULL; form = form->next) {
    size_t length = match(form, text, left);
    most = length > most ? length : most;
  }
  return most;
}

/* What is masked has been read: secrets that overlap are all found. */
size_t secret_mask(lua_State *L, char *text, size_t length)
{
  const struct live *live = find_live(L);
  size_t until = 0, masked = 0;
  for (size_t i = 0; live != NULL && i < length; i++) {
    unsigned char byte;
    size_t found = longest(live->first[(unsigned char)text[i]], text + i, length - i);
    if (escapes(text[i]) && read_spelling(text + i, length - i, true, &byte) > 0) {
      size_t other = longest(live->first[byte], text + i, length - i);
      found = other > found ? other : found;
    }
    if (found > 0 && i + found > until)
      until = i + found;
    if (i < until) {
      text[i] = '*';
      masked++;
    }
  }
  return masked;
}

/* ---- a secret's life ---- */

/* The secure heap is small: when it is full, memory that is merely wiped has to do. */
static unsigned char *allocate(size_t size)
{
  unsigned char *data = OPENSSL_secure_malloc(size);
  return data != NULL ? data : OPENSSL_malloc(size);
}

/* Raises unless the audience is a word that fits. */
static size_t check_audience(lua_State *L, const char *audience)
{
  size_t length = audience != NULL ? strlen(audience) : 0;
  if (length == 0 || length >= sizeof ((struct secret *)0)->audience)
    luaL_error(L, "a secret needs an audience of one word, like 'aws', got '%s'", audience != NULL ? audience : "nil");
  return length;
}

/* Born wiped: whatever raises next, there is something for the collector to close. */
static struct secret *secret_born(lua_State *L)
{
  struct secret *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (struct secret){0};
  luaL_setmetatable(L, SECRET);
  return s;
}

struct secret *secret_push(lua_State *L, const void *data, size_t length, const char *audience)
{
  size_t word = check_audience(L, audience);
  if (length > LENGTH_MAX)
    luaL_error(L, "a secret holds at most %d bytes", LENGTH_MAX);
  struct live *live = make_live(L);
  struct secret *s = secret_born(L);
  s->data = allocate(length + 1);
  if (s->data == NULL) {
    luaL_error(L, "no memory for a secret");
    return NULL;
  }
  if (length > 0)
    memcpy(s->data, data, length);
  s->data[length] = '\0';
  s->length = length;
  memcpy(s->audience, audience, word);
  for (int before = RAW; length >= SECRET_MASK_MIN && before <= 2; before++)
    form_link(live, s, &s->forms[before - RAW], before);
  return s;
}

static int secret_gc(lua_State *L)
{
  struct secret *s = luaL_checkudata(L, 1, SECRET);
  for (size_t i = 0; i < SECRET_FORMS; i++)
    form_unlink(&s->forms[i]);
  if (s->data != NULL)
    OPENSSL_secure_clear_free(s->data, s->length + 1);
  s->data = NULL;
  s->length = 0;
  return 0;
}

struct secret *secret_test(lua_State *L, int index)
{
  struct secret *s = luaL_testudata(L, index, SECRET);
  return s != NULL && s->data != NULL ? s : NULL;
}

struct secret *secret_check(lua_State *L, int index)
{
  struct secret *s = luaL_checkudata(L, index, SECRET);
  luaL_argcheck(L, s->data != NULL, index, "the secret is wiped already");
  return s;
}

bool secret_for(const struct secret *s, const char *audience)
{
  return strcmp(s->audience, audience) == 0;
}

/* ---- what Lua calls ---- */

static int secret_new(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_push(L, text, length, luaL_checkstring(L, 2));
  return 1;
}

/* An empty variable counts as unset, as the SDKs have it. */
static int secret_environment(lua_State *L)
{
  const char *value = getenv(luaL_checkstring(L, 1)), *audience = luaL_checkstring(L, 2);
  if (value == NULL || *value == '\0')
    lua_pushnil(L);
  else
    secret_push(L, value, strlen(value), audience);
  return 1;
}

/* Reads until the end, so that pipes work too. Its messages are errno's, or say that the limit is passed. */
static const char *read_all(const char *path, struct bytes *out)
{
  char block[4096];
  const char *fault = NULL;
  ssize_t got = -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && fault == NULL && ((got = read(fd, block, sizeof block)) > 0 || (got < 0 && errno == EINTR)))
    if (got > 0 && !bytes_append(out, block, (size_t)got))
      fault = "it is longer than a secret may be";
  if (fault == NULL && got < 0)
    fault = strerror(errno);
  OPENSSL_cleanse(block, sizeof block);
  if (fd >= 0)
    close(fd);
  return fault;
}

/* The text without the one line end behind it. */
static size_t trimmed(const struct bytes *text)
{
  size_t length = text->length;
  if (length > 0 && text->data[length - 1] == '\n')
    length--;
  return length < text->length && length > 0 && text->data[length - 1] == '\r' ? length - 1 : length;
}

static int secret_file(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1), *audience = luaL_checkstring(L, 2);
  lua_Integer limit = luaL_optinteger(L, 3, FILE_LIMIT);
  luaL_argcheck(L, limit > 0 && limit <= LENGTH_MAX, 3, "a limit is 1 to 1048576 bytes");
  struct bytes text = {.max = (size_t)limit};
  const char *fault = read_all(path, &text);
  if (fault == NULL && trimmed(&text) == 0)
    fault = "it is empty";
  if (fault == NULL)
    secret_push(L, text.data, trimmed(&text), audience);
  bytes_free(&text);
  if (fault == NULL)
    return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "cannot read the secret in '%s': %s", path, fault);
  return 2;
}

static int secret_is(lua_State *L)
{
  lua_pushboolean(L, secret_test(L, 1) != NULL);
  return 1;
}

/* The bytes of a secret or of a string. */
static const void *content(lua_State *L, int index, size_t *length)
{
  struct secret *s = secret_test(L, index);
  if (s == NULL)
    return luaL_checklstring(L, index, length);
  *length = s->length;
  return s->data;
}

static int secret_equal(lua_State *L)
{
  size_t left, right;
  const void *a = content(L, 1, &left), *b = content(L, 2, &right);
  lua_pushboolean(L, left == right && CRYPTO_memcmp(a, b, left) == 0);
  return 1;
}

static int secret_length(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)secret_check(L, 1)->length);
  return 1;
}

static bool is_space(unsigned char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static int secret_trimmed(lua_State *L)
{
  const struct secret *s = secret_check(L, 1);
  size_t from = 0, to = s->length;
  while (from < to && is_space(s->data[from]))
    from++;
  while (to > from && is_space(s->data[to - 1]))
    to--;
  secret_push(L, s->data + from, to - from, s->audience);
  return 1;
}

/* Keyed with the secret and cut to half a hash: who sees it may recognize the secret, not find it. */
static int secret_fingerprint(lua_State *L)
{
  static const unsigned char label[] = "cmek fingerprint";
  const struct secret *s = secret_check(L, 1);
  unsigned char out[EVP_MAX_MD_SIZE];
  char text[17];
  if (HMAC(EVP_sha256(), s->data, (int)s->length, label, sizeof label - 1, out, NULL) == NULL)
    return luaL_error(L, "cannot make the fingerprint of a secret");
  for (size_t i = 0; i < 8; i++)
    snprintf(text + 2 * i, 3, "%02x", out[i]);
  OPENSSL_cleanse(out, sizeof out);
  lua_pushstring(L, text);
  return 1;
}

static int secret_masked(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  luaL_Buffer buffer;
  char *copy = luaL_buffinitsize(L, &buffer, length);
  memcpy(copy, text, length);
  (void)secret_mask(L, copy, length);
  luaL_pushresultsize(&buffer, length);
  return 1;
}

/* Printable. Whether it leads anywhere is for lua/vault/kv.lua to say. */
static int secret_reference(lua_State *L)
{
  const struct secret *s = secret_check(L, 1);
  const char *text = (const char *)s->data;
  bool is = s->length < 1024 && strncmp(text, "vault:", 6) == 0;
  for (size_t i = 0; is && i < s->length; i++)
    is = text[i] > ' ' && text[i] <= '~';
  lua_pushstring(L, is ? text : NULL);
  return 1;
}

/* As IAM writes them: capitals and digits, 16 to 128, of which the first is an A. */
static int secret_access_key_id(lua_State *L)
{
  const struct secret *s = secret_check(L, 1);
  const char *text = (const char *)s->data;
  bool is = s->length >= 16 && s->length <= 128 && text[0] == 'A'
         && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == s->length;
  lua_pushstring(L, is ? text : NULL);
  return 1;
}

static int secret_tostring(lua_State *L)
{
  luaL_checkudata(L, 1, SECRET);
  lua_pushliteral(L, "****");
  return 1;
}

int luaopen_secret(lua_State *L)
{
  make_live(L);
  luaL_newlib(L, functions);
  return 1;
}

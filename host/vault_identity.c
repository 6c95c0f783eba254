/* vault_identity.c -- a GetCallerIdentity that is signed and not sent: who holds it may ask STS once, within fifteen minutes, who signed
 * it. Vault's AWS login takes it for a name and password. Signature and session token never are Lua strings. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "door.h"
#include "field.h"
#include "json.h"
#include "secret.h"

#define BODY "Action=GetCallerIdentity&Version=2011-06-15"
#define HEADERS 8

/* What is signed. Texts are the stack's or this struct's. */
struct identity {
  const char *url, *region, *server_id, *access_key_id;
  const struct secret *key, *token;   /* borrowed; token may be NULL */
  char host[256], stamp[24], length[8];
  struct sigv4_header headers[HEADERS];
  size_t header_count;
};

static const struct secret *credential(lua_State *L, int credentials, const char *name, bool optional)
{
  if (lua_getfield(L, credentials, name) == LUA_TNIL && optional)
    return NULL;
  const struct secret *s = secret_test(L, -1);
  if (s == NULL || !secret_for(s, "aws"))
    luaL_error(L, "bad argument #1 to 'sign_identity' (credentials.%s must be a secret for AWS)", name);
  return s;
}

static void add_header(struct identity *i, const char *name, const char *value)
{
  i->headers[i->header_count++] = (struct sigv4_header){name, value};
}

static void take_arguments(lua_State *L, struct identity *i)
{
  static const char *const names[] = {"url", "region", "server_id", "credentials", "skew", "session_key", NULL};
  field_check_names(L, 1, "sign_identity", names);
  i->url = field_string(L, 1, "url", "https://sts.amazonaws.com/");
  i->region = field_string(L, 1, "region", "us-east-1");
  i->server_id = field_string(L, 1, "server_id", NULL);
  if (strncmp(i->url, "https://", 8) != 0 || i->url[strlen(i->url) - 1] != '/' || strpbrk(i->url, "?#@ \r\n") != NULL
      || strchr(i->url + 8, '/') != i->url + strlen(i->url) - 1)
    luaL_error(L, "bad argument #1 to 'sign_identity' (field 'url' must be like https://sts.amazonaws.com/)");
  (void)snprintf(i->host, sizeof i->host, "%.*s", (int)(strlen(i->url) - 9), i->url + 8);
  lua_getfield(L, 1, "credentials");
  luaL_checktype(L, -1, LUA_TTABLE);
  int credentials = lua_gettop(L);
  i->access_key_id = field_string(L, credentials, "access_key_id", "");
  i->key = credential(L, credentials, "secret_access_key", false);
  i->token = credential(L, credentials, "session_token", true);
}

/* All are signed: the ID of the server that the login is for has to be. */
static void write_headers(lua_State *L, struct identity *i, double now)
{
  time_t seconds = (time_t)now;
  struct tm utc;
  if (gmtime_r(&seconds, &utc) == NULL || strftime(i->stamp, sizeof i->stamp, "%Y%m%dT%H%M%SZ", &utc) == 0)
    luaL_error(L, "vault: the clock shows no date");
  (void)snprintf(i->length, sizeof i->length, "%zu", strlen(BODY));
  add_header(i, "Host", i->host);
  add_header(i, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  add_header(i, "Content-Length", i->length);
  add_header(i, "X-Amz-Date", i->stamp);
  if (i->token != NULL)
    add_header(i, "X-Amz-Security-Token", (const char *)i->token->data);
  if (i->server_id != NULL)
    add_header(i, "X-Vault-AWS-IAM-Server-ID", i->server_id);
}

/* A text as a JSON string: tokens, signatures and IDs hold nothing but printable ASCII. */
static bool put_string(struct bytes *out, const char *text)
{
  bool ok = bytes_puts(out, "\"");
  for (const char *c = text; ok && *c != '\0'; c++) {
    if (*c < ' ' || *c > '~')
      return false;
    ok = (*c != '"' && *c != '\\') || bytes_puts(out, "\\");
    ok = ok && bytes_append(out, c, 1);
  }
  return ok && bytes_puts(out, "\"");
}

/* {"Name":["value"],…} */
static bool write_json(const struct identity *i, struct bytes *out)
{
  bool ok = bytes_puts(out, "{");
  for (size_t n = 0; ok && n < i->header_count; n++)
    ok = (n == 0 || bytes_puts(out, ",")) && put_string(out, i->headers[n].name) && bytes_puts(out, ":[")
      && put_string(out, i->headers[n].value) && bytes_puts(out, "]");
  return ok && bytes_puts(out, "}");
}

static bool encode(const struct bytes *from, struct bytes *out)
{
  unsigned char block[64];
  bool ok = true;
  for (size_t at = 0; ok && at < from->length; at += 45) {
    size_t left = from->length - at < 45 ? from->length - at : 45;
    int length = EVP_EncodeBlock(block, (const unsigned char *)from->data + at, (int)left);
    ok = bytes_append(out, block, (size_t)length);
  }
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

/* The headers with the signature among them, in base64. */
static bool sign(struct door *door, struct identity *i, struct bytes *out)
{
  struct bytes authorization = {0}, json = {0};
  struct sigv4_request s = {
    .method = "POST", .path = "/", .headers = i->headers, .header_count = i->header_count, .body = BODY, .body_length = strlen(BODY),
    .access_key_id = i->access_key_id, .secret = i->key->data, .secret_length = i->key->length, .region = i->region, .service = "sts",
    .stamp = i->stamp,
  };
  bool ok = sigv4_authorization(door->signing_keys, &s, &authorization);
  if (ok)
    add_header(i, "Authorization", authorization.data);
  ok = ok && write_json(i, &json) && encode(&json, out);
  bytes_free(&authorization);
  bytes_free(&json);
  return ok;
}

static void push_base64(lua_State *L, const char *name, const char *text)
{
  unsigned char block[1024];
  int length = EVP_EncodeBlock(block, (const unsigned char *)text, (int)strlen(text));
  lua_pushlstring(L, (const char *)block, (size_t)length);
  lua_setfield(L, -2, name);
}

/* vault.sign_identity{url=, region=, server_id=, credentials=, skew=, session_key=} -> the fields iam_* of a login */
int vault_sign_identity(lua_State *L)
{
  int self = lua_upvalueindex(1);
  struct door *door = door_check(L, self);
  lua_settop(L, 1);
  struct identity i = {0};
  take_arguments(L, &i);
  static const struct effects_row row = {"vault", "SignIdentity", EFFECT_SESSION, false, NULL, NULL, NULL};
  const struct exchange e = {.service = "vault", .operation = row.operation, .row = &row, .effect = row.effect, .attempt = 1};
  lua_getfield(L, 1, "session_key");
  door_admit(L, door, self, &e, lua_gettop(L));
  write_headers(L, &i, door_now(L, door, self) + field_number(L, 1, "skew", 0));
  if (door->signing_keys == NULL)
    door->signing_keys = sigv4_cache_new();
  struct bytes out = {0};
  if (strlen(i.url) > 512 || door->signing_keys == NULL || !sign(door, &i, &out)) {
    bytes_free(&out);
    return luaL_error(L, "vault: the identity cannot be signed");
  }
  lua_newtable(L);
  secret_push(L, out.data, out.length, "vault");
  bytes_free(&out);
  lua_setfield(L, -2, "iam_request_headers");
  push_base64(L, "iam_request_url", i.url);
  push_base64(L, "iam_request_body", BODY);
  lua_pushliteral(L, "POST");
  lua_setfield(L, -2, "iam_http_request_method");
  return 1;
}

/* crypto.c -- digests, HMAC, random bytes, encodings, constant-time compare; AES-GCM and RSA for the simulated services and for wrapping.
 * Everything that is hashed or ciphered is done by OpenSSL. Text that cannot be decoded and seals that are broken give nil. */
#include <string.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "bytes.h"
#include "host.h"
#include "sigv4.h"

#define ALGORITHMS "crypto.algorithms"
#define RSA_KEY    "crypto.rsa_key"

#define DATA_MAX   ((size_t)1 << 29)   /* bytes of one argument: lengths are ints in OpenSSL, and base64 grows them */
#define TAG        16                  /* bytes of an AES-GCM tag */
#define IV_MAX     128

/* What OpenSSL looks up by name, looked up once: a look-up costs more than a digest. */
struct algorithms {
  EVP_MD *sha1, *sha256;               /* owned; NULL until first needed */
  EVP_CIPHER *gcm[3];                  /* owned; for keys of 16, 24 and 32 bytes; NULL until first needed */
};

struct data {
  const unsigned char *bytes;          /* borrowed from a Lua string */
  size_t length;
};

static int crypto_sha1(lua_State *L);
static int crypto_sha256(lua_State *L);
static int crypto_hmac_sha256(lua_State *L);
static int crypto_random(lua_State *L);
static int crypto_equal(lua_State *L);
static int crypto_hex(lua_State *L);
static int crypto_unhex(lua_State *L);
static int crypto_base64(lua_State *L);
static int crypto_base64url(lua_State *L);
static int crypto_unbase64(lua_State *L);
static int crypto_percent_encode(lua_State *L);
static int crypto_percent_decode(lua_State *L);
static int crypto_aes_gcm_seal(lua_State *L);
static int crypto_aes_gcm_open(lua_State *L);
static int crypto_aes_kwp_wrap(lua_State *L);
static int crypto_aes_kwp_unwrap(lua_State *L);
static int crypto_rsa_generate(lua_State *L);
static int crypto_rsa_public(lua_State *L);
static int crypto_rsa_oaep_wrap(lua_State *L);
static int crypto_rsa_oaep_unwrap(lua_State *L);

static const luaL_Reg functions[] = {
  {"sha1",            crypto_sha1},             /* crypto.sha1(text) -> 20 bytes */
  {"sha256",          crypto_sha256},           /* crypto.sha256(text) -> 32 bytes */
  {"hmac_sha256",     crypto_hmac_sha256},      /* crypto.hmac_sha256(key, text) -> 32 bytes */
  {"random",          crypto_random},           /* crypto.random(n) -> n bytes */
  {"equal",           crypto_equal},            /* crypto.equal(a, b) -> boolean, in a time that tells nothing of where they differ */
  {"hex",             crypto_hex},              /* crypto.hex(bytes) -> lower-case digits */
  {"unhex",           crypto_unhex},            /* crypto.unhex(digits) -> bytes | nil */
  {"base64",          crypto_base64},           /* crypto.base64(bytes) -> text */
  {"base64url",       crypto_base64url},        /* crypto.base64url(bytes) -> text without padding */
  {"unbase64",        crypto_unbase64},         /* crypto.unbase64(text) -> bytes | nil; only what base64 itself writes */
  {"percent_encode",  crypto_percent_encode},   /* crypto.percent_encode(text) -> text; A-Z a-z 0-9 - . _ ~ stay */
  {"percent_decode",  crypto_percent_decode},   /* crypto.percent_decode(text) -> text; what is no %XX stays */
  {"aes_gcm_seal",    crypto_aes_gcm_seal},     /* crypto.aes_gcm_seal(key, iv, plaintext, aad) -> ciphertext .. tag */
  {"aes_gcm_open",    crypto_aes_gcm_open},     /* crypto.aes_gcm_open(key, iv, sealed, aad) -> plaintext | nil */
  {"aes_kwp_wrap",    crypto_aes_kwp_wrap},     /* crypto.aes_kwp_wrap(key, bytes) -> wrapped; RFC 5649, keys of 32 bytes */
  {"aes_kwp_unwrap",  crypto_aes_kwp_unwrap},   /* crypto.aes_kwp_unwrap(key, wrapped) -> bytes | nil */
  {"rsa_generate",    crypto_rsa_generate},     /* crypto.rsa_generate(bits) -> key */
  {"rsa_public",      crypto_rsa_public},       /* crypto.rsa_public(key) -> DER (SubjectPublicKeyInfo) */
  {"rsa_oaep_wrap",   crypto_rsa_oaep_wrap},    /* crypto.rsa_oaep_wrap(der, bytes, hash) -> wrapped; hash: "sha1", "sha256" */
  {"rsa_oaep_unwrap", crypto_rsa_oaep_unwrap},  /* crypto.rsa_oaep_unwrap(key, wrapped, hash) -> bytes | nil */
  {NULL, NULL}
};

/* ---- arguments ---- */

static struct data check_data(lua_State *L, int index)
{
  struct data d;
  d.bytes = (const unsigned char *)luaL_checklstring(L, index, &d.length);
  luaL_argcheck(L, d.length <= DATA_MAX, index, "more than 512 MiB");
  return d;
}

/* What cannot be decoded or opened. */
static int nothing(lua_State *L)
{
  lua_pushnil(L);
  return 1;
}

static struct algorithms *algorithms(lua_State *L)
{
  return lua_touserdata(L, lua_upvalueindex(1));
}

static int fail(lua_State *L, const char *doing)
{
  const char *reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return luaL_error(L, "crypto: cannot %s: %s", doing, reason != NULL ? reason : "no memory");
}

static int algorithms_gc(lua_State *L)
{
  struct algorithms *a = luaL_checkudata(L, 1, ALGORITHMS);
  EVP_MD_free(a->sha1);
  EVP_MD_free(a->sha256);
  for (size_t i = 0; i < 3; i++)
    EVP_CIPHER_free(a->gcm[i]);
  memset(a, 0, sizeof *a);
  return 0;
}

static const EVP_MD *digest(lua_State *L, EVP_MD **slot, const char *name)
{
  if (*slot == NULL)
    *slot = EVP_MD_fetch(NULL, name, NULL);
  if (*slot == NULL)
    fail(L, "find a digest");
  return *slot;
}

static const EVP_CIPHER *cipher(lua_State *L, size_t key_length)
{
  static const char *const names[] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};
  luaL_argcheck(L, key_length == 16 || key_length == 24 || key_length == 32, 1, "a key of AES has 16, 24 or 32 bytes");
  size_t i = key_length / 8 - 2;
  EVP_CIPHER **slot = &algorithms(L)->gcm[i];
  if (*slot == NULL)
    *slot = EVP_CIPHER_fetch(NULL, names[i], NULL);
  if (*slot == NULL)
    fail(L, "find AES-GCM");
  return *slot;
}

/* ---- digests ---- */

static int push_digest(lua_State *L, const EVP_MD *md)
{
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length;
  struct data d = check_data(L, 1);
  if (EVP_Digest(d.bytes, d.length, out, &length, md, NULL) != 1)
    return fail(L, "hash");
  lua_pushlstring(L, (const char *)out, length);
  return 1;
}

static int crypto_sha1(lua_State *L)
{
  return push_digest(L, digest(L, &algorithms(L)->sha1, "SHA1"));
}

static int crypto_sha256(lua_State *L)
{
  return push_digest(L, digest(L, &algorithms(L)->sha256, "SHA256"));
}

static int crypto_hmac_sha256(lua_State *L)
{
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length;
  struct data key = check_data(L, 1), d = check_data(L, 2);
  const EVP_MD *md = digest(L, &algorithms(L)->sha256, "SHA256");
  if (HMAC(md, key.bytes, (int)key.length, d.bytes, d.length, out, &length) == NULL)
    return fail(L, "make an HMAC");
  lua_pushlstring(L, (const char *)out, length);
  OPENSSL_cleanse(out, sizeof out);
  return 1;
}

static int crypto_random(lua_State *L)
{
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 0 && count <= 1 << 20, 1, "0 to 1048576 bytes");
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, (size_t)count);
  if (RAND_bytes((unsigned char *)out, (int)count) != 1)
    return fail(L, "get random bytes");
  luaL_pushresultsize(&buffer, (size_t)count);
  return 1;
}

static int crypto_equal(lua_State *L)
{
  struct data a = check_data(L, 1), b = check_data(L, 2);
  lua_pushboolean(L, a.length == b.length && CRYPTO_memcmp(a.bytes, b.bytes, a.length) == 0);
  return 1;
}

/* ---- encodings ---- */

static int crypto_hex(lua_State *L)
{
  static const char digits[] = "0123456789abcdef";
  struct data d = check_data(L, 1);
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, 2 * d.length);
  for (size_t i = 0; i < d.length; i++) {
    out[2 * i] = digits[d.bytes[i] >> 4];
    out[2 * i + 1] = digits[d.bytes[i] & 15];
  }
  luaL_pushresultsize(&buffer, 2 * d.length);
  return 1;
}

static int hex_value(unsigned char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of two hex digits; -1 when they are none. */
static int hex_byte(const unsigned char *digits)
{
  int high = hex_value(digits[0]), low = hex_value(digits[1]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static int crypto_unhex(lua_State *L)
{
  struct data d = check_data(L, 1);
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, d.length / 2);
  bool ok = d.length % 2 == 0;
  for (size_t i = 0; ok && i < d.length; i += 2) {
    int byte = hex_byte(d.bytes + i);
    ok = byte >= 0;
    out[i / 2] = (char)byte;
  }
  if (!ok)
    return nothing(L);
  luaL_pushresultsize(&buffer, d.length / 2);
  return 1;
}

static int crypto_base64(lua_State *L)
{
  struct data d = check_data(L, 1);
  luaL_Buffer buffer;
  unsigned char *out = (unsigned char *)luaL_buffinitsize(L, &buffer, (d.length + 2) / 3 * 4 + 1);
  luaL_pushresultsize(&buffer, (size_t)EVP_EncodeBlock(out, d.bytes, (int)d.length));
  return 1;
}

static int crypto_base64url(lua_State *L)
{
  struct data d = check_data(L, 1);
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, (d.length + 2) / 3 * 4 + 1);
  EVP_EncodeBlock((unsigned char *)out, d.bytes, (int)d.length);
  size_t length = (d.length * 8 + 5) / 6;   /* characters before the padding */
  for (size_t i = 0; i < length; i++)
    out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
  luaL_pushresultsize(&buffer, length);
  return 1;
}

static int base64_value(unsigned char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t padding(struct data d)
{
  if (d.length == 0 || d.bytes[d.length - 1] != '=')
    return 0;
  return d.length > 1 && d.bytes[d.length - 2] == '=' ? 2 : 1;
}

/* Whole groups, padded, no bits set that no byte takes: so two texts never stand for the same bytes. */
static int crypto_unbase64(lua_State *L)
{
  struct data d = check_data(L, 1);
  size_t end = d.length - padding(d), length = 0;
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, d.length / 4 * 3 + 3);
  unsigned bits = 0, count = 0;
  for (size_t i = 0; i < end; i++) {
    int value = base64_value(d.bytes[i]);
    if (value < 0)
      return nothing(L);
    bits = bits << 6 | (unsigned)value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[length++] = (char)(bits >> count & 255);
    }
  }
  if (d.length % 4 != 0 || (bits & ((1U << count) - 1)) != 0)
    return nothing(L);
  luaL_pushresultsize(&buffer, length);
  return 1;
}

static int crypto_percent_encode(lua_State *L)
{
  struct data d = check_data(L, 1);
  struct bytes coded = {.max = 3 * d.length + 1};
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, 3 * d.length + 1);
  bool ok = sigv4_encode(d.bytes, d.length, &coded);
  size_t length = coded.length;
  if (ok && length > 0)
    memcpy(out, coded.data, length);
  bytes_free(&coded);
  if (!ok)
    return luaL_error(L, "crypto: no memory to encode text");
  luaL_pushresultsize(&buffer, length);
  return 1;
}

static int crypto_percent_decode(lua_State *L)
{
  struct data d = check_data(L, 1);
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, d.length);
  size_t length = 0;
  for (size_t i = 0; i < d.length; i++) {
    int byte = d.bytes[i] == '%' && i + 2 < d.length ? hex_byte(d.bytes + i + 1) : -1;
    out[length++] = (char)(byte >= 0 ? byte : d.bytes[i]);
    i += byte >= 0 ? 2 : 0;
  }
  luaL_pushresultsize(&buffer, length);
  return 1;
}

/* ---- AES-GCM ---- */

/* What seal and open have in common. */
struct gcm {
  const EVP_CIPHER *cipher;
  struct data key, iv, text, aad;
  bool sealing;
};

static struct gcm check_gcm(lua_State *L, bool sealing)
{
  struct gcm g = {NULL, check_data(L, 1), check_data(L, 2), check_data(L, 3), {NULL, 0}, sealing};
  if (!lua_isnoneornil(L, 4))
    g.aad = check_data(L, 4);
  luaL_argcheck(L, g.iv.length >= 1 && g.iv.length <= IV_MAX, 2, "1 to 128 bytes, and 12 as a rule");
  g.cipher = cipher(L, g.key.length);
  return g;
}

/* Through all the text; only the tag is missing. */
static bool gcm_run(EVP_CIPHER_CTX *context, const struct gcm *g, unsigned char *out)
{
  int length;
  return EVP_CipherInit_ex2(context, g->cipher, NULL, NULL, g->sealing, NULL) == 1
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, (int)g->iv.length, NULL) == 1
      && EVP_CipherInit_ex2(context, NULL, g->key.bytes, g->iv.bytes, g->sealing, NULL) == 1
      && (g->aad.length == 0 || EVP_CipherUpdate(context, NULL, &length, g->aad.bytes, (int)g->aad.length) == 1)
      && (g->text.length == 0 || EVP_CipherUpdate(context, out, &length, g->text.bytes, (int)g->text.length) == 1);
}

static bool gcm_seal(const struct gcm *g, unsigned char *out)
{
  int length;
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  bool ok = context != NULL && gcm_run(context, g, out) && EVP_CipherFinal_ex(context, out + g->text.length, &length) == 1
         && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, out + g->text.length) == 1;
  EVP_CIPHER_CTX_free(context);
  return ok;
}

/* The text of g is the ciphertext; the tag, behind it, comes by itself. */
static bool gcm_open(const struct gcm *g, const unsigned char tag[TAG], unsigned char *out)
{
  int length;
  unsigned char expected[TAG];
  memcpy(expected, tag, TAG);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  bool ok = context != NULL && gcm_run(context, g, out) && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, expected) == 1
         && EVP_CipherFinal_ex(context, out + g->text.length, &length) == 1;
  EVP_CIPHER_CTX_free(context);
  ERR_clear_error();
  return ok;
}

static int crypto_aes_gcm_seal(lua_State *L)
{
  struct gcm g = check_gcm(L, true);
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, g.text.length + TAG);
  if (!gcm_seal(&g, (unsigned char *)out))
    return fail(L, "encrypt");
  luaL_pushresultsize(&buffer, g.text.length + TAG);
  return 1;
}

static int crypto_aes_gcm_open(lua_State *L)
{
  struct gcm g = check_gcm(L, false);
  if (g.text.length < TAG)
    return nothing(L);
  g.text.length -= TAG;
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, g.text.length + TAG);
  if (!gcm_open(&g, g.text.bytes + g.text.length, (unsigned char *)out)) {
    OPENSSL_cleanse(out, g.text.length);   /* not proved to be anybody's text */
    return nothing(L);
  }
  luaL_pushresultsize(&buffer, g.text.length);
  return 1;
}

/* ---- AES key wrap with padding ---- */

/* The wrapped text is up to 15 bytes longer than the plain one; false for what cannot be unwrapped. */
static bool kwp(struct data key, struct data text, bool wrapping, unsigned char *out, size_t *length)
{
  int count = 0, rest = 0;
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-WRAP-PAD", NULL);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  if (context != NULL)
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  bool ok = cipher != NULL && context != NULL && EVP_CipherInit_ex2(context, cipher, key.bytes, NULL, wrapping, NULL) == 1
         && EVP_CipherUpdate(context, out, &count, text.bytes, (int)text.length) == 1
         && EVP_CipherFinal_ex(context, out + count, &rest) == 1;
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  ERR_clear_error();
  *length = (size_t)count + (size_t)rest;
  return ok;
}

static int push_kwp(lua_State *L, bool wrapping)
{
  struct data key = check_data(L, 1), text = check_data(L, 2);
  luaL_argcheck(L, key.length == 32, 1, "32 bytes");
  luaL_argcheck(L, text.length > 0, 2, "no bytes");
  luaL_Buffer buffer;
  size_t room = text.length + 32, length = 0;
  char *out = luaL_buffinitsize(L, &buffer, room);
  bool ok = kwp(key, text, wrapping, (unsigned char *)out, &length);
  if (!ok) {
    OPENSSL_cleanse(out, room);
    return wrapping ? luaL_error(L, "crypto: cannot wrap a key") : nothing(L);
  }
  luaL_pushresultsize(&buffer, length);
  return 1;
}

static int crypto_aes_kwp_wrap(lua_State *L) { return push_kwp(L, true); }

static int crypto_aes_kwp_unwrap(lua_State *L) { return push_kwp(L, false); }

/* ---- RSA ---- */

/* A key to be, NULL until it is there; owned by the userdata on the stack. */
static EVP_PKEY **key_new(lua_State *L)
{
  EVP_PKEY **key = lua_newuserdatauv(L, sizeof(EVP_PKEY *), 0);
  *key = NULL;
  luaL_setmetatable(L, RSA_KEY);
  return key;
}

static int key_gc(lua_State *L)
{
  EVP_PKEY **key = luaL_checkudata(L, 1, RSA_KEY);
  EVP_PKEY_free(*key);
  *key = NULL;
  return 0;
}

static EVP_PKEY *check_key(lua_State *L, int index)
{
  EVP_PKEY **key = luaL_checkudata(L, index, RSA_KEY);
  luaL_argcheck(L, *key != NULL, index, "the key is gone");
  return *key;
}

static int crypto_rsa_generate(lua_State *L)
{
  lua_Integer bits = luaL_checkinteger(L, 1);
  luaL_argcheck(L, bits == 2048 || bits == 3072 || bits == 4096, 1, "an RSA key has 2048, 3072 or 4096 bits here");
  EVP_PKEY **key = key_new(L);
  *key = EVP_RSA_gen((unsigned)bits);
  return *key != NULL ? 1 : fail(L, "make an RSA key");
}

static int crypto_rsa_public(lua_State *L)
{
  const EVP_PKEY *key = check_key(L, 1);
  unsigned char der[1024], *end = der;
  int length = i2d_PUBKEY(key, NULL);
  if (length < 0 || (size_t)length > sizeof der || i2d_PUBKEY(key, &end) != length)
    return fail(L, "write a public key");
  lua_pushlstring(L, (const char *)der, (size_t)length);
  return 1;
}

/* OAEP with the hash of argument 3, also inside its mask. */
static bool set_oaep(EVP_PKEY_CTX *context, const char *hash)
{
  EVP_MD *md = EVP_MD_fetch(NULL, hash, NULL);
  bool ok = md != NULL && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1
         && EVP_PKEY_CTX_set_rsa_oaep_md(context, md) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) == 1;
  EVP_MD_free(md);
  return ok;
}

static const char *check_hash(lua_State *L)
{
  static const char *const names[] = {"sha1", "sha256", NULL};
  return names[luaL_checkoption(L, 3, NULL, names)];
}

static bool oaep_wrap(EVP_PKEY *key, struct data d, const char *hash, unsigned char *out, size_t *length)
{
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  bool ok = context != NULL && EVP_PKEY_encrypt_init(context) == 1 && set_oaep(context, hash)
         && EVP_PKEY_encrypt(context, out, length, d.bytes, d.length) == 1;
  EVP_PKEY_CTX_free(context);
  return ok;
}

static bool oaep_unwrap(EVP_PKEY *key, struct data d, const char *hash, unsigned char *out, size_t *length)
{
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  bool ok = context != NULL && EVP_PKEY_decrypt_init(context) == 1 && set_oaep(context, hash)
         && EVP_PKEY_decrypt(context, out, length, d.bytes, d.length) == 1;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return ok;
}

static int crypto_rsa_oaep_wrap(lua_State *L)
{
  struct data der = check_data(L, 1), d = check_data(L, 2);
  const char *hash = check_hash(L);
  unsigned char out[1024];
  size_t length = sizeof out;
  const unsigned char *end = der.bytes + der.length;
  EVP_PKEY **key = key_new(L);
  *key = d2i_PUBKEY(NULL, &der.bytes, (long)der.length);
  if (*key == NULL || der.bytes != end || !EVP_PKEY_is_a(*key, "RSA") || EVP_PKEY_get_size(*key) > (int)sizeof out)
    return fail(L, "read an RSA public key in DER");
  if (!oaep_wrap(*key, d, hash, out, &length))
    return fail(L, "wrap by RSA-OAEP");
  lua_pushlstring(L, (const char *)out, length);
  return 1;
}

static int crypto_rsa_oaep_unwrap(lua_State *L)
{
  EVP_PKEY *key = check_key(L, 1);
  struct data d = check_data(L, 2);
  unsigned char out[1024];
  size_t length = sizeof out;
  if (!oaep_unwrap(key, d, check_hash(L), out, &length))
    return nothing(L);
  lua_pushlstring(L, (const char *)out, length);
  OPENSSL_cleanse(out, sizeof out);
  return 1;
}

static void make_type(lua_State *L, const char *name, lua_CFunction finish)
{
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, finish);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "crypto");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

int luaopen_crypto(lua_State *L)
{
  make_type(L, ALGORITHMS, algorithms_gc);
  make_type(L, RSA_KEY, key_gc);
  luaL_newlibtable(L, functions);
  struct algorithms *a = lua_newuserdatauv(L, sizeof *a, 0);
  memset(a, 0, sizeof *a);
  luaL_setmetatable(L, ALGORITHMS);
  luaL_setfuncs(L, functions, 1);
  return 1;
}

/* material.c -- key material on its way from Vault to AWS KMS. What Vault gives is a secret of Vault's; what AWS takes is that secret
 * wrapped with the public key that KMS gave for it. The bytes in clear are in the secure heap, for as long as one call takes.
 * RSAES_OAEP_SHA_256 (RFC 8017: OAEP, SHA-256 as the hash and inside the mask, no label) is what KMS takes for a symmetric key. */
#include <string.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "host.h"
#include "secret.h"

#define MATERIAL 32             /* bytes: AES-256 */
#define MATERIAL_TEXT 44        /* characters of their base64, one of them padding */
#define MODULUS_MIN 256         /* bytes: RSA_2048 */
#define MODULUS_MAX 512         /* bytes: RSA_4096 */

static int material_wrap(lua_State *L);
static int material_pem(lua_State *L);

static const luaL_Reg functions[] = {
  {"wrap", material_wrap},   /* material.wrap(public_key, secret) -> secret for AWS | nil, message; both in base64, as the services write them */
  {"pem",  material_pem},    /* material.pem(public_key) -> the same key as PEM | nil, message */
  {NULL, NULL}
};

/* The public key of base64 DER; NULL when it is none that KMS would give. Owned by the caller. */
static EVP_PKEY *read_public_key(const char *text, size_t length)
{
  unsigned char der[1024];
  if (length == 0 || length % 4 != 0 || length / 4 * 3 > sizeof der)
    return NULL;
  int size = EVP_DecodeBlock(der, (const unsigned char *)text, (int)length);
  int padding = text[length - 1] != '=' ? 0 : text[length - 2] != '=' ? 1 : 2;
  const unsigned char *at = der;
  EVP_PKEY *key = size > padding ? d2i_PUBKEY(NULL, &at, size - padding) : NULL;
  bool fits = key != NULL && at == der + size - padding && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_size(key) >= MODULUS_MIN
           && EVP_PKEY_get_size(key) <= MODULUS_MAX;
  if (fits)
    return key;
  EVP_PKEY_free(key);
  ERR_clear_error();
  return NULL;
}

static EVP_PKEY *check_public_key(lua_State *L)
{
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  return read_public_key(text, length);
}

static int refuse(lua_State *L, const char *reason)
{
  ERR_clear_error();
  luaL_pushfail(L);
  lua_pushstring(L, reason);
  return 2;
}

/* The bytes of the material; false when the text is not that of 32 bytes. `clear` is in the secure heap and has room for 33. */
static bool decode(const struct secret *text, unsigned char *clear)
{
  return text->length == MATERIAL_TEXT && text->data[MATERIAL_TEXT - 1] == '=' && text->data[MATERIAL_TEXT - 2] != '='
      && EVP_DecodeBlock(clear, text->data, MATERIAL_TEXT) == MATERIAL + 1;
}

static bool encrypt(EVP_PKEY *key, const unsigned char *clear, unsigned char *out, size_t *length)
{
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  bool ok = context != NULL && EVP_PKEY_encrypt_init(context) == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1
         && EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1
         && EVP_PKEY_encrypt(context, out, length, clear, MATERIAL) == 1;
  EVP_PKEY_CTX_free(context);
  return ok;
}

/* Room for the clear bytes in the secure heap. When it is full, secrets that nobody holds any more may be in it: Lua's collector does not
 * know how small that heap is. */
static unsigned char *room(lua_State *L)
{
  unsigned char *clear = OPENSSL_secure_malloc(MATERIAL + 1);
  if (clear != NULL)
    return clear;
  lua_gc(L, LUA_GCCOLLECT);
  return OPENSSL_secure_malloc(MATERIAL + 1);
}

/* What is wrong, or NULL: the wrapped bytes are in `out`. Nothing of this raises, so the clear bytes are wiped whatever comes. */
static const char *wrap(lua_State *L, EVP_PKEY *key, const struct secret *text, unsigned char *out, size_t *length)
{
  unsigned char *clear = room(L);
  const char *fault = NULL;
  if (clear == NULL || !CRYPTO_secure_allocated(clear))
    fault = "there is no room for key material in memory that is never swapped out";
  else if (!decode(text, clear))
    fault = "what Vault gave is not a key of 32 bytes in base64";
  else if (!encrypt(key, clear, out, length))
    fault = "the key material cannot be wrapped by RSA-OAEP";
  if (clear != NULL)
    OPENSSL_secure_clear_free(clear, MATERIAL + 1);
  return fault;
}

static int material_wrap(lua_State *L)
{
  const struct secret *text = secret_check(L, 2);
  luaL_argcheck(L, secret_for(text, "vault"), 2, "key material is a secret of Vault's");
  EVP_PKEY *key = check_public_key(L);
  if (key == NULL)
    return refuse(L, "what KMS gave is no RSA public key of 2048 to 4096 bits");
  unsigned char out[MODULUS_MAX], coded[MODULUS_MAX * 4 / 3 + 4];
  size_t length = sizeof out;
  const char *fault = wrap(L, key, text, out, &length);
  EVP_PKEY_free(key);
  if (fault != NULL)
    return refuse(L, fault);
  int characters = EVP_EncodeBlock(coded, out, (int)length);
  secret_push(L, coded, (size_t)characters, "aws");
  return 1;
}

static int material_pem(lua_State *L)
{
  EVP_PKEY *key = check_public_key(L);
  if (key == NULL)
    return refuse(L, "what KMS gave is no RSA public key of 2048 to 4096 bits");
  EVP_PKEY_free(key);
  size_t length;
  const char *text = lua_tolstring(L, 1, &length);
  luaL_Buffer pem;
  luaL_buffinit(L, &pem);
  luaL_addstring(&pem, "-----BEGIN PUBLIC KEY-----\n");
  for (size_t at = 0; at < length; at += 64) {
    luaL_addlstring(&pem, text + at, length - at < 64 ? length - at : 64);
    luaL_addchar(&pem, '\n');
  }
  luaL_addstring(&pem, "-----END PUBLIC KEY-----\n");
  luaL_pushresult(&pem);
  return 1;
}

int luaopen_material(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

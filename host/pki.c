/* pki.c -- signatures and certificates of others, as the simulated Vault judges who logs in with a JSON Web Token or over mutual TLS.
 * What is no key, no certificate or no signature gives false or nil. */
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "host.h"

static int pki_verify(lua_State *L);
static int pki_certificate(lua_State *L);
static int pki_issued(lua_State *L);

static const luaL_Reg functions[] = {
  {"verify",      pki_verify},        /* pki.verify(algorithm, pem, text, signature) -> boolean; "RS256", "ES256", "EdDSA" … of RFC 7518 */
  {"certificate", pki_certificate},   /* pki.certificate(pem) -> {der=, common_name=, serial=, dns={…}, ends=seconds, authority=} | nil */
  {"issued",      pki_issued},        /* pki.issued(pem, authority) -> boolean: whether the authority's key has signed it */
  {NULL, NULL}
};

static BIO *text_at(lua_State *L, int index)
{
  size_t length;
  const char *text = luaL_checklstring(L, index, &length);
  return BIO_new_mem_buf(text, length < (1 << 20) ? (int)length : 0);
}

/* ---- signatures ---- */

static const struct algorithm {
  const char *name, *type;
  const EVP_MD *(*digest)(void);
  bool pss;
  int half;                   /* bytes of r and of s, where a signature is both one behind the other */
} algorithms[] = {
  {"RS256", "RSA", EVP_sha256, false, 0}, {"RS384", "RSA", EVP_sha384, false, 0}, {"RS512", "RSA", EVP_sha512, false, 0},
  {"PS256", "RSA", EVP_sha256, true, 0},  {"PS384", "RSA", EVP_sha384, true, 0},  {"PS512", "RSA", EVP_sha512, true, 0},
  {"ES256", "EC", EVP_sha256, false, 32}, {"ES384", "EC", EVP_sha384, false, 48}, {"ES512", "EC", EVP_sha512, false, 66},
  {"EdDSA", "ED25519", NULL, false, 0},
};

static const struct algorithm *algorithm_named(const char *name)
{
  for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
    if (strcmp(algorithms[i].name, name) == 0)
      return &algorithms[i];
  return NULL;
}

/* r and s as DER, which OpenSSL wants; its length, 0 when it is none. *out is OpenSSL's, to be freed. */
static int der_signature(const unsigned char *raw, size_t length, int half, unsigned char **out)
{
  if (length != 2 * (size_t)half)
    return 0;
  ECDSA_SIG *pair = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(raw, half, NULL), *s = BN_bin2bn(raw + half, half, NULL);
  int size = 0;
  if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
    r = s = NULL;             /* the pair's now */
    size = i2d_ECDSA_SIG(pair, out);
  }
  BN_free(r);
  BN_free(s);
  ECDSA_SIG_free(pair);
  return size > 0 ? size : 0;
}

static bool verify(EVP_PKEY *key, const struct algorithm *a, const unsigned char *text, size_t length, const unsigned char *signature, size_t size)
{
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  EVP_PKEY_CTX *more = NULL;
  bool ok = context != NULL && EVP_PKEY_is_a(key, a->type)
         && EVP_DigestVerifyInit(context, &more, a->digest != NULL ? a->digest() : NULL, NULL, key) == 1
         && (!a->pss || EVP_PKEY_CTX_set_rsa_padding(more, RSA_PKCS1_PSS_PADDING) == 1)
         && EVP_DigestVerify(context, signature, size, text, length) == 1;
  EVP_MD_CTX_free(context);
  return ok;
}

static int pki_verify(lua_State *L)
{
  size_t length, size;
  const struct algorithm *a = algorithm_named(luaL_checkstring(L, 1));
  const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 3, &length);
  const unsigned char *signature = (const unsigned char *)luaL_checklstring(L, 4, &size);
  BIO *pem = text_at(L, 2);
  EVP_PKEY *key = pem != NULL && a != NULL ? PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL) : NULL;
  unsigned char *der = NULL;
  int der_size = key != NULL && a->half > 0 ? der_signature(signature, size, a->half, &der) : 0;
  bool ok = key != NULL && (a->half > 0 ? der_size > 0 && verify(key, a, text, length, der, (size_t)der_size)
                                        : verify(key, a, text, length, signature, size));
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  BIO_free(pem);
  ERR_clear_error();
  lua_pushboolean(L, ok);
  return 1;
}

/* ---- certificates ---- */

static X509 *read_certificate(lua_State *L, int index)
{
  BIO *pem = text_at(L, index);
  X509 *certificate = pem != NULL ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
  BIO_free(pem);
  ERR_clear_error();
  return certificate;
}

/* A certificate that Lua collects: what pushes may raise. */
struct held {
  X509 *certificate;          /* owned; NULL: it could not be read */
};

static int certificate_gc(lua_State *L)
{
  struct held *held = lua_touserdata(L, 1);
  X509_free(held->certificate);
  held->certificate = NULL;
  return 0;
}

static X509 *hold_certificate(lua_State *L, int index)
{
  struct held *held = lua_newuserdatauv(L, sizeof *held, 0);
  held->certificate = NULL;
  if (luaL_newmetatable(L, "pki.certificate")) {
    lua_pushcfunction(L, certificate_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  held->certificate = read_certificate(L, index);
  return held->certificate;
}

static void set_der(lua_State *L, X509 *certificate)
{
  unsigned char *der = NULL;
  int length = i2d_X509(certificate, &der);
  luaL_Buffer buffer;
  char *to = luaL_buffinitsize(L, &buffer, length > 0 ? (size_t)length : 0);
  if (length > 0)
    memcpy(to, der, (size_t)length);
  OPENSSL_free(der);
  luaL_pushresultsize(&buffer, length > 0 ? (size_t)length : 0);
  lua_setfield(L, -2, "der");
}

static void set_names(lua_State *L, X509 *certificate)
{
  char name[256];
  int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  lua_pushstring(L, length >= 0 ? name : "");
  lua_setfield(L, -2, "common_name");
  char digits[128] = "";
  BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *decimal = serial != NULL ? BN_bn2dec(serial) : NULL;
  if (decimal != NULL && strlen(decimal) < sizeof digits)
    memcpy(digits, decimal, strlen(decimal) + 1);
  OPENSSL_free(decimal);
  BN_free(serial);
  lua_pushstring(L, digits);
  lua_setfield(L, -2, "serial");
}

static void set_dns(lua_State *L, X509 *certificate)
{
  lua_newtable(L);
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  lua_Integer count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS)
      continue;
    lua_pushlstring(L, (const char *)ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName));
    lua_rawseti(L, -2, ++count);
  }
  GENERAL_NAMES_free(names);
  lua_setfield(L, -2, "dns");
}

static int pki_certificate(lua_State *L)
{
  luaL_checkstring(L, 1);
  X509 *certificate = hold_certificate(L, 1);
  if (certificate == NULL) {
    luaL_pushfail(L);
    return 1;
  }
  lua_newtable(L);
  set_der(L, certificate);
  set_names(L, certificate);
  set_dns(L, certificate);
  struct tm end = {0};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
    lua_pushinteger(L, (lua_Integer)timegm(&end));
  else
    lua_pushinteger(L, 0);
  lua_setfield(L, -2, "ends");
  lua_pushboolean(L, X509_check_ca(certificate) == 1);
  lua_setfield(L, -2, "authority");
  return 1;
}

static int pki_issued(lua_State *L)
{
  X509 *certificate = hold_certificate(L, 1), *authority = hold_certificate(L, 2);
  EVP_PKEY *key = authority != NULL ? X509_get0_pubkey(authority) : NULL;
  bool ok = certificate != NULL && key != NULL && X509_check_issued(authority, certificate) == X509_V_OK && X509_verify(certificate, key) == 1;
  ERR_clear_error();
  lua_pushboolean(L, ok);
  return 1;
}

int luaopen_pki(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}

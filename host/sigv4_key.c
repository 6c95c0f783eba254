/* sigv4_key.c -- the keys of AWS Signature Version 4: derived by its HMAC chain, kept ready for use, wiped when they give way. */
#include "sigv4_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define HASH           SIGV4_HASH
#define BLOCK          64             /* bytes of a block of SHA-256 */
#define KEYS           32             /* derived keys that a cache holds: ten regions of three services */
#define CREDENTIAL_MAX 320            /* access key id/day/region/service */
#define SECRET_MAX     1024

/* A key made ready for HMAC: hashing starts from copies of these, the key's own blocks already behind them. */
struct prepared {
  EVP_MD_CTX *inner, *outer;          /* owned */
};

/* The key that signs one day's requests of one access key to one service in one region. */
struct derived {
  char credential[CREDENTIAL_MAX];    /* what it is for; empty: unused */
  size_t length;
  unsigned char origin[HASH];         /* SHA-256 of the secret it came from: the same key id may come with a new secret */
  struct prepared key;
};

struct sigv4_cache {
  EVP_MD *sha256;                     /* owned; fetched once, which costs more than a signature */
  EVP_MD_CTX *scratch;                /* owned */
  struct prepared chain;              /* the steps of a derivation */
  size_t next;                        /* whose turn it is to be replaced */
  struct derived derived[KEYS];
};

bool sigv4_hash(struct sigv4_cache *cache, const void *data, size_t length, unsigned char out[HASH])
{
  return EVP_DigestInit_ex2(cache->scratch, cache->sha256, NULL) == 1 && EVP_DigestUpdate(cache->scratch, data, length) == 1
      && EVP_DigestFinal_ex(cache->scratch, out, NULL) == 1;
}

struct sigv4_cache *sigv4_cache_new(void)
{
  struct sigv4_cache *cache = calloc(1, sizeof *cache);
  if (cache == NULL)
    return NULL;
  cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  cache->scratch = EVP_MD_CTX_new();
  if (cache->sha256 != NULL && cache->scratch != NULL)
    return cache;
  sigv4_cache_free(cache);
  return NULL;
}

/* OpenSSL wipes the state of a digest that it frees. */
static void prepared_free(struct prepared *key)
{
  EVP_MD_CTX_free(key->inner);
  EVP_MD_CTX_free(key->outer);
  *key = (struct prepared){NULL, NULL};
}

void sigv4_cache_free(struct sigv4_cache *cache)
{
  if (cache == NULL)
    return;
  for (size_t i = 0; i < KEYS; i++)
    prepared_free(&cache->derived[i].key);
  prepared_free(&cache->chain);
  EVP_MD_CTX_free(cache->scratch);
  EVP_MD_free(cache->sha256);
  OPENSSL_cleanse(cache, sizeof *cache);
  free(cache);
}

/* A digest that has taken in the key's block, each byte of it changed by pad. */
static bool begin(const struct sigv4_cache *cache, EVP_MD_CTX **context, const unsigned char block[BLOCK], unsigned char pad)
{
  unsigned char padded[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    padded[i] = block[i] ^ pad;
  if (*context == NULL)
    *context = EVP_MD_CTX_new();
  bool ok = *context != NULL && EVP_DigestInit_ex2(*context, cache->sha256, NULL) == 1 && EVP_DigestUpdate(*context, padded, BLOCK) == 1;
  OPENSSL_cleanse(padded, sizeof padded);
  return ok;
}

/* RFC 2104: a key longer than a block is replaced by its hash. */
static bool prepare(struct sigv4_cache *cache, struct prepared *key, const unsigned char *data, size_t length)
{
  unsigned char block[BLOCK] = {0};
  bool ok = true;
  if (length > BLOCK)
    ok = sigv4_hash(cache, data, length, block);
  else
    memcpy(block, data, length);
  ok = ok && begin(cache, &key->inner, block, 0x36) && begin(cache, &key->outer, block, 0x5c);
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

static bool finish(struct sigv4_cache *cache, const EVP_MD_CTX *begun, const void *data, size_t length, unsigned char out[HASH])
{
  return EVP_MD_CTX_copy_ex(cache->scratch, begun) == 1 && EVP_DigestUpdate(cache->scratch, data, length) == 1
      && EVP_DigestFinal_ex(cache->scratch, out, NULL) == 1;
}

static bool hmac(struct sigv4_cache *cache, const struct prepared *key, const void *data, size_t length, unsigned char out[HASH])
{
  unsigned char inner[HASH];
  return finish(cache, key->inner, data, length, inner) && finish(cache, key->outer, inner, sizeof inner, out);
}

/* One step of the chain: the key becomes the MAC of the text under it. */
static bool step(struct sigv4_cache *cache, unsigned char key[HASH], const char *text, size_t length)
{
  return prepare(cache, &cache->chain, key, HASH) && hmac(cache, &cache->chain, text, length, key);
}

/* SigV4's "derive a signing key". */
static bool derive(struct sigv4_cache *cache, const struct sigv4_request *r, struct prepared *out)
{
  unsigned char seed[4 + SECRET_MAX] = "AWS4", key[HASH];
  memcpy(seed + 4, r->secret, r->secret_length);
  bool ok = prepare(cache, &cache->chain, seed, 4 + r->secret_length) && hmac(cache, &cache->chain, r->stamp, 8, key)
         && step(cache, key, r->region, strlen(r->region)) && step(cache, key, r->service, strlen(r->service))
         && step(cache, key, SIGV4_TERMINATOR, strlen(SIGV4_TERMINATOR)) && prepare(cache, out, key, HASH);
  prepared_free(&cache->chain);
  OPENSSL_cleanse(seed, sizeof seed);
  OPENSSL_cleanse(key, sizeof key);
  return ok;
}

/* The entry for a credential, or the one that gives way to it. */
static struct derived *find_derived(struct sigv4_cache *cache, const char *credential, size_t length)
{
  for (size_t i = 0; i < KEYS; i++)
    if (cache->derived[i].length == length && memcmp(cache->derived[i].credential, credential, length) == 0)
      return &cache->derived[i];
  cache->next = (cache->next + 1) % KEYS;
  return &cache->derived[cache->next];
}

static void forget(struct derived *d)
{
  prepared_free(&d->key);
  OPENSSL_cleanse(d, sizeof *d);
}

/* The derived key, borrowed from the cache; NULL when it cannot be made. */
static const struct prepared *signing_key(struct sigv4_cache *cache, const struct sigv4_request *r)
{
  char credential[CREDENTIAL_MAX];
  if (r->secret_length > SECRET_MAX)
    return NULL;
  int printed = snprintf(credential, sizeof credential, "%s/%.8s/%s/%s", r->access_key_id, r->stamp, r->region, r->service);
  unsigned char origin[HASH];
  if (printed < 0 || (size_t)printed >= sizeof credential || !sigv4_hash(cache, r->secret, r->secret_length, origin))
    return NULL;
  struct derived *d = find_derived(cache, credential, (size_t)printed);
  bool same = d->length == (size_t)printed && memcmp(d->credential, credential, (size_t)printed) == 0;   /* it may be one that gives way */
  if (same && CRYPTO_memcmp(d->origin, origin, HASH) == 0)
    return &d->key;
  forget(d);
  if (!derive(cache, r, &d->key)) {
    forget(d);
    return NULL;
  }
  memcpy(d->credential, credential, (size_t)printed);
  memcpy(d->origin, origin, HASH);
  d->length = (size_t)printed;
  return &d->key;
}

bool sigv4_mac(struct sigv4_cache *cache, const struct sigv4_request *r, const void *text, size_t length, unsigned char out[HASH])
{
  const struct prepared *key = signing_key(cache, r);
  return key != NULL && hmac(cache, key, text, length, out);
}

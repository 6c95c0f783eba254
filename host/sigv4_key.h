/* sigv4_key.h -- what sigv4.c needs of the keys: hashing, and the MAC by a derived key. */
#ifndef SIGV4_KEY_H
#define SIGV4_KEY_H

#include "sigv4.h"

#define SIGV4_HASH       32               /* bytes of a SHA-256 */
#define SIGV4_TERMINATOR "aws4_request"

bool sigv4_hash(struct sigv4_cache *cache, const void *data, size_t length, unsigned char out[SIGV4_HASH]);

/* The MAC of the text by the key of the request's day, region and service; its stamp is well formed. */
bool sigv4_mac(struct sigv4_cache *cache, const struct sigv4_request *request, const void *text, size_t length,
               unsigned char out[SIGV4_HASH]);

#endif

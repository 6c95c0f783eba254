/* sigv4.h -- AWS Signature Version 4: a request in, its stages and its signature out. Pure: no Lua, no clock, no network. */
#ifndef SIGV4_H
#define SIGV4_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

#define SIGV4_SIGNATURE 65     /* hex digits of a signature, and a NUL */

struct sigv4_header {
  const char *name, *value;
};

/* Everything is borrowed for the call. All headers are signed; the caller has put Host and X-Amz-Date among them. */
struct sigv4_request {
  const char *method;
  const char *path;                      /* as it goes on the wire; empty stands for "/" */
  const char *query;                     /* as it goes on the wire, without "?"; NULL for none */
  const struct sigv4_header *headers;
  size_t header_count;
  const void *body;
  size_t body_length;
  const char *access_key_id;
  const unsigned char *secret;
  size_t secret_length;
  const char *region, *service;
  const char *stamp;                     /* YYYYMMDDTHHMMSSZ */
  bool keep_path;                        /* leave dot segments and repeated slashes in the path */
};

/* Keys derived for (access key, day, region, service), wiped when they are replaced or freed. */
struct sigv4_cache;
struct sigv4_cache *sigv4_cache_new(void);              /* NULL: no memory */
void sigv4_cache_free(struct sigv4_cache *cache);       /* NULL is fine */

/* The stages. Each appends to out and returns false when memory ends or when a name, the method or the stamp is malformed. */
bool sigv4_canonical_request(struct sigv4_cache *cache, const struct sigv4_request *request, struct bytes *out);
bool sigv4_signed_headers(const struct sigv4_request *request, struct bytes *out);
bool sigv4_string_to_sign(struct sigv4_cache *cache, const struct sigv4_request *request, const struct bytes *canonical, struct bytes *out);
bool sigv4_signature(struct sigv4_cache *cache, const struct sigv4_request *request, const struct bytes *string_to_sign,
                     char signature[SIGV4_SIGNATURE]);

/* All of them: the value of the Authorization header. */
bool sigv4_authorization(struct sigv4_cache *cache, const struct sigv4_request *request, struct bytes *out);

/* The query form: the request's query grown by X-Amz-Algorithm ... X-Amz-Security-Token (NULL: no token), without the signature. Set as
 * the query of the same request, whose headers hold no X-Amz-Date, it goes through the stages above. */
bool sigv4_presign_query(const struct sigv4_request *request, unsigned expires, const char *session_token, struct bytes *out);

/* Appends the SHA-256 of a body in hex digits, as X-Amz-Content-Sha256 has it. */
bool sigv4_payload_hash(struct sigv4_cache *cache, const void *data, size_t length, struct bytes *out);

/* Appends the text with all but A-Z a-z 0-9 - . _ ~ as %XX. */
bool sigv4_encode(const void *text, size_t length, struct bytes *out);

#endif

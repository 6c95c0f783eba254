/* sigv4.c -- AWS Signature Version 4, stage by stage after its specification ("Create a signed AWS API request"). Pure: no Lua, no I/O. */
#include "sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigv4_key.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

/* A part of some text. */
struct slice {
  const char *text;
  size_t length;
};

/* A member of the canonical query or of the canonical headers. */
struct member {
  struct slice name, value;
  size_t place;                       /* where it stood, which decides between equals */
};

struct members {
  struct member *list;                /* owned */
  size_t count;
};

static bool put(struct bytes *out, struct slice s)
{
  return bytes_append(out, s.text, s.length);
}

static bool unreserved(unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Appends the text with all but the unreserved characters and `also` as %XX. */
static bool encode(const char *text, size_t length, char also, struct bytes *out)
{
  static const char digits[] = "0123456789ABCDEF";
  size_t start = 0;
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (unreserved(c) || (also != '\0' && text[i] == also))
      continue;
    char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
    if (!bytes_append(out, text + start, i - start) || !bytes_append(out, coded, sizeof coded))
      return false;
    start = i + 1;
  }
  return bytes_append(out, text + start, length - start);
}

bool sigv4_encode(const void *text, size_t length, struct bytes *out)
{
  return encode(text, length, '\0', out);
}

static char lower(char c)
{
  return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 9110's token: what a method and the name of a header are made of. Anything else could forge a line of the canonical request. */
static bool token(const char *text)
{
  const char *c = text;
  while ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || (*c != '\0' && strchr("!#$%&'*+-.^_`|~", *c) != NULL))
    c++;
  return c > text && *c == '\0';
}

static bool well_formed_stamp(const char *stamp)
{
  static const char shape[] = "00000000T000000Z";
  size_t i = 0;
  while (shape[i] != '\0' && (shape[i] == '0' ? stamp[i] >= '0' && stamp[i] <= '9' : stamp[i] == shape[i]))
    i++;
  return shape[i] == '\0' && stamp[i] == '\0';
}

static int hex_value(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void to_hex(const unsigned char *data, size_t length, char *out)
{
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < length; i++) {
    out[2 * i] = digits[data[i] >> 4];
    out[2 * i + 1] = digits[data[i] & 15];
  }
  out[2 * length] = '\0';
}

/* ---- the canonical URI ---- */

/* The path without ".", ".." and empty segments. A slash at its end stays, unless nothing but that is left. */
static bool normalize(const char *path, struct bytes *out)
{
  const char *segment = path;
  while (*segment != '\0') {
    size_t length = strcspn(segment, "/");
    if (length == 2 && memcmp(segment, "..", 2) == 0) {
      while (out->length > 0 && out->data[--out->length] != '/')
        ;
    } else if (length > 0 && !(length == 1 && *segment == '.')) {
      if (!bytes_puts(out, "/") || !bytes_append(out, segment, length))
        return false;
    }
    segment += length;
    segment += *segment == '/';
  }
  bool slash = path[0] != '\0' && path[strlen(path) - 1] == '/';
  return (!slash && out->length > 0) || bytes_puts(out, "/");
}

static bool canonical_uri(const struct sigv4_request *r, struct bytes *out)
{
  if (r->keep_path)
    return *r->path == '\0' ? bytes_puts(out, "/") : encode(r->path, strlen(r->path), '/', out);
  struct bytes path = {0};
  bool ok = normalize(r->path, &path) && encode(path.data, path.length, '/', out);
  bytes_free(&path);
  return ok;
}

/* ---- the canonical query ---- */

/* Decodes what is encoded, then encodes it the one canonical way. */
static bool recode(const char *text, size_t length, struct bytes *out)
{
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    if (c == '%' && i + 2 < length && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      c = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    }
    if (!encode(&c, 1, '\0', out))
      return false;
  }
  return true;
}

static int compare_slices(struct slice a, struct slice b)
{
  int order = memcmp(a.text, b.text, a.length < b.length ? a.length : b.length);
  return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int by_name_and_value(const void *left, const void *right)
{
  const struct member *a = left, *b = right;
  int order = compare_slices(a->name, b->name);
  return order != 0 ? order : compare_slices(a->value, b->value);
}

/* Appends each pair canonically to text and notes where its parts begin; slices hold offsets until text has stopped moving. */
static bool read_pairs(const char *query, struct members *pairs, struct bytes *text)
{
  while (*query != '\0') {
    size_t length = strcspn(query, "&"), name = strcspn(query, "=&");
    if (length > 0) {
      struct member *pair = &pairs->list[pairs->count++];
      size_t at = text->length;
      if (!recode(query, name, text))
        return false;
      pair->name = (struct slice){NULL, text->length - at};
      if (name < length && !recode(query + name + 1, length - name - 1, text))
        return false;
      pair->value = (struct slice){NULL, text->length - at - pair->name.length};
      if (strncmp(text->data + at, "X-Amz-Signature", pair->name.length) == 0 && pair->name.length == 15) {   /* never signs itself */
        pairs->count--;
        text->length = at;
      }
    }
    query += length;
    query += *query == '&';
  }
  return true;
}

static bool write_pairs(struct members *pairs, const struct bytes *text, struct bytes *out)
{
  const char *at = text->data;
  for (size_t i = 0; i < pairs->count; i++) {
    struct member *pair = &pairs->list[i];
    pair->name.text = at;
    pair->value.text = at + pair->name.length;
    at = pair->value.text + pair->value.length;
  }
  qsort(pairs->list, pairs->count, sizeof *pairs->list, by_name_and_value);
  for (size_t i = 0; i < pairs->count; i++)
    if ((i > 0 && !bytes_puts(out, "&")) || !put(out, pairs->list[i].name) || !bytes_puts(out, "=") || !put(out, pairs->list[i].value))
      return false;
  return true;
}

static size_t count_pairs(const char *query)
{
  size_t count = 1;
  for (; *query != '\0'; query++)
    count += *query == '&';
  return count;
}

static bool canonical_query(const struct sigv4_request *r, struct bytes *out)
{
  if (r->query == NULL || *r->query == '\0')
    return true;
  struct bytes text = {0};
  struct members pairs = {calloc(count_pairs(r->query), sizeof *pairs.list), 0};
  bool ok = pairs.list != NULL && bytes_puts(&text, "") && read_pairs(r->query, &pairs, &text) && write_pairs(&pairs, &text, out);
  free(pairs.list);
  bytes_free(&text);
  return ok;
}

/* ---- the canonical headers ---- */

static int compare_names(struct slice a, struct slice b)
{
  for (size_t i = 0; i < a.length && i < b.length; i++) {
    int order = (unsigned char)lower(a.text[i]) - (unsigned char)lower(b.text[i]);
    if (order != 0)
      return order;
  }
  return (a.length > b.length) - (a.length < b.length);
}

/* Headers of the same name keep the order they came in. */
static int by_name_and_place(const void *left, const void *right)
{
  const struct member *a = left, *b = right;
  int order = compare_names(a->name, b->name);
  return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* The headers sorted; free the list. */
static bool sort_headers(const struct sigv4_request *r, struct members *headers)
{
  *headers = (struct members){calloc(r->header_count + 1, sizeof *headers->list), r->header_count};
  if (headers->list == NULL)
    return false;
  bool ok = true;
  for (size_t i = 0; i < r->header_count; i++) {
    const struct sigv4_header *h = &r->headers[i];
    headers->list[i] = (struct member){{h->name, strlen(h->name)}, {h->value, strlen(h->value)}, i};
    ok = ok && token(h->name);
  }
  if (ok)
    qsort(headers->list, headers->count, sizeof *headers->list, by_name_and_place);
  return ok;
}

static bool blank(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, and every run of blanks one space: also inside quotes, also where a line was folded. */
static bool write_value(struct slice value, struct bytes *out)
{
  const char *at = value.text, *end = value.text + value.length;
  for (bool first = true;; first = false) {
    while (at < end && blank(*at))
      at++;
    if (at == end)
      return true;
    const char *word = at;
    while (at < end && !blank(*at))
      at++;
    if ((!first && !bytes_puts(out, " ")) || !bytes_append(out, word, (size_t)(at - word)))
      return false;
  }
}

static bool write_lower(struct slice name, struct bytes *out)
{
  size_t start = out->length;
  if (!put(out, name))
    return false;
  for (size_t i = start; i < out->length; i++)
    out->data[i] = lower(out->data[i]);
  return true;
}

static bool same_name(const struct members *headers, size_t i)
{
  return i > 0 && i < headers->count && compare_names(headers->list[i - 1].name, headers->list[i].name) == 0;
}

static bool canonical_headers(const struct members *headers, struct bytes *out)
{
  for (size_t i = 0; i < headers->count; i++) {
    const struct member *h = &headers->list[i];
    bool ok = same_name(headers, i) ? bytes_puts(out, ",") : write_lower(h->name, out) && bytes_puts(out, ":");
    if (!ok || !write_value(h->value, out) || (!same_name(headers, i + 1) && !bytes_puts(out, "\n")))
      return false;
  }
  return true;
}

static bool signed_headers(const struct members *headers, struct bytes *out)
{
  for (size_t i = 0; i < headers->count; i++)
    if (!same_name(headers, i) && ((i > 0 && !bytes_puts(out, ";")) || !write_lower(headers->list[i].name, out)))
      return false;
  return true;
}

bool sigv4_signed_headers(const struct sigv4_request *r, struct bytes *out)
{
  struct members headers;
  bool ok = sort_headers(r, &headers) && signed_headers(&headers, out);
  free(headers.list);
  return ok;
}

/* ---- the stages ---- */

bool sigv4_payload_hash(struct sigv4_cache *cache, const void *data, size_t length, struct bytes *out)
{
  unsigned char digest[SIGV4_HASH];
  char hex[SIGV4_SIGNATURE];
  if (!sigv4_hash(cache, length > 0 ? data : "", length, digest))
    return false;
  to_hex(digest, sizeof digest, hex);
  return bytes_puts(out, hex);
}

bool sigv4_canonical_request(struct sigv4_cache *cache, const struct sigv4_request *r, struct bytes *out)
{
  struct members headers;
  bool ok = sort_headers(r, &headers) && token(r->method) && bytes_puts(out, r->method) && bytes_puts(out, "\n")
         && canonical_uri(r, out) && bytes_puts(out, "\n") && canonical_query(r, out) && bytes_puts(out, "\n")
         && canonical_headers(&headers, out) && bytes_puts(out, "\n") && signed_headers(&headers, out) && bytes_puts(out, "\n")
         && sigv4_payload_hash(cache, r->body, r->body_length, out);
  free(headers.list);
  return ok;
}

/* day/region/service/aws4_request */
static bool write_scope(const struct sigv4_request *r, struct bytes *out)
{
  return bytes_append(out, r->stamp, 8) && bytes_puts(out, "/") && bytes_puts(out, r->region) && bytes_puts(out, "/")
      && bytes_puts(out, r->service) && bytes_puts(out, "/" SIGV4_TERMINATOR);
}

bool sigv4_string_to_sign(struct sigv4_cache *cache, const struct sigv4_request *r, const struct bytes *canonical, struct bytes *out)
{
  return well_formed_stamp(r->stamp) && bytes_puts(out, ALGORITHM "\n") && bytes_puts(out, r->stamp) && bytes_puts(out, "\n")
      && write_scope(r, out) && bytes_puts(out, "\n") && sigv4_payload_hash(cache, canonical->data, canonical->length, out);
}

bool sigv4_signature(struct sigv4_cache *cache, const struct sigv4_request *r, const struct bytes *text, char signature[SIGV4_SIGNATURE])
{
  unsigned char mac[SIGV4_HASH];
  if (!well_formed_stamp(r->stamp) || !sigv4_mac(cache, r, text->data, text->length, mac))
    return false;
  to_hex(mac, sizeof mac, signature);
  return true;
}

/* The stages from the canonical request to the signature. */
static bool sign(struct sigv4_cache *cache, const struct sigv4_request *r, char signature[SIGV4_SIGNATURE])
{
  struct bytes canonical = {0}, text = {0};
  bool ok = sigv4_canonical_request(cache, r, &canonical) && sigv4_string_to_sign(cache, r, &canonical, &text)
         && sigv4_signature(cache, r, &text, signature);
  bytes_free(&canonical);
  bytes_free(&text);
  return ok;
}

bool sigv4_authorization(struct sigv4_cache *cache, const struct sigv4_request *r, struct bytes *out)
{
  char signature[SIGV4_SIGNATURE];
  return sign(cache, r, signature) && bytes_puts(out, ALGORITHM " Credential=") && bytes_puts(out, r->access_key_id)
      && bytes_puts(out, "/") && write_scope(r, out) && bytes_puts(out, ", SignedHeaders=") && sigv4_signed_headers(r, out)
      && bytes_puts(out, ", Signature=") && bytes_puts(out, signature);
}

/* ---- the query form ---- */

static bool put_encoded(const char *name, const char *value, size_t length, struct bytes *out)
{
  return (out->length == 0 || bytes_puts(out, "&")) && bytes_puts(out, name) && bytes_puts(out, "=") && sigv4_encode(value, length, out);
}

static bool put_credential(const struct sigv4_request *r, struct bytes *out)
{
  struct bytes credential = {0};
  bool ok = bytes_puts(&credential, r->access_key_id) && bytes_puts(&credential, "/") && write_scope(r, &credential)
         && put_encoded("X-Amz-Credential", credential.data, credential.length, out);
  bytes_free(&credential);
  return ok;
}

static bool put_signed_headers(const struct sigv4_request *r, struct bytes *out)
{
  struct bytes names = {0};
  bool ok = sigv4_signed_headers(r, &names) && put_encoded("X-Amz-SignedHeaders", names.data, names.length, out);
  bytes_free(&names);
  return ok;
}

static bool put_expires(unsigned seconds, struct bytes *out)
{
  char digits[16];
  int length = snprintf(digits, sizeof digits, "%u", seconds);
  return put_encoded("X-Amz-Expires", digits, (size_t)length, out);
}

bool sigv4_presign_query(const struct sigv4_request *r, unsigned expires, const char *session_token, struct bytes *out)
{
  return well_formed_stamp(r->stamp) && (r->query == NULL || bytes_puts(out, r->query))
      && put_encoded("X-Amz-Algorithm", ALGORITHM, strlen(ALGORITHM), out) && put_credential(r, out)
      && put_encoded("X-Amz-Date", r->stamp, strlen(r->stamp), out) && put_signed_headers(r, out) && put_expires(expires, out)
      && (session_token == NULL || put_encoded("X-Amz-Security-Token", session_token, strlen(session_token), out));
}

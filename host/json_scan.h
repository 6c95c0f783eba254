/* json_scan.h -- a strict reading of JSON that prepares it for lua-cjson. Pure: bytes in, bytes out. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

#define JSON_DEPTH 200                    /* objects and arrays in each other */
#define JSON_MAX ((size_t)64 << 20)       /* bytes of one text */

/* What lua-cjson would not carry goes into the rewritten text as a string that begins with this byte and one of the letters. */
#define JSON_MARK '\x01'
enum json_mark {
  JSON_NUMBER = 'n',    /* the number's text follows */
  JSON_SECRET = 's',    /* the index of the secret follows */
  JSON_STRING = 't',    /* a string that itself begins with the mark follows */
  JSON_EMPTY = 'a'      /* the only element of an array that was empty */
};

struct json_span { size_t start, length; };

struct json_scan {
  const char *text;                /* borrowed */
  size_t length;
  const char *const *secrets;      /* borrowed; names of members whose values are cut out; ends with NULL; NULL: none */
  struct bytes out;                /* owned; the text for lua-cjson */
  struct bytes hidden;             /* owned; the secrets unescaped, back to back */
  struct bytes hidden_spans;       /* owned; struct json_span for each of them */
  struct bytes names;              /* owned; member names of the objects that are open */
  struct bytes name_spans;         /* owned; struct json_span for each of them */
  const char *at, *end, *copied;   /* how far the text is read, and how far it is copied */
  int depth;
  char fault[160];                 /* why the scan failed; it quotes no value */
};

/* Only text, length and secrets need to be set before, the rest zero. False: see fault. */
bool json_scan(struct json_scan *s);
void json_scan_free(struct json_scan *s);   /* wipes */

/* Bytes of the UTF-8 character that the text begins with; 0 when it is none (overlong, surrogate, beyond U+10FFFF, cut). */
size_t json_utf8(const char *text, size_t left);

#endif

/* bytes.c -- a growable buffer of bytes with a hard cap, wiped when it is freed. */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Not realloc: the old copy has to be wiped before its memory goes back. */
static bool reserve(struct bytes *b, size_t wanted)
{
  size_t capacity = b->capacity > 0 ? b->capacity : 256;
  while (capacity < wanted)
    capacity *= 2;
  char *data = malloc(capacity);
  if (data == NULL)
    return false;
  if (b->data != NULL) {
    memcpy(data, b->data, b->length);
    OPENSSL_cleanse(b->data, b->capacity);
    free(b->data);
  }
  b->data = data;
  b->capacity = capacity;
  return true;
}

bool bytes_append(struct bytes *b, const void *data, size_t length)
{
  size_t max = b->max > 0 ? b->max : BYTES_MAX;
  if (length > max || b->length > max - length)
    return false;
  size_t wanted = b->length + length + 1;
  if (wanted > b->capacity && !reserve(b, wanted))
    return false;
  if (length > 0)
    memcpy(b->data + b->length, data, length);
  b->length += length;
  b->data[b->length] = '\0';
  return true;
}

bool bytes_puts(struct bytes *b, const char *text)
{
  return bytes_append(b, text, strlen(text));
}

void bytes_free(struct bytes *b)
{
  if (b->data != NULL) {
    OPENSSL_cleanse(b->data, b->capacity);
    free(b->data);
  }
  b->data = NULL;
  b->length = b->capacity = 0;
}

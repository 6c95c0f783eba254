/* bytes.h -- a growable buffer of bytes with a hard cap, wiped when it is freed. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>

#define BYTES_MAX ((size_t)16 << 20)   /* the cap of a buffer that names none */

struct bytes {
  char *data;        /* owned; NULL while empty; a NUL stands behind the last byte */
  size_t length;
  size_t capacity;
  size_t max;        /* bytes it may hold; 0 stands for BYTES_MAX */
};

/* Each returns false when the cap or the memory ends; what was there before is kept. */
bool bytes_append(struct bytes *b, const void *data, size_t length);
bool bytes_puts(struct bytes *b, const char *text);

/* Wipes and frees; the buffer is empty afterwards and can be used again. */
void bytes_free(struct bytes *b);

#endif

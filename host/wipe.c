/* wipe.c -- freed memory is wiped, whoever frees it: free and realloc of the whole process are these.
 * Off (NO_WIPE) where a tool brings an allocator of its own: the sanitizers and valgrind. */
#ifndef NO_WIPE

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own allocator, under the names that it exports for interposers. */
extern void __libc_free(void *block);
extern void *__libc_malloc(size_t size);

void free(void *block)
{
  if (block != NULL)
    explicit_bzero(block, malloc_usable_size(block));   /* like OPENSSL_cleanse it is never optimized away, and it is faster */
  __libc_free(block);
}

/* Never in place: the block that is left behind has to go through free. */
void *realloc(void *block, size_t size)
{
  if (block == NULL)
    return __libc_malloc(size);
  if (size == 0) {
    free(block);
    return NULL;
  }
  size_t old = malloc_usable_size(block);
  if (size <= old && size >= old / 2)
    return block;
  void *moved = __libc_malloc(size);
  if (moved == NULL)
    return NULL;
  memcpy(moved, block, old < size ? old : size);
  free(block);
  return moved;
}

#else

typedef int wipe_is_off;   /* an empty translation unit is not C */

#endif

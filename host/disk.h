/* disk.h -- whole reads and writes by file descriptor and path, for other C files. What fails sets errno. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bytes.h"

#define DISK_PATH_MAX 4096

/* Reads until the end, so that pipes work too. EFBIG: it is longer than `out` may hold. */
bool disk_read(const char *path, struct bytes *out);

/* Writes all of it; a pipe that is full is waited for. */
bool disk_write_all(int fd, const char *text, size_t length);

/* Opens with these flags besides O_WRONLY, and writes all of it. */
bool disk_write_into(const char *path, int flags, mode_t mode, const char *text, size_t length);

/* All or nothing: a file of its own in the same directory takes the place of the old one. It is on disk afterwards. */
bool disk_replace(const char *path, const char *text, size_t length, mode_t mode);

/* Makes the names in the directory of this path durable. */
bool disk_sync_directory(const char *path);

#endif

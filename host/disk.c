/* disk.c -- whole reads and writes by file descriptor and path. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

/* Closes and keeps errno. */
static void close_fd(int fd)
{
  int error = errno;
  close(fd);
  errno = error;
}

bool disk_read(const char *path, struct bytes *out)
{
  char block[16384];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return false;
  ssize_t got;
  while ((got = read(fd, block, sizeof block)) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0 && !bytes_append(out, block, (size_t)got)) {
      errno = EFBIG;
      got = -1;
      break;
    }
  }
  close_fd(fd);
  OPENSSL_cleanse(block, sizeof block);
  return got == 0;
}

bool disk_write_all(int fd, const char *text, size_t length)
{
  while (length > 0) {
    ssize_t written = write(fd, text, length);
    if (written >= 0) {
      text += written;
      length -= (size_t)written;
    } else if (errno == EAGAIN) {
      struct pollfd ready = {fd, POLLOUT, 0};
      (void)poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

/* The directory of a path, in a string of its own. */
static void directory_of(const char *path, char directory[DISK_PATH_MAX])
{
  const char *slash = strrchr(path, '/');
  size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
  if (length == 0) {
    path = ".";
    length = 1;
  }
  memcpy(directory, path, length);
  directory[length] = '\0';
}

/* A file system that cannot sync directories says EINVAL: nothing more can be done there. */
bool disk_sync_directory(const char *path)
{
  char directory[DISK_PATH_MAX];
  directory_of(path, directory);
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool ok = fsync(fd) == 0 || errno == EINVAL;
  close_fd(fd);
  return ok;
}

/* A fresh file beside the one that it is to replace. -1: errno. */
static int open_beside(const char *path, char name[DISK_PATH_MAX + 32])
{
  char directory[DISK_PATH_MAX];
  unsigned char random[8] = {0};
  directory_of(path, directory);
  if (RAND_bytes(random, sizeof random) != 1) {
    errno = EIO;
    return -1;
  }
  unsigned long long number;
  memcpy(&number, random, sizeof number);
  (void)snprintf(name, DISK_PATH_MAX + 32, "%s/.cmek-%016llx.new", directory, number);
  return open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool write_synced(int fd, const char *text, size_t length, mode_t mode)
{
  return fchmod(fd, mode) == 0 && disk_write_all(fd, text, length) && fsync(fd) == 0;
}

bool disk_replace(const char *path, const char *text, size_t length, mode_t mode)
{
  char name[DISK_PATH_MAX + 32];
  int fd = open_beside(path, name);
  if (fd < 0)
    return false;
  bool ok = write_synced(fd, text, length, mode);
  close_fd(fd);
  ok = ok && rename(name, path) == 0;
  if (!ok) {
    int error = errno;
    unlink(name);
    errno = error;
    return false;
  }
  return disk_sync_directory(path);
}

bool disk_write_into(const char *path, int flags, mode_t mode, const char *text, size_t length)
{
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, mode);
  if (fd < 0)
    return false;
  bool ok = disk_write_all(fd, text, length);
  close_fd(fd);
  return ok;
}

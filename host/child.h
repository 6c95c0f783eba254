/* child.h -- a child process: started without a shell, followed to its end, never left behind. No Lua. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bytes.h"

#define CHILD_OUTPUT_MAX ((size_t)1 << 20)   /* bytes of output */
#define CHILD_ERROR_MAX ((size_t)64 << 10)   /* bytes kept of what it says on stderr; the rest is read and dropped */

enum { CHILD_IN, CHILD_OUT, CHILD_ERR, CHILD_PIPES };

struct child {
  pid_t pid;                     /* 0: never started */
  bool ended;                    /* reaped; `status` is waitpid's */
  int status;
  int fds[CHILD_PIPES];          /* owned; our ends of its pipes, -1 where there is none */
  struct bytes output, errors;   /* owned */
};

struct command {
  char *const *argv;             /* borrowed, as all of this; ends with NULL */
  char *const *environment;      /* ends with NULL */
  const char *input;             /* NULL: none */
  size_t input_length;
  double timeout;                /* seconds */
};

void child_init(struct child *c);

/* Starts it with our stdin, stdout and stderr. Returns errno, 0 when all is well. */
int child_start(struct child *c, const struct command *command);

/* Starts it with pipes. Its stdin is the input; without one the terminal where there is one, so that helpers can ask, else nothing. */
int child_start_piped(struct child *c, const struct command *command);

enum ending { CHILD_ENDED, CHILD_TOO_LONG, CHILD_TOO_LATE };

/* Feeds and reads one that was started with pipes until it has ended. */
enum ending child_follow(struct child *c, struct command *command);

/* Looks, without waiting. */
bool child_has_ended(struct child *c);

/* Ends it if it lives (SIGTERM, then SIGKILL), waits for it, frees and wipes; harmless when done twice. */
void child_free(struct child *c);

#endif

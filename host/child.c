/* child.c -- a child process: started without a shell, followed to its end, never left behind. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define PATIENCE 1.0   /* seconds: from SIGTERM to SIGKILL, and for pipes that outlive the child */
#define TICK 20        /* milliseconds between looks at a child that says nothing */

/* ---- a child's life ---- */

static double now(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void child_init(struct child *c)
{
  memset(c, 0, sizeof *c);
  for (int i = 0; i < CHILD_PIPES; i++)
    c->fds[i] = -1;
  c->output.max = CHILD_OUTPUT_MAX;
  c->errors.max = CHILD_ERROR_MAX;
}

static void close_pipe(struct child *c, int which)
{
  if (c->fds[which] >= 0)
    close(c->fds[which]);
  c->fds[which] = -1;
}

bool child_has_ended(struct child *c)
{
  if (!c->ended && c->pid > 0) {
    pid_t got = waitpid(c->pid, &c->status, WNOHANG);
    c->ended = got == c->pid || (got < 0 && errno != EINTR);   /* somebody else's wait took it: its status is lost */
  }
  return c->ended;
}

/* Most end at once: the first looks come soon after each other. */
static bool wait_until(struct child *c, double deadline)
{
  struct timespec tick = {0, 100000};
  while (!child_has_ended(c) && now() < deadline) {
    (void)nanosleep(&tick, NULL);
    tick.tv_nsec = tick.tv_nsec * 2 < TICK * 1000000L ? tick.tv_nsec * 2 : TICK * 1000000L;
  }
  return c->ended;
}

static void end(struct child *c)
{
  if (c->pid <= 0 || child_has_ended(c))
    return;
  (void)kill(c->pid, SIGTERM);
  if (wait_until(c, now() + PATIENCE))
    return;
  (void)kill(c->pid, SIGKILL);
  (void)wait_until(c, now() + PATIENCE);   /* longer only when the kernel holds it */
}

void child_free(struct child *c)
{
  for (int i = 0; i < CHILD_PIPES; i++)
    close_pipe(c, i);
  end(c);
  bytes_free(&c->output);
  bytes_free(&c->errors);
}

/* A pipe whose ends are neither of 0, 1, 2: those may be closed here, and are what the ends become in the child. */
static bool make_pipe(int ends[2])
{
  if (pipe2(ends, O_CLOEXEC) != 0)
    return false;
  for (int i = 0; i < 2; i++) {
    if (ends[i] > STDERR_FILENO)
      continue;
    int higher = fcntl(ends[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(ends[i]);
    ends[i] = higher;
    if (higher < 0) {
      close(ends[1 - i]);
      errno = error;
      return false;
    }
  }
  return true;
}

/* The signals of writes are ignored here and would be in the child; the simulator blocks signals. Returns errno. */
static int start(struct child *c, const struct command *command, const posix_spawn_file_actions_t *actions)
{
  posix_spawnattr_t attributes;
  sigset_t ignored, none;
  sigemptyset(&none);
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  sigaddset(&ignored, SIGXFSZ);
  int error = posix_spawnattr_init(&attributes);
  if (error != 0)
    return error;
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  error = posix_spawnp(&c->pid, command->argv[0], actions, &attributes, command->argv, command->environment);
  if (error != 0)
    c->pid = 0;
  posix_spawnattr_destroy(&attributes);
  return error;
}

int child_start(struct child *c, const struct command *command)
{
  return start(c, command, NULL);
}

/* Without an input it gets the terminal, but never our own script. */
static int add_actions(posix_spawn_file_actions_t *actions, const int theirs[CHILD_PIPES], bool input)
{
  int error = 0;
  if (!input && isatty(STDIN_FILENO) != 1)
    error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (int i = input ? CHILD_IN : CHILD_OUT; i < CHILD_PIPES && error == 0; i++)
    error = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
  return error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

int child_start_piped(struct child *c, const struct command *command)
{
  int theirs[CHILD_PIPES] = {-1, -1, -1}, error = 0;
  for (int i = command->input != NULL ? CHILD_IN : CHILD_OUT; i < CHILD_PIPES && error == 0; i++) {
    int ends[2];
    error = make_pipe(ends) ? 0 : errno;
    if (error == 0) {
      c->fds[i] = ends[i == CHILD_IN];
      theirs[i] = ends[i != CHILD_IN];
    }
  }
  posix_spawn_file_actions_t actions;
  if (error == 0)
    error = posix_spawn_file_actions_init(&actions);
  if (error == 0) {
    error = add_actions(&actions, theirs, command->input != NULL);
    if (error == 0)
      error = start(c, command, &actions);
    posix_spawn_file_actions_destroy(&actions);
  }
  for (int i = 0; i < CHILD_PIPES; i++)
    if (theirs[i] >= 0)
      close(theirs[i]);
  return error;
}

/* ---- what it reads and writes ---- */

/* Hands on some of the input; a child that does not read it has closed its end, which is its right. */
static void feed(struct child *c, struct command *command)
{
  ssize_t written = write(c->fds[CHILD_IN], command->input, command->input_length);
  if (written > 0) {
    command->input += written;
    command->input_length -= (size_t)written;
  }
  if (command->input_length == 0 || (written < 0 && errno != EINTR && errno != EAGAIN))
    close_pipe(c, CHILD_IN);
}

/* Reads some; false: more than may be. What stderr has too much is dropped. */
static bool drain(struct child *c, int which)
{
  char block[8192];
  struct bytes *into = which == CHILD_OUT ? &c->output : &c->errors;
  ssize_t got = read(c->fds[which], block, sizeof block);
  bool fits = true;
  if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
    close_pipe(c, which);
  else if (got > 0)
    fits = bytes_append(into, block, (size_t)got) || which == CHILD_ERR;
  OPENSSL_cleanse(block, sizeof block);
  return fits;
}

/* Waits a moment for any of the pipes and serves it. */
static bool serve(struct child *c, struct command *command)
{
  struct pollfd ready[CHILD_PIPES];
  for (int i = 0; i < CHILD_PIPES; i++)
    ready[i] = (struct pollfd){c->fds[i], i == CHILD_IN ? POLLOUT : POLLIN, 0};
  if (poll(ready, CHILD_PIPES, TICK) <= 0)
    return true;
  if (ready[CHILD_IN].revents != 0)
    feed(c, command);
  for (int i = CHILD_OUT; i < CHILD_PIPES; i++)
    if (ready[i].revents != 0 && !drain(c, i))
      return false;
  return true;
}

/* A grandchild may hold the pipes open when the child has ended: it gets a moment. */
enum ending child_follow(struct child *c, struct command *command)
{
  double deadline = now() + command->timeout;
  if (c->fds[CHILD_IN] >= 0)
    (void)fcntl(c->fds[CHILD_IN], F_SETFL, O_NONBLOCK);
  for (bool ended = false; c->fds[CHILD_OUT] >= 0 || c->fds[CHILD_ERR] >= 0;) {
    if (!serve(c, command))
      return CHILD_TOO_LONG;
    if (!ended && child_has_ended(c)) {
      ended = true;
      deadline = now() + PATIENCE < deadline ? now() + PATIENCE : deadline;
    }
    if (now() >= deadline)
      return ended ? CHILD_ENDED : CHILD_TOO_LATE;
  }
  return wait_until(c, deadline) ? CHILD_ENDED : CHILD_TOO_LATE;
}

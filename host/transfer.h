/* transfer.h -- one request on its way: what http.c, which talks to Lua, and transfer.c, which talks to libcurl, share. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "bytes.h"
#include "curl.h"
#include "door.h"

#define TRANSFER "http.transfer"
#define FLYING_MAX 256        /* requests on their way at once; more wait in the queue */
#define ANSWER_MAX BYTES_MAX  /* bytes of one answer */

enum transfer_state { TRANSFER_CLOSED, TRANSFER_QUEUED, TRANSFER_FLYING, TRANSFER_DONE };

/* How it ended. UNSENT: it certainly never reached the service. LOST: it left and no whole answer came. */
enum outcome { OUTCOME_ANSWERED, OUTCOME_UNSENT, OUTCOME_LOST, OUTCOME_STOPPED };

struct transfer {
  enum transfer_state state;
  lua_Integer id;              /* in a simulated world: what it answers to */
  struct carrier *carrier;     /* borrowed; NULL once the door is gone */
  struct transfer *next;       /* in the list of its state */
  CURL *easy;                  /* owned while flying over the network */
  struct curl_slist *headers, *connect_to;  /* owned; curl only borrows them */
  char *method, *url;          /* owned */
  char *service, *operation, *region;  /* owned; region may be NULL */
  struct bytes lines;          /* owned; the request's headers, each "Name: value" and a NUL */
  struct bytes body;           /* owned; the request's */
  size_t sent;                 /* bytes of the body that were read for sending */
  bool write, farewell;
  double timeout;              /* seconds */
  enum answer_format format;
  const char *const *secrets;  /* static */
  char audience[32];
  lua_Integer record;          /* number of its line in the journal; 0: none */
  enum outcome outcome;
  long status;
  struct bytes head, answer;   /* owned; header lines and body of the answer */
  bool too_long;               /* the answer was longer than ANSWER_MAX */
  char error[CURL_ERROR_SIZE + 64];
};

/* A task that sleeps until a time. */
struct sleeper {
  struct carrier *carrier;     /* borrowed; NULL when it does not sleep */
  struct sleeper *next;        /* by due time, then by order of coming */
  double due;                  /* seconds since the epoch */
};

struct transfers { struct transfer *first, *last; };

/* What a door carries with. */
struct carrier {
  const struct curl_api *curl;   /* NULL until the first request over the network */
  CURLM *multi;                  /* owned; NULL until then */
  CURLSH *share;                 /* owned; NULL until then: TLS sessions, so that a host's later connections are cheap */
  struct transfers queued, flying, done;
  size_t flying_count;
  lua_Integer last_id;
  struct sleeper *sleepers;      /* the next one due first */
};

void transfers_add(struct transfers *list, struct transfer *t);
bool transfers_remove(struct transfers *list, struct transfer *t);

/* Ends a transfer: it moves to the done list. `format` and what follows make its error text. */
void transfer_end(struct transfer *t, enum outcome outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Hands a queued transfer to libcurl; ends it as UNSENT when that fails. */
void transfer_start(struct transfer *t, const struct door *door);

/* Lets libcurl work for at most `seconds`; whatever finished moves to the done list. */
void carrier_work(struct carrier *c, double seconds);

/* Takes the transfer out of libcurl's hands. */
void transfer_detach(struct transfer *t);

/* answer.c: the continuation of http_send, back in the task; `slot` is the transfer's place in the stack. */
int answer_finish(lua_State *L, int status, lua_KContext slot);

#endif

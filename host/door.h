/* door.h -- the door: a value with rights, destinations, secrets, journal and clock, through which every exchange passes.
 * door.c judges, http.c carries, aws.c, cloud.c, vault.c and identity.c write the requests of their services. */
#ifndef DOOR_H
#define DOOR_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "bytes.h"
#include "effects.h"
#include "host.h"
#include "sigv4.h"

#define DOOR "door"
#define DOOR_ENDPOINTS 64
#define DOOR_REGIONS 64
#define DOOR_TOUCHES 128

struct carrier;   /* http.c: libcurl, its queues, the sleepers */
struct journal;   /* journal.h */

/* How a service is reached that has ways of its own. Empty fields: as the others are. */
struct transport {
  char ca_file[512], ca_directory[512];        /* certificates to trust in the place of the system's */
  struct bytes ca_text;                        /* owned; the same, in PEM; the file comes first */
  char client_certificate[512], client_key[512];   /* PEM files; both or none */
  char server_name[256];                       /* to ask for and to verify, in the place of the host's */
  char unix_socket[108];                       /* path of the socket to connect to */
  struct bytes proxy;                          /* owned; URL; may hold a password */
  bool skip_verify;                            /* whoever answers is believed */
  bool plain;                                  /* http to other machines is allowed: the user named the address */
};

/* Where a service is reached. Fixed before the door is sealed. */
struct endpoint {
  char service[32];
  char url[256];              /* scheme://host[:port][/prefix], `{region}` where the region goes */
  char signing_region[32];    /* empty: the region of the request */
  const struct transport *transport;   /* a userdata among the door's parts; NULL: as the others are reached */
};

struct door {
  const struct authority *authority;   /* borrowed: lives as long as the process */
  enum right right;                    /* what may be done now */
  enum right ceiling;                  /* what right may grow to; only shrinks */
  bool may_delete;                     /* keys and roles may be deleted now */
  bool deletes;                        /* may_delete may come to be; only shrinks */
  bool yes;                            /* --yes stands for the answer to a question */
  char confirm[128];                   /* --confirm NAME; empty without */
  bool sealed;                         /* no endpoint can be added */
  bool shut;                           /* nothing passes any more */
  bool session_taken;                  /* the key to session calls was handed out */
  struct endpoint endpoints[DOOR_ENDPOINTS];
  size_t endpoint_count;
  char regions[DOOR_REGIONS][32];      /* regions whose hosts may be reached */
  size_t region_count;
  char touches[DOOR_TOUCHES][64];      /* services, or "service.Operation", that may be called; all when `touching` is false */
  size_t touches_count;
  bool touching;
  char user_agent[128];
  char ca_bundle[512];                 /* file of certificates; empty: the system's */
  struct sigv4_cache *signing_keys;    /* owned; made at the first signature */
  struct carrier *carrier;             /* owned */
  struct journal *journal;             /* borrowed: the userdata is the door's second user value */
  lua_Integer request_count;           /* numbers the journal's request lines */
};

/* User values of a door. */
enum { DOOR_WORLD = 1, DOOR_JOURNAL = 2, DOOR_SESSION = 3, DOOR_PARTS = 4, DOOR_USER_VALUES = 4 };

/* One request on its way through the guards; everything is borrowed for the length of the call. */
struct exchange {
  const char *service;
  const char *operation;               /* the API's name, or METHOD and path */
  const char *region;                  /* NULL: none */
  const char *target;                  /* what it is about, for the journal; NULL: nothing to say */
  const char *principal;               /* access key ID, for the journal; NULL: none */
  const struct effects_row *row;
  enum effect effect;                  /* of the row, after DryRun */
  lua_Integer attempt;
};

struct door *door_check(lua_State *L, int index);

/* The guards: raises what may not pass. `session_key` is the stack index of what came as session_key, or 0. */
void door_admit(lua_State *L, struct door *door, int door_index, const struct exchange *e, int session_key);

/* Where a service of a region is, into url; raises when the destination is not sealed in. Returns the endpoint. */
const struct endpoint *door_destination(lua_State *L, struct door *door, const char *service, const char *region,
                                        char *url, size_t size);

/* The same of any service of AWS: the endpoint that a setting names for it, else that of "*", where `{service}` is what its hosts begin with. */
const struct endpoint *door_destination_aws(lua_State *L, struct door *door, const char *service, const char *host, const char *region,
                                            char *url, size_t size);

/* How a service is reached; NULL: as the others are. */
const struct transport *door_transport(const struct door *door, const char *service);

/* destination.c: the door's methods that fix where requests may go. */
int door_add_endpoint(lua_State *L);
int door_add_region(lua_State *L);
int door_seal(lua_State *L);
int door_ca_bundle(lua_State *L);

/* transport.c: the table at the index as a userdata, on the stack. Raises what is wrong with it. */
const struct transport *transport_push(lua_State *L, int index);

/* Copies a text into a field of the door; raises, naming what it is, when it is too long. */
void door_copy_text(lua_State *L, char *to, size_t size, const char *from, const char *what);

/* Writes the journal's line of a write or session call; returns its number (0: nothing to write). Raises when it cannot. */
lua_Integer door_record(lua_State *L, struct door *door, int door_index, const struct exchange *e, const char *host);

/* Raises when a value under the index holds the mark of an unknown value. `what` names the request. */
void door_refuse_unknown(lua_State *L, int index, const char *what);

/* Raises when the value at the index holds a secret, and the exchange is none that secrets are for. */
void door_refuse_secrets(lua_State *L, int index, const struct exchange *e);

/* Seconds since the epoch, of the world when there is one. */
double door_now(lua_State *L, struct door *door, int door_index);

/* A moment as journals write it: RFC 3339, UTC, milliseconds. */
void door_push_time(lua_State *L, double now);

/* The name of the signal that asks this process to stop, or NULL. */
const char *door_stopping(const struct door *door);

/* Whether a host[:port] is this machine, or the metadata of the one it runs on: what is meant for it is no proxy's business. */
bool destination_is_local(const char *host);

/* Opens the tables door.http, door.aws, door.cloud, door.vault, door.identity and door.clock: each pushes one, closed over the door at the index. */
void http_push(lua_State *L, int door_index);
void aws_push(lua_State *L, int door_index);
void cloud_push(lua_State *L, int door_index);
void vault_push(lua_State *L, int door_index);
int vault_sign_identity(lua_State *L);   /* vault_identity.c: a function of door.vault */
void identity_push(lua_State *L, int door_index);
void clock_push(lua_State *L, int door_index);

/* http.c */
struct carrier *carrier_new(void);
void carrier_free(lua_State *L, struct carrier *c);
void carrier_abandon(lua_State *L, struct carrier *c);   /* what is on its way or asleep is let go */

enum answer_format { ANSWER_RAW, ANSWER_JSON, ANSWER_VAULT /* JSON that says the request's ID */, ANSWER_XML /* of the query protocol */, ANSWER_XML_WHOLE, ANSWER_SECRET /* the whole of it is one */ };

/* What http.c carries. Strings are copied. */
struct message {
  const char *method;
  const char *url;
  const char *service, *operation, *region;   /* for the world's log of requests */
  const struct sigv4_header *headers;
  size_t header_count;
  const void *body;
  size_t body_length;
  bool write;                  /* never resent, waited for even when the process is asked to stop */
  bool farewell;               /* leaves even then: it gives back what a session was given */
  double timeout;              /* seconds for the whole exchange */
  enum answer_format format;
  const char *const *secrets;  /* members of the answer that come out as secrets */
  const char *audience;        /* of those secrets */
  lua_Integer record;          /* number of its line in the journal; 0: none */
};

/* Writes the request into the journal (m->record), sends, and puts the running task to sleep; the C function that called it must
 * return what this returns. What cannot be written down does not leave: that is raised. The buffers that the message was made of are
 * freed here, whatever comes (each may be NULL): the call does not come back. */
int http_send(lua_State *L, struct door *door, int door_index, struct message *m, const struct exchange *e, const char *host,
              struct bytes *made, struct bytes *also);

#endif

/* effects.h -- what each request does to the world, by an exact table. */
#ifndef EFFECTS_H
#define EFFECTS_H

#include <stdbool.h>
#include <stddef.h>

/* READ changes nothing. SESSION is what it takes to be somebody. WRITE changes something. DELETION ends a key or role that others
 * may depend on. IRREVERSIBLE cannot be taken back. */
enum effect { EFFECT_READ, EFFECT_SESSION, EFFECT_WRITE, EFFECT_DELETION, EFFECT_IRREVERSIBLE };

struct effects_row {
  const char *service;
  const char *operation;          /* the API's name */
  enum effect effect;
  bool dry_run;                   /* a top-level DryRun:true makes a read of it */
  const char *const *secrets;     /* members of the answer that come out as secrets; NULL: none */
  const char *method, *path;      /* of REST services: `*` stands for one segment of the path, or its end; `**` for one and more */
};

/* The row of an operation; an operation that the table does not know gets a row that says WRITE. Never NULL. */
const struct effects_row *effects_of_operation(const char *service, const char *operation);
const struct effects_row *effects_of_path(const char *service, const char *method, const char *path);

/* The name of the nth operation of a service that is known to read; NULL when there are not so many. */
const char *effects_read(const char *service, size_t n);

/* The same by the API's name, for REST services as well. */
const struct effects_row *effects_named(const char *service, const char *operation);

/* The row of a request to Vault, by its whole path, of which the first `mount` bytes are the mount. NULL: none, which is a write. */
const struct effects_row *effects_of_vault(const char *method, const char *full, size_t mount);
const struct effects_row *effects_of_vault_mount(const char *method, const char *full, size_t mount);   /* the mount ends there for sure */
const char *const *effects_vault_secrets_of(const struct effects_row *row, const char *method, const char *full);
const struct effects_row *effects_vault_named(const char *operation);   /* NULL: none */
extern const char *const effects_vault_secrets[];                       /* of answers that no row speaks of */

/* Whether a secret may stand in what the operation is sent: in any other one it would be kept where it can be read as a text. */
bool effects_take_secrets(const char *service, const char *operation);

bool effects_path_matches(const char *pattern, const char *path);

const char *effect_name(enum effect effect);

#endif

/* aws_service.h -- how AWS's services are spoken to: the known ones by a table, any other as its caller says. */
#ifndef AWS_SERVICE_H
#define AWS_SERVICE_H

#include <stdbool.h>

#include <lua.h>

enum protocol { PROTOCOL_QUERY, PROTOCOL_EC2, PROTOCOL_JSON_1_0, PROTOCOL_JSON_1_1, PROTOCOL_REST_JSON, PROTOCOL_REST_XML };

struct service {
  const char *name;       /* it signs with this name, and a recipe touches it by this name */
  const char *host;       /* what its hosts begin with */
  enum protocol protocol;
  const char *version;    /* query and ec2 */
  const char *target;     /* JSON: what stands before the operation in X-Amz-Target */
  bool known;             /* it stands in the table, and so do its operations that read (effects.c) */
};

/* The service that a request's table at the index names. Its texts are the table's; what was read stays on the stack. Raises what
 * is wrong or missing, and what would speak to a known service in another way than its own. */
struct service aws_service_read(lua_State *L, int index);

/* The known services as Lua sees them, on the stack: { sns = { protocol = "query", version = "2010-03-31" }, ... }. */
int aws_services_push(lua_State *L);

#endif

/* aws_service.c -- how AWS's services are spoken to.
 * What stands in effects.c stands here as well: who says which operation is a read also says how it is named on the wire, so that
 * nobody can name one and have another done. Sources: the API references, and the service models that AWS's own clients share. */
#include "aws_service.h"

#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER
#define DIGITS "0123456789"

static const char *const protocols[] = {"query", "ec2", "json-1.0", "json-1.1", "rest-json", "rest-xml", NULL};

#define QUERY(name, host, version)  {name, host, PROTOCOL_QUERY, version, NULL, true}
#define JSON(name, host, minor, target)  {name, host, PROTOCOL_JSON_1_##minor, NULL, target, true}

static const struct service services[] = {
  QUERY("iam", "iam", "2010-05-08"),
  QUERY("sts", "sts", "2011-06-15"),
  JSON("kms", "kms", 1, "TrentService"),
  JSON("tagging", "tagging", 1, "ResourceGroupsTaggingAPI_20170126"),
  JSON("acm", "acm", 1, "CertificateManager"),
  JSON("cloudtrail", "cloudtrail", 1, "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"),
  JSON("config", "config", 1, "StarlingDoveService"),
  JSON("dynamodb", "dynamodb", 0, "DynamoDB_20120810"),
  {"ec2", "ec2", PROTOCOL_EC2, "2016-11-15", NULL, true},
  JSON("ecr", "api.ecr", 1, "AmazonEC2ContainerRegistry_V20150921"),
  JSON("events", "events", 1, "AWSEvents"),
  JSON("logs", "logs", 1, "Logs_20140328"),
  QUERY("monitoring", "monitoring", "2010-08-01"),
  JSON("organizations", "organizations", 1, "AWSOrganizationsV20161128"),
  JSON("secretsmanager", "secretsmanager", 1, "secretsmanager"),
  QUERY("ses", "email", "2010-12-01"),
  QUERY("sns", "sns", "2010-03-31"),
  JSON("sqs", "sqs", 0, "AmazonSQS"),
  JSON("ssm", "ssm", 1, "AmazonSSM"),
  JSON("states", "states", 0, "AWSStepFunctions"),
};

/* Names of the door's own that no request of AWS goes by. */
static const char *const reserved[] = {"cloud", "vault", "sso", "sso-oidc", "imds", "container"};

static const char *check(lua_State *L, const char *field, const char *text, const char *letters, size_t most)
{
  size_t length = strlen(text);
  if (length == 0 || length > most || strspn(text, letters) != length)
    luaL_error(L, "bad argument #1 to 'request' (field '%s' cannot be '%s')", field, text);
  return text;
}

static const struct service *find(const char *name)
{
  for (size_t i = 0; i < sizeof services / sizeof *services; i++)
    if (strcmp(services[i].name, name) == 0)
      return &services[i];
  return NULL;
}

/* The known service whose hosts begin so, plain or FIPS; NULL: none. */
static const struct service *at_host(const char *host)
{
  size_t length = strlen(host), fips = strlen("-fips");
  if (length > fips && strcmp(host + length - fips, "-fips") == 0)
    length -= fips;
  for (size_t i = 0; i < sizeof services / sizeof *services; i++)
    if (strncmp(services[i].host, host, length) == 0 && services[i].host[length] == '\0')
      return &services[i];
  return NULL;
}

static enum protocol protocol_named(lua_State *L, const char *name)
{
  size_t i = 0;
  while (protocols[i] != NULL && strcmp(protocols[i], name) != 0)
    i++;
  if (protocols[i] == NULL)
    luaL_error(L, "bad argument #1 to 'request' (no protocol '%s')", name);
  return (enum protocol)i;
}

/* A service that is not in the table is spoken to as the caller says; none of its operations counts as a read. */
static struct service as_described(lua_State *L, int index, const char *name)
{
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (strcmp(reserved[i], name) == 0)
      luaL_error(L, "bad argument #1 to 'request' ('%s' is no service of AWS that can be called so)", name);
  struct service s = {.name = check(L, "service", name, LOWER DIGITS "-", 31)};
  s.host = check(L, "host", field_string(L, index, "host", name), LOWER DIGITS "-.", 63);
  if (s.host[0] == '.' || s.host[0] == '-' || strstr(s.host, "..") != NULL || s.host[strlen(s.host) - 1] == '.')
    luaL_error(L, "bad argument #1 to 'request' (field 'host' cannot be '%s')", s.host);
  const struct service *there = at_host(s.host);
  if (there != NULL)
    luaL_error(L, "bad argument #1 to 'request' (field 'host' cannot be '%s': there is %s, and how that is spoken to is known)", s.host, there->name);
  s.protocol = protocol_named(L, field_string(L, index, "protocol", ""));
  if (s.protocol == PROTOCOL_QUERY || s.protocol == PROTOCOL_EC2)
    s.version = check(L, "version", field_string(L, index, "version", ""), DIGITS "-", 16);
  if (s.protocol == PROTOCOL_JSON_1_0 || s.protocol == PROTOCOL_JSON_1_1)
    s.target = check(L, "target", field_string(L, index, "target", ""), LETTERS DIGITS "_.", 100);
  return s;
}

struct service aws_service_read(lua_State *L, int index)
{
  static const char *const ways[] = {"host", "protocol", "version", "target", "method", "path", "query", "body"};
  const char *name = field_string(L, index, "service", "");
  const struct service *known = find(name);
  if (known == NULL)
    return as_described(L, index, name);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    if (lua_getfield(L, index, ways[i]) != LUA_TNIL)
      luaL_error(L, "bad argument #1 to 'request' (field '%s': how %s is spoken to is known)", ways[i], name);
  return *known;
}

int aws_services_push(lua_State *L)
{
  lua_newtable(L);
  for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
    const struct service *s = &services[i];
    lua_newtable(L);
    lua_pushstring(L, protocols[s->protocol]);
    lua_setfield(L, -2, "protocol");
    lua_pushstring(L, s->host);
    lua_setfield(L, -2, "host");
    lua_pushstring(L, s->version != NULL ? s->version : s->target);
    lua_setfield(L, -2, s->version != NULL ? "version" : "target");
    lua_setfield(L, -2, s->name);
  }
  return 1;
}

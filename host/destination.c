/* destination.c -- the door's second guard: where requests may go. Exact hosts, fixed before the door is sealed; a region that
 * is learned later opens its own hosts and no others. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "door.h"
#include "field.h"

/* A region as it may stand in a host name: a DNS label. */
static bool is_label(const char *text)
{
  size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return length > 0 && length < 32 && text[length] == '\0' && text[0] != '-' && text[length - 1] != '-';
}

/* host[:port] of an URL as this program writes them: no userinfo, no fragment. */
static bool url_host(const char *url, char *host, size_t size)
{
  const char *from = strstr(url, "://");
  if (from == NULL)
    return false;
  from += 3;
  size_t length = strcspn(from, "/?#");
  if (length == 0 || length >= size || memchr(from, '@', length) != NULL)
    return false;
  memcpy(host, from, length);
  host[length] = '\0';
  return true;
}

/* Is the host[:port] exactly this host, whatever its port? */
static bool is_host(const char *host, const char *name)
{
  size_t length = strlen(name);
  return strncmp(host, name, length) == 0 && (host[length] == '\0' || host[length] == ':');
}

static bool is_loopback(const char *host)
{
  size_t digits = strspn(host, "0123456789.");   /* 127.example.com is somewhere else */
  return (strncmp(host, "127.", 4) == 0 && (host[digits] == '\0' || host[digits] == ':')) || is_host(host, "[::1]") || is_host(host, "localhost");
}

/* Where the machine or the container that runs us is told who it is: for the credential chain alone. */
static const struct { const char *service, *host; } metadata[] = {
  {"imds", "169.254.169.254"}, {"imds", "[fd00:ec2::254]"},
  {"container", "169.254.170.2"}, {"container", "169.254.170.23"}, {"container", "[fd00:ec2::23]"},
};

static bool is_metadata(const char *host, const char *service)
{
  for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
    if ((service == NULL || strcmp(metadata[i].service, service) == 0) && is_host(host, metadata[i].host))
      return true;
  return false;
}

bool destination_is_local(const char *host)
{
  return is_loopback(host) || is_metadata(host, NULL);
}

/* Printable, lower-case scheme, http only to this machine and its metadata: what is signed or carried must not travel in clear. */
static const char *url_fault(const char *url, const char *service, const struct transport *transport)
{
  char host[256];
  for (const char *c = url; *c != '\0'; c++)
    if (*c <= ' ' || *c > '~' || *c == '\\')
      return "holds a character that does not belong in an URL";
  bool plain = strncmp(url, "http://", 7) == 0;
  if (!plain && strncmp(url, "https://", 8) != 0)
    return "must begin with https:// or http://";
  if (!url_host(url, host, sizeof host))
    return "names no host, or a user";
  if (strpbrk(url, strcmp(service, "container") == 0 ? "#" : "?#") != NULL)
    return "must end in a path";
  if (is_metadata(host, NULL) && !is_metadata(host, service))
    return "is a metadata service, which is for the credentials alone";
  if (plain && !is_loopback(host) && !is_metadata(host, service) && (transport == NULL || !transport->plain))
    return "would carry credentials in clear: http is for this machine alone, use https://";
  return NULL;
}

/* The way of its own that the options name, kept by the door; NULL without. */
static const struct transport *take_transport(lua_State *L, const char *service)
{
  if (!lua_istable(L, 4) || lua_getfield(L, 4, "transport") == LUA_TNIL)
    return NULL;
  if (strcmp(service, "vault") != 0)
    luaL_error(L, "door: %s is reached as all the others are", service);
  int options = lua_gettop(L);
  lua_getiuservalue(L, 1, DOOR_PARTS);
  const struct transport *t = transport_push(L, options);
  lua_rawsetp(L, -2, t);
  return t;
}

int door_add_endpoint(lua_State *L)
{
  struct door *door = door_check(L, 1);
  const char *service = luaL_checkstring(L, 2);
  const char *url = luaL_checkstring(L, 3);
  lua_settop(L, 4);
  if (door->sealed)
    return luaL_error(L, "door: sealed; no endpoint can be added for '%s'", service);
  struct endpoint e = {.transport = take_transport(L, service)};
  const char *fault = url_fault(url, service, e.transport);
  if (fault != NULL)
    return luaL_error(L, "door: the endpoint of %s, '%s', %s", service, url, fault);
  if (door->endpoint_count == DOOR_ENDPOINTS)
    return luaL_error(L, "door: more than %d endpoints", DOOR_ENDPOINTS);
  door_copy_text(L, e.service, sizeof e.service, service, "the service's name");
  door_copy_text(L, e.url, sizeof e.url, url, "the endpoint's URL");
  if (lua_istable(L, 4))
    door_copy_text(L, e.signing_region, sizeof e.signing_region, field_string(L, 4, "signing_region", ""), "signing_region");
  door->endpoints[door->endpoint_count++] = e;
  return 0;
}

const struct transport *door_transport(const struct door *door, const char *service)
{
  const struct transport *found = NULL;
  for (size_t i = 0; i < door->endpoint_count; i++)
    if (strcmp(door->endpoints[i].service, service) == 0)
      found = door->endpoints[i].transport;
  return found;
}

int door_add_region(lua_State *L)
{
  struct door *door = door_check(L, 1);
  const char *region = luaL_checkstring(L, 2);
  if (!is_label(region))
    return luaL_error(L, "door: '%s' is no region: a region is a word like us-east-1", region);
  for (size_t i = 0; i < door->region_count; i++)
    if (strcmp(door->regions[i], region) == 0)
      return 0;
  if (door->region_count == DOOR_REGIONS)
    return luaL_error(L, "door: more than %d regions", DOOR_REGIONS);
  door_copy_text(L, door->regions[door->region_count], sizeof door->regions[0], region, "the region");
  door->region_count++;
  return 0;
}

int door_seal(lua_State *L)
{
  door_check(L, 1)->sealed = true;
  return 0;
}

int door_ca_bundle(lua_State *L)
{
  struct door *door = door_check(L, 1);
  if (door->sealed)
    return luaL_error(L, "door: sealed; the certificates to trust cannot change");
  door_copy_text(L, door->ca_bundle, sizeof door->ca_bundle, luaL_checkstring(L, 2), "the path of the CA bundle");
  return 0;
}

static bool region_open(const struct door *door, const char *region)
{
  for (size_t i = 0; i < door->region_count; i++)
    if (strcmp(door->regions[i], region) == 0)
      return true;
  return false;
}

static const struct endpoint *find_endpoint(const struct door *door, const char *service)
{
  const struct endpoint *found = NULL;
  for (size_t i = 0; i < door->endpoint_count; i++)
    if (strcmp(door->endpoints[i].service, service) == 0)
      found = &door->endpoints[i];
  return found;
}

/* A template with a text in the one place that is marked for it. false: it is too long. */
static bool expand(const char *from, const char *mark, const char *text, char *to, size_t size)
{
  const char *place = strstr(from, mark);
  int length = place == NULL ? snprintf(to, size, "%s", from)
                             : snprintf(to, size, "%.*s%s%s", (int)(place - from), from, text, place + strlen(mark));
  return length >= 0 && (size_t)length < size;
}

/* `host` is what the service's hosts begin with; NULL: the endpoint has no place for that. */
static const struct endpoint *destination(lua_State *L, struct door *door, const struct endpoint *e, const char *service, const char *host,
                                          const char *region, char *url, size_t size)
{
  if (!door->sealed || e == NULL) {
    luaL_error(L, "door: no destination is open for '%s'", service);
    return NULL;
  }
  if (region != NULL && !region_open(door, region))
    luaL_error(L, "door: the region '%s' is not open", region);
  if (region == NULL && strstr(e->url, "{region}") != NULL)
    luaL_error(L, "door: %s needs a region", service);
  char half[sizeof e->url + sizeof door->regions[0]];
  bool fits = expand(e->url, "{region}", region != NULL ? region : "", half, sizeof half)
           && expand(half, "{service}", host != NULL ? host : "", url, size);
  if (!fits)
    luaL_error(L, "door: the endpoint of %s is too long", service);
  return e;
}

const struct endpoint *door_destination(lua_State *L, struct door *door, const char *service, const char *region, char *url, size_t size)
{
  return destination(L, door, find_endpoint(door, service), service, NULL, region, url, size);
}

const struct endpoint *door_destination_aws(lua_State *L, struct door *door, const char *service, const char *host, const char *region,
                                            char *url, size_t size)
{
  const struct endpoint *own = find_endpoint(door, service);
  return destination(L, door, own != NULL ? own : find_endpoint(door, "*"), service, host, region, url, size);
}

/* server_tls.h -- TLS of the simulator's server. */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <event2/http.h>
#include <openssl/ssl.h>

#include <lua.h>

/* Serves TLS as the table at the index says: {cert=, key=, clients=}, the names of PEM files, and whether clients are asked for
 * certificates. The context is the caller's to free, also where this raises. */
void server_tls_set(lua_State *L, int index, struct evhttp *http, SSL_CTX **context);

/* Sets `certificate` of the request's table on top of the stack: what the client showed, as PEM; nobody has judged it. Absent without one. */
void server_tls_certificate(lua_State *L, struct evhttp_request *request);

#endif

/* server_tls.c -- TLS of the simulator's server: what it shows its clients, and what they show. */
#include "server_tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/pem.h>

#include <lauxlib.h>

#include "field.h"

#define SESSIONS "server"   /* whose sessions are taken up again */

static struct bufferevent *tls_connection(struct event_base *base, void *context)
{
  struct bufferevent *b = bufferevent_openssl_socket_new(base, -1, SSL_new(context), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  if (b != NULL)
    bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
  return b;
}

/* Whoever shows a certificate is let in with it: the handler judges. */
static int take_any(int sound, X509_STORE_CTX *context)
{
  (void)sound, (void)context;
  return 1;
}

void server_tls_set(lua_State *L, int index, struct evhttp *http, SSL_CTX **context)
{
  lua_getfield(L, index, "cert");
  lua_getfield(L, index, "key");
  const char *cert = luaL_checkstring(L, -2), *key = luaL_checkstring(L, -1);
  *context = SSL_CTX_new(TLS_server_method());
  if (*context == NULL || SSL_CTX_use_certificate_chain_file(*context, cert) != 1
      || SSL_CTX_use_PrivateKey_file(*context, key, SSL_FILETYPE_PEM) != 1)
    luaL_error(L, "cannot serve TLS with certificate '%s' and key '%s': they must be PEM files that belong together", cert, key);
  if (field_is_set(L, index, "clients")) {
    SSL_CTX_set_verify(*context, SSL_VERIFY_PEER, take_any);
    /* else no session is taken up again */
    SSL_CTX_set_session_id_context(*context, (const unsigned char *)SESSIONS, sizeof SESSIONS - 1);
  }
  evhttp_set_bevcb(http, tls_connection, *context);
  lua_pop(L, 2);
}

void server_tls_certificate(lua_State *L, struct evhttp_request *request)
{
  struct evhttp_connection *connection = evhttp_request_get_connection(request);
  struct bufferevent *b = connection != NULL ? evhttp_connection_get_bufferevent(connection) : NULL;
  SSL *ssl = b != NULL ? bufferevent_openssl_get_ssl(b) : NULL;
  X509 *certificate = ssl != NULL ? SSL_get1_peer_certificate(ssl) : NULL;
  BIO *pem = certificate != NULL ? BIO_new(BIO_s_mem()) : NULL;
  char text[8192];
  int length = pem != NULL && PEM_write_bio_X509(pem, certificate) == 1 ? BIO_read(pem, text, sizeof text) : 0;
  BIO_free(pem);
  X509_free(certificate);
  if (length <= 0)
    return;
  lua_pushlstring(L, text, (size_t)length);
  lua_setfield(L, -2, "certificate");
}

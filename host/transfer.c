/* transfer.c -- requests over the network, on one libcurl multi handle. Knows nothing of Lua: only bytes move here. */
#include "transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_SECONDS 10L
#define HOST_CONNECTIONS 32L
#define KEPT_CONNECTIONS 256L  /* by default libcurl closes all but four a transfer on its way: each lull would cost new handshakes */
#define SLICE_SECONDS 0.1      /* how long a poll may miss a signal */

void transfers_add(struct transfers *list, struct transfer *t)
{
  t->next = NULL;
  if (list->last != NULL)
    list->last->next = t;
  else
    list->first = t;
  list->last = t;
}

bool transfers_remove(struct transfers *list, struct transfer *t)
{
  struct transfer *before = NULL;
  for (struct transfer *at = list->first; at != NULL; before = at, at = at->next) {
    if (at != t)
      continue;
    if (before != NULL)
      before->next = t->next;
    else
      list->first = t->next;
    if (list->last == t)
      list->last = before;
    t->next = NULL;
    return true;
  }
  return false;
}

void transfer_detach(struct transfer *t)
{
  struct carrier *c = t->carrier;
  if (t->easy != NULL && c != NULL && c->multi != NULL) {
    (void)c->curl->curl_multi_remove_handle(c->multi, t->easy);   /* fails only for handles it does not know */
    c->curl->curl_easy_cleanup(t->easy);
    c->curl->curl_slist_free_all(t->headers);
    c->curl->curl_slist_free_all(t->connect_to);
  }
  t->easy = NULL;
  t->headers = t->connect_to = NULL;
  if (c != NULL && t->state == TRANSFER_FLYING && transfers_remove(&c->flying, t))
    c->flying_count--;
  if (c != NULL && t->state == TRANSFER_QUEUED)
    (void)transfers_remove(&c->queued, t);
  if (c != NULL && t->state == TRANSFER_DONE)
    (void)transfers_remove(&c->done, t);
}

void transfer_end(struct transfer *t, enum outcome outcome, const char *format, ...)
{
  transfer_detach(t);
  t->state = TRANSFER_DONE;
  t->outcome = outcome;
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(t->error, sizeof t->error, format, arguments);   /* a long text may be cut */
  va_end(arguments);
  if (t->carrier != NULL)
    transfers_add(&t->carrier->done, t);
}

/* ---- callbacks: only bytes move ---- */

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
  struct transfer *t = context;
  if (bytes_append(&t->answer, data, size * count))
    return size * count;
  t->too_long = true;
  return 0;
}

/* Each response begins anew with its status line: an interim one or a proxy's does not count. */
static size_t take_head(char *data, size_t size, size_t count, void *context)
{
  struct transfer *t = context;
  size_t length = size * count;
  if (length > 5 && memcmp(data, "HTTP/", 5) == 0)
    bytes_free(&t->head);
  return bytes_append(&t->head, data, length) ? length : 0;
}

static size_t give_body(char *data, size_t size, size_t count, void *context)
{
  struct transfer *t = context;
  size_t left = t->body.length - t->sent;
  size_t length = size * count < left ? size * count : left;
  if (length > 0)
    memcpy(data, t->body.data + t->sent, length);
  t->sent += length;
  return length;
}

/* libcurl resends a POST by itself when a reused connection turns out closed, whether or not the service has read it.
 * To do so it must rewind the body; it cannot. */
static int refuse_rewind(void *context, curl_off_t offset, int origin)
{
  (void)context, (void)offset, (void)origin;
  return CURL_SEEKFUNC_FAIL;
}

/* ---- options ---- */

/* The host and port of the URL. */
static void host_of(const char *url, char *host, size_t size)
{
  const char *from = strstr(url, "://");
  from = from == NULL ? url : from + 3;
  (void)snprintf(host, size, "%.*s", (int)strcspn(from, "/?"), from);
}

static bool readable(const char *path)
{
  return path != NULL && path[0] != '\0' && access(path, R_OK) == 0;
}

/* A bundle where the user names one; else the hashed directory alone: Debian's default of both parses 144 certificates
 * for every connection. */
static bool set_trust(struct transfer *t, const char *ca_bundle)
{
  const struct curl_api *curl = t->carrier->curl;
  const char *named[] = {ca_bundle, getenv("CURL_CA_BUNDLE"), getenv("SSL_CERT_FILE")};
  for (size_t i = 0; i < sizeof named / sizeof *named; i++)
    if (named[i] != NULL && named[i][0] != '\0')
      return curl->curl_easy_setopt(t->easy, CURLOPT_CAINFO, named[i]) == CURLE_OK
          && curl->curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
  const char *directory = getenv("SSL_CERT_DIR");
  if (directory == NULL || directory[0] == '\0')
    directory = "/etc/ssl/certs";
  if (readable("/etc/ssl/certs/ca-certificates.crt") && !readable(directory))
    return true;
  return curl->curl_easy_setopt(t->easy, CURLOPT_CAINFO, NULL) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_CAPATH, directory) == CURLE_OK;
}

static bool set_headers(struct transfer *t)
{
  const struct curl_api *curl = t->carrier->curl;
  for (size_t at = 0; at < t->lines.length; at += strlen(t->lines.data + at) + 1) {
    struct curl_slist *longer = curl->curl_slist_append(t->headers, t->lines.data + at);
    if (longer == NULL)
      return false;
    t->headers = longer;
  }
  struct curl_slist *longer = curl->curl_slist_append(t->headers, "Expect:");   /* no 100-continue: it doubles the round trips */
  if (longer == NULL)
    return false;
  t->headers = longer;
  return curl->curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

static bool set_body(struct transfer *t)
{
  const struct curl_api *curl = t->carrier->curl;
  bool ok = true;
  if (t->body.length > 0 || strcmp(t->method, "POST") == 0) {
    ok = curl->curl_easy_setopt(t->easy, CURLOPT_POST, 1L) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.length) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, give_body) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_READDATA, t) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, refuse_rewind) == CURLE_OK;
  }
  if (ok && t->write && t->body.length == 0)   /* nothing to rewind would stop a resend: never on a reused connection */
    ok = curl->curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
  return ok && curl->curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, t->method) == CURLE_OK;
}

/* The server is asked for, and verified, by another name than that of the host which the connection goes to. */
static bool set_server_name(struct transfer *t, const char *name)
{
  const struct curl_api *curl = t->carrier->curl;
  char host[256], url[1024], connect_to[600], line[300];
  host_of(t->url, host, sizeof host);
  const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
  bool has_port = colon != NULL && (bracket == NULL || bracket < colon);
  const char *port = has_port ? colon + 1 : "443";
  const char *rest = strstr(t->url, "://") + 3;
  rest += strcspn(rest, "/?");
  int lengths[] = {
    snprintf(url, sizeof url, "https://%s:%s%s", name, port, rest),
    snprintf(connect_to, sizeof connect_to, "%s:%s:%.*s:%s", name, port, has_port ? (int)(colon - host) : (int)strlen(host), host, port),
    snprintf(line, sizeof line, "Host: %s", host),
  };
  t->connect_to = curl->curl_slist_append(NULL, connect_to);
  struct curl_slist *longer = curl->curl_slist_append(t->headers, line);
  if (longer != NULL)
    t->headers = longer;
  return lengths[0] < (int)sizeof url && lengths[1] < (int)sizeof connect_to && t->connect_to != NULL && longer != NULL
      && curl->curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to) == CURLE_OK
      && curl->curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK;
}

/* Certificates to trust that are the service's own: a file, else a text, else a directory. */
static bool set_own_trust(struct transfer *t, const struct transport *own)
{
  const struct curl_api *curl = t->carrier->curl;
  struct curl_blob blob = {.data = own->ca_text.data, .len = own->ca_text.length, .flags = CURL_BLOB_COPY};
#define SET(option, value) (curl->curl_easy_setopt(t->easy, option, value) == CURLE_OK)
  if (own->ca_file[0] != '\0')
    return SET(CURLOPT_CAINFO, own->ca_file) && SET(CURLOPT_CAPATH, NULL);
  if (own->ca_text.length > 0)
    return SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, NULL) && SET(CURLOPT_CAINFO_BLOB, &blob);
  return own->ca_directory[0] == '\0' || (SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, own->ca_directory));
}

static bool set_transport(struct transfer *t, const struct transport *own)
{
  const struct curl_api *curl = t->carrier->curl;
  bool ok = set_own_trust(t, own);
  if (ok && own->client_certificate[0] != '\0')
    ok = SET(CURLOPT_SSLCERT, own->client_certificate) && SET(CURLOPT_SSLKEY, own->client_key)
      && SET(CURLOPT_KEYPASSWD, "");   /* else OpenSSL asks whoever is at the terminal */
  if (ok && own->skip_verify)
    ok = SET(CURLOPT_SSL_VERIFYPEER, 0L) && SET(CURLOPT_SSL_VERIFYHOST, 0L);
  if (ok && own->unix_socket[0] != '\0')
    ok = SET(CURLOPT_UNIX_SOCKET_PATH, own->unix_socket);
  if (ok && own->proxy.length > 0)
    ok = SET(CURLOPT_PROXY, own->proxy.data);
#undef SET
  return ok && (own->server_name[0] == '\0' || strncmp(t->url, "https", 5) != 0 || set_server_name(t, own->server_name));
}

static bool is_local(const char *url)
{
  char host[256];
  host_of(url, host, sizeof host);
  return destination_is_local(host);
}

static bool set_options(struct transfer *t, const struct door *door)
{
  const struct curl_api *curl = t->carrier->curl;
#define SET(option, value) (curl->curl_easy_setopt(t->easy, option, value) == CURLE_OK)
  bool ok = SET(CURLOPT_URL, t->url)
    && SET(CURLOPT_PROTOCOLS_STR, "http,https")
    && SET(CURLOPT_FOLLOWLOCATION, 0L)
    && SET(CURLOPT_NOSIGNAL, 1L)
    && SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS)
    && SET(CURLOPT_TIMEOUT_MS, (long)(t->timeout * 1000.0) + 1)   /* libcurl drops what is less than a millisecond, and so ends early */
    && SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS)
    && SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2)   /* at the least */
    && SET(CURLOPT_USERAGENT, door->user_agent)
    && SET(CURLOPT_ERRORBUFFER, t->error)
    && SET(CURLOPT_PRIVATE, t)
    && SET(CURLOPT_SHARE, t->carrier->share)
    && SET(CURLOPT_WRITEFUNCTION, take_body) && SET(CURLOPT_WRITEDATA, t)
    && SET(CURLOPT_HEADERFUNCTION, take_head) && SET(CURLOPT_HEADERDATA, t);
  if (ok && is_local(t->url))   /* what is meant for this machine or its metadata is no proxy's business */
    ok = SET(CURLOPT_PROXY, "");
#undef SET
  const struct transport *own = door_transport(door, t->service);
  const char *ca_bundle = own == NULL ? door->ca_bundle : NULL;   /* AWS's, which is nobody else's business */
  return ok && set_trust(t, ca_bundle) && set_body(t) && (own == NULL || set_transport(t, own)) && set_headers(t);
}

/* ---- the multi handle ---- */

static bool open_multi(struct carrier *c, const char **error)
{
  if (c->multi != NULL)
    return true;
  c->curl = curl_api(error);
  if (c->curl == NULL)
    return false;
  c->multi = c->curl->curl_multi_init();
  c->share = c->curl->curl_share_init();
  *error = "libcurl is out of memory";
  return c->multi != NULL && c->share != NULL
      && c->curl->curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK
      && c->curl->curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS) == CURLM_OK
      && c->curl->curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS) == CURLM_OK;
}

void transfer_start(struct transfer *t, const struct door *door)
{
  struct carrier *c = t->carrier;
  const char *error = NULL;
  if (!open_multi(c, &error)) {
    transfer_end(t, OUTCOME_UNSENT, "libcurl cannot be used: %s", error);
    return;
  }
  t->easy = c->curl->curl_easy_init();
  if (t->easy == NULL || !set_options(t, door) || c->curl->curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
    transfer_end(t, OUTCOME_UNSENT, "libcurl cannot start the request");
    return;
  }
  (void)transfers_remove(&c->queued, t);
  t->state = TRANSFER_FLYING;
  transfers_add(&c->flying, t);
  c->flying_count++;
}

/* Whether the service cannot have seen anything of a request that ended so. An answer that is no HTTP ends like an unknown protocol. */
static bool never_left(const struct transfer *t, CURLcode code)
{
  double sending = 0;   /* when it began; 0: never */
  long proxy = 0;       /* the status with which one refused to connect us */
  (void)t->carrier->curl->curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME, &sending);
  (void)t->carrier->curl->curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
  if (proxy >= 300)
    return true;
  if (sending > 0)
    return false;
  switch (code) {
  case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_CONNECT:
  case CURLE_SSL_CONNECT_ERROR: case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM: case CURLE_URL_MALFORMAT: case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_PROXY:
  case CURLE_OPERATION_TIMEDOUT:
    return true;
  default:
    return false;
  }
}

static void finish(struct transfer *t, CURLcode code)
{
  const struct curl_api *curl = t->carrier->curl;
  (void)curl->curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
  if (code == CURLE_OK) {
    transfer_end(t, OUTCOME_ANSWERED, "%s", "");
    return;
  }
  char host[256], text[sizeof t->error];
  host_of(t->url, host, sizeof host);
  (void)snprintf(text, sizeof text, "%s", t->error[0] != '\0' ? t->error : curl->curl_easy_strerror(code));
  if (t->too_long)
    (void)snprintf(text, sizeof text, "the answer is longer than %zu MiB", ANSWER_MAX >> 20);
  transfer_end(t, never_left(t, code) ? OUTCOME_UNSENT : OUTCOME_LOST, "%s: %.200s", host, text);
}

void carrier_work(struct carrier *c, double seconds)
{
  if (c->multi == NULL || c->flying_count == 0) {
    struct timespec nap = {0, (long)((seconds < SLICE_SECONDS ? seconds : SLICE_SECONDS) * 1e9)};
    if (nap.tv_nsec > 0)
      (void)nanosleep(&nap, NULL);   /* a signal may end it early */
    return;
  }
  int running = 0;
  if (c->curl->curl_multi_perform(c->multi, &running) != CURLM_OK)
    return;
  CURLMsg *message;
  int left;
  while ((message = c->curl->curl_multi_info_read(c->multi, &left)) != NULL) {
    char *owner = NULL;
    if (message->msg == CURLMSG_DONE
        && c->curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner) == CURLE_OK && owner != NULL)
      finish((struct transfer *)(void *)owner, message->data.result);
  }
  double wait = seconds < SLICE_SECONDS ? seconds : SLICE_SECONDS;
  if (c->done.first == NULL && wait > 0)
    (void)c->curl->curl_multi_poll(c->multi, NULL, 0, (int)(wait * 1000.0) + 1, NULL);
}

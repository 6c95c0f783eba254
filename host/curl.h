/* curl.h -- libcurl, loaded when the first request needs it: linking it would cost each start some 13 ms. */
#ifndef CURL_H
#define CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_FUNCTIONS(X) \
  X(curl_global_init) X(curl_easy_init) X(curl_easy_setopt) X(curl_easy_getinfo) X(curl_easy_cleanup) X(curl_easy_strerror) \
  X(curl_slist_append) X(curl_slist_free_all) \
  X(curl_multi_init) X(curl_multi_setopt) X(curl_multi_add_handle) X(curl_multi_remove_handle) X(curl_multi_perform) \
  X(curl_multi_poll) X(curl_multi_info_read) X(curl_multi_cleanup) X(curl_multi_strerror) \
  X(curl_share_init) X(curl_share_setopt) X(curl_share_cleanup)

struct curl_api {
#define MEMBER(name) __typeof__(name) *name;
  CURL_FUNCTIONS(MEMBER)
#undef MEMBER
};

/* libcurl's functions; NULL when it cannot be loaded, and then *error says why (static text or dlerror's). */
const struct curl_api *curl_api(const char **error);

#endif

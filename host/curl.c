/* curl.c -- loads libcurl on first use. */
#include "curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* Filled once and never changed: libcurl itself is one to a process. */
static struct curl_api api;
static int loaded;

const struct curl_api *curl_api(const char **error)
{
  if (loaded)
    return &api;
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    *error = dlerror();
    return NULL;
  }
  static const char *const names[] = {
#define NAME(name) #name,
    CURL_FUNCTIONS(NAME)
#undef NAME
  };
  void *functions[sizeof names / sizeof *names];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    functions[i] = dlsym(library, names[i]);
    if (functions[i] == NULL) {
      *error = dlerror();
      return NULL;
    }
  }
  _Static_assert(sizeof functions == sizeof api, "POSIX: a function pointer is as large as an object pointer");
  memcpy(&api, functions, sizeof api);
  if (api.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    *error = "libcurl does not start";
    return NULL;
  }
  loaded = 1;
  return &api;
}

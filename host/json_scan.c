/* json_scan.c -- a strict reading of JSON (RFC 8259, UTF-8) that prepares it for lua-cjson.
 * lua-cjson is lenient, makes every number a float and forgets that [] was an array. So the text is judged here, and what
 * lua-cjson would lose is rewritten as a marked string, which json.c turns into the real thing afterwards. Secrets are cut out. */
#include "json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_DIGITS 15     /* integers of so many digits are exact as floats too */
#define NUMBER_MAX 511      /* characters of a number */
#define SHOWN_MAX 40        /* characters of a name or number that a message quotes */

static bool read_value(struct json_scan *s, bool secret);

/* ---- faults ---- */

/* Where the text is wrong, counted as editors count: lines and bytes from 1. */
static void place(const struct json_scan *s, int *line, int *column)
{
  const char *start = s->text;
  *line = 1;
  for (const char *c = s->text; c < s->at && c < s->end; c++) {
    if (*c == '\n') {
      ++*line;
      start = c + 1;
    }
  }
  *column = (int)(s->at - start) + 1;
}

__attribute__((format(printf, 2, 3)))
static bool fail(struct json_scan *s, const char *format, ...)
{
  int line, column;
  place(s, &line, &column);
  int used = snprintf(s->fault, sizeof s->fault, "line %d, column %d: ", line, column);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(s->fault + used, sizeof s->fault - (size_t)used, format, arguments);
  va_end(arguments);
  return false;
}

static bool no_memory(struct json_scan *s)
{
  return fail(s, "out of memory");
}

/* What stands here instead of what was expected. One character, and never one of a string: it may be a secret's. */
static bool unexpected(struct json_scan *s, const char *wanted)
{
  if (s->at == s->end)
    return fail(s, "the text ends where %s is expected", wanted);
  unsigned char c = (unsigned char)*s->at;
  if (c > ' ' && c < 127)
    return fail(s, "expected %s, got '%c'", wanted, c);
  return fail(s, "expected %s, got byte %02X", wanted, c);
}

/* ---- the rewritten text ---- */

/* Copies what was read since the last copy, up to here. */
static bool copy_until(struct json_scan *s, const char *here)
{
  if (!bytes_append(&s->out, s->copied, (size_t)(here - s->copied)))
    return no_memory(s);
  s->copied = here;
  return true;
}

/* Puts "<mark><text>" as a string where the token from `start` to here stood. */
static bool replace(struct json_scan *s, const char *start, enum json_mark mark, const char *text, size_t length)
{
  const char head[3] = {'"', JSON_MARK, (char)mark};
  if (!copy_until(s, start))
    return false;
  s->copied = s->at;
  if (!bytes_append(&s->out, head, sizeof head) || !bytes_append(&s->out, text, length) || !bytes_append(&s->out, "\"", 1))
    return no_memory(s);
  return true;
}

static bool add_span(struct json_scan *s, struct bytes *spans, size_t start, size_t length)
{
  const struct json_span span = {start, length};
  return bytes_append(spans, &span, sizeof span) || no_memory(s);
}

/* The token from `start` to here was a secret; its bytes are the last of `hidden`, from `from` on. */
static bool replace_secret(struct json_scan *s, const char *start, size_t from)
{
  char index[24];
  size_t count = s->hidden_spans.length / sizeof(struct json_span);
  int length = snprintf(index, sizeof index, "%zu", count + 1);
  return add_span(s, &s->hidden_spans, from, s->hidden.length - from) && replace(s, start, JSON_SECRET, index, (size_t)length);
}

/* ---- strings ---- */

static bool continues(const char *text, size_t left, size_t count)
{
  if (left <= count)
    return false;
  for (size_t i = 1; i <= count; i++)
    if (((unsigned char)text[i] & 0xC0) != 0x80)
      return false;
  return true;
}

size_t json_utf8(const char *text, size_t left)
{
  if (left == 0)
    return 0;
  unsigned char first = (unsigned char)text[0], second = left > 1 ? (unsigned char)text[1] : 0;
  if (first < 0x80)
    return 1;
  if (first >= 0xC2 && first <= 0xDF)
    return continues(text, left, 1) ? 2 : 0;
  if ((first & 0xF0) == 0xE0) {
    bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F);
    return !bad && continues(text, left, 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool bad = (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return !bad && continues(text, left, 3) ? 4 : 0;
  }
  return 0;
}

/* Four hexadecimal digits at `text`; -1 when they are none. */
static long hex4(const char *text, const char *end)
{
  long value = 0;
  if (end - text < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    char c = text[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  return value;
}

static size_t put_utf8(char out[4], unsigned long code)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = count - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  out[0] = (char)((count == 2 ? 0xC0 : count == 3 ? 0xE0 : 0xF0) | code);
  return count;
}

/* \uXXXX, the text standing on its u; two of them for a character beyond U+FFFF. */
static bool read_unicode(struct json_scan *s, char out[4], size_t *count)
{
  long code = hex4(s->at + 1, s->end);
  if (code < 0)
    return fail(s, "\\u needs four hexadecimal digits");
  s->at += 5;
  if (code >= 0xD800 && code <= 0xDFFF) {
    bool pair = code < 0xDC00 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u';
    long low = pair ? hex4(s->at + 2, s->end) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
      return fail(s, "half of a surrogate pair is no character");
    s->at += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  *count = put_utf8(out, (unsigned long)code);
  return true;
}

/* An escape, the text standing behind its backslash. */
static bool read_escape(struct json_scan *s, struct bytes *into)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char out[4];
  size_t count = 1;
  const char *letter = s->at < s->end && *s->at != '\0' ? strchr(letters, *s->at) : NULL;
  if (letter != NULL) {
    out[0] = meanings[letter - letters];
    s->at++;
  } else if (s->at < s->end && *s->at == 'u') {
    if (!read_unicode(s, out, &count))
      return false;
  } else {
    return fail(s, "no such escape in a string");
  }
  return into == NULL || bytes_append(into, out, count) || no_memory(s);
}

/* The characters up to the next quote or backslash. */
static bool read_plain(struct json_scan *s, struct bytes *into)
{
  const char *start = s->at;
  while (s->at < s->end && *s->at != '"' && *s->at != '\\') {
    size_t length = (unsigned char)*s->at < 0x80 ? 1 : json_utf8(s->at, (size_t)(s->end - s->at));
    if (length == 0)
      return fail(s, "not UTF-8");
    if ((unsigned char)*s->at < ' ')
      return fail(s, "byte %02X in a string must be written as an escape", (unsigned char)*s->at);
    s->at += length;
  }
  return into == NULL || bytes_append(into, start, (size_t)(s->at - start)) || no_memory(s);
}

/* A string, the text standing on its first quote; what it means is appended to `into`, unless that is NULL. */
static bool read_string(struct json_scan *s, struct bytes *into)
{
  s->at++;
  for (;;) {
    if (!read_plain(s, into))
      return false;
    if (s->at == s->end)
      return fail(s, "the text ends within a string");
    if (*s->at++ == '"')
      return true;
    if (!read_escape(s, into))
      return false;
  }
}

static bool read_string_value(struct json_scan *s, bool secret)
{
  const char *start = s->at;
  size_t from = s->hidden.length;
  if (!read_string(s, secret ? &s->hidden : NULL))
    return false;
  if (secret)
    return replace_secret(s, start, from);
  size_t length = (size_t)(s->at - start) - 2;
  if (length >= 6 && memcmp(start + 1, "\\u0001", 6) == 0)
    return replace(s, start, JSON_STRING, start + 1, length);
  return true;
}

/* ---- numbers ---- */

static size_t skip_digits(struct json_scan *s)
{
  const char *start = s->at;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
    s->at++;
  return (size_t)(s->at - start);
}

/* The grammar of RFC 8259. `whole` becomes false with a fraction or an exponent. */
static bool read_number_text(struct json_scan *s, bool *whole)
{
  if (*s->at == '-')
    s->at++;
  const char *first = s->at;
  size_t digits = skip_digits(s);
  if (digits == 0)
    return unexpected(s, "a digit");
  if (digits > 1 && *first == '0')
    return fail(s, "a number does not begin with 0");
  if (s->at < s->end && *s->at == '.') {
    s->at++;
    *whole = false;
    if (skip_digits(s) == 0)
      return unexpected(s, "a digit");
  }
  if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
    s->at++;
    *whole = false;
    if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
      s->at++;
    if (skip_digits(s) == 0)
      return unexpected(s, "a digit");
  }
  return true;
}

/* Is it 0, 0.00, 0e5? */
static bool is_zero(const char *number)
{
  size_t zeros = strspn(number, "-0.");
  return number[zeros] == '\0' || number[zeros] == 'e' || number[zeros] == 'E';
}

/* Can Lua hold it: an integer in 64 bits, a float without becoming infinite or nothing? */
static bool fits(const char *number, bool whole)
{
  errno = 0;
  if (whole) {
    (void)strtoll(number, NULL, 10);
    return errno == 0;
  }
  double value = strtod(number, NULL);
  return isfinite(value) && (value < 0 || value > 0 || is_zero(number));
}

static bool read_number(struct json_scan *s, bool secret)
{
  const char *start = s->at;
  bool whole = true;
  char number[NUMBER_MAX + 1];
  if (!read_number_text(s, &whole))
    return false;
  size_t length = (size_t)(s->at - start), from = s->hidden.length;
  if (secret)
    return (bytes_append(&s->hidden, start, length) || no_memory(s)) && replace_secret(s, start, from);
  bool minus_zero = length == 2 && memcmp(start, "-0", 2) == 0;
  if (whole && length <= SHORT_DIGITS && !minus_zero)
    return true;
  if (length > NUMBER_MAX) {
    s->at = start;
    return fail(s, "a number of %zu characters is too long", length);
  }
  memcpy(number, start, length);
  number[length] = '\0';
  if (!fits(number, whole)) {
    s->at = start;
    return fail(s, "the number %.*s is beyond what can be held", SHOWN_MAX, number);
  }
  return replace(s, start, JSON_NUMBER, minus_zero ? "-0.0" : number, minus_zero ? 4 : length);
}

/* ---- words, arrays, objects ---- */

static void skip_space(struct json_scan *s)
{
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
    s->at++;
}

/* Skips white space, and the character if it comes next. */
static bool skip(struct json_scan *s, char c)
{
  skip_space(s);
  if (s->at == s->end || *s->at != c)
    return false;
  s->at++;
  return true;
}

static bool read_word(struct json_scan *s)
{
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t length = strlen(words[i]);
    if ((size_t)(s->end - s->at) >= length && memcmp(s->at, words[i], length) == 0) {
      s->at += length;
      return true;
    }
  }
  return unexpected(s, "a value");
}

static bool read_array(struct json_scan *s, bool secret)
{
  const char *start = s->at++;
  if (skip(s, ']')) {
    if (!copy_until(s, start) || !bytes_append(&s->out, "[", 1))
      return no_memory(s);
    s->copied = s->at;
    return replace(s, s->at, JSON_EMPTY, "", 0) && (bytes_append(&s->out, "]", 1) || no_memory(s));
  }
  do {
    if (!read_value(s, secret))
      return false;
  } while (skip(s, ','));
  return skip(s, ']') || unexpected(s, "',' or ']'");
}

static bool is_secret_name(const struct json_scan *s, const char *name, size_t length)
{
  for (const char *const *secret = s->secrets; secret != NULL && *secret != NULL; secret++)
    if (strlen(*secret) == length && memcmp(*secret, name, length) == 0)
      return true;
  return false;
}

static int compare_names(const void *left, const void *right, void *names)
{
  const struct json_span *a = left, *b = right;
  const char *text = names;
  if (a->length != b->length)
    return a->length < b->length ? -1 : 1;
  return a->length == 0 ? 0 : memcmp(text + a->start, text + b->start, a->length);
}

/* The beginning of a name, fit for a message. */
static void show_name(char shown[SHOWN_MAX + 1], const char *name, size_t length)
{
  size_t count = length < SHOWN_MAX ? length : SHOWN_MAX;
  for (size_t i = 0; i < count; i++)
    shown[i] = (char)(name[i] >= ' ' && name[i] < 127 ? name[i] : '?');
  shown[count] = '\0';
}

/* Refuses a name that the object has twice; its names are those from the span `first` on. Then they are forgotten. */
static bool close_names(struct json_scan *s, size_t first)
{
  struct json_span *spans = (struct json_span *)(void *)s->name_spans.data;
  size_t count = s->name_spans.length / sizeof *spans;
  if (count > first)
    qsort_r(spans + first, count - first, sizeof *spans, compare_names, s->names.data);
  for (size_t i = first + 1; i < count; i++) {
    if (compare_names(&spans[i - 1], &spans[i], s->names.data) == 0) {
      char shown[SHOWN_MAX + 1];
      show_name(shown, s->names.data + spans[i].start, spans[i].length);
      return fail(s, "the object that ends here has the member '%s' twice", shown);
    }
  }
  s->name_spans.length = first * sizeof *spans;
  return true;
}

static bool read_member(struct json_scan *s, bool secret)
{
  size_t start = s->names.length;
  skip_space(s);
  if (s->at == s->end || *s->at != '"')
    return unexpected(s, "a member's name in quotes");
  if (!read_string(s, &s->names))
    return false;
  size_t length = s->names.length - start;
  if (!add_span(s, &s->name_spans, start, length))
    return false;
  if (!skip(s, ':'))
    return unexpected(s, "':'");
  return read_value(s, secret || (length > 0 && is_secret_name(s, s->names.data + start, length)));
}

static bool read_object(struct json_scan *s, bool secret)
{
  size_t first = s->name_spans.length / sizeof(struct json_span), start = s->names.length;
  s->at++;
  if (skip(s, '}'))
    return true;
  do {
    if (!read_member(s, secret))
      return false;
  } while (skip(s, ','));
  if (!skip(s, '}'))
    return unexpected(s, "',' or '}'");
  if (!close_names(s, first))
    return false;
  s->names.length = start;
  return true;
}

static bool read_nested(struct json_scan *s, bool secret)
{
  if (s->depth == JSON_DEPTH)
    return fail(s, "nested deeper than %d levels", JSON_DEPTH);
  s->depth++;
  bool ok = *s->at == '{' ? read_object(s, secret) : read_array(s, secret);
  s->depth--;
  return ok;
}

/* Within a secret member every string and number is one; true, false, null and the shape tell nothing. */
static bool read_value(struct json_scan *s, bool secret)
{
  skip_space(s);
  if (s->at == s->end)
    return unexpected(s, "a value");
  switch (*s->at) {
    case '{': case '[':
      return read_nested(s, secret);
    case '"':
      return read_string_value(s, secret);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
      return read_number(s, secret);
    default:
      return read_word(s);
  }
}

bool json_scan(struct json_scan *s)
{
  s->at = s->copied = s->text;
  s->end = s->text + s->length;
  if (s->length > JSON_MAX)
    return fail(s, "the text has %zu bytes, more than %zu", s->length, JSON_MAX);
  if (s->length >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0)
    return fail(s, "the text begins with a byte order mark");
  s->out.max = 16 + 8 * s->length;   /* the worst is [], which grows to seven bytes */
  s->hidden.max = s->names.max = s->length + 1;
  s->hidden_spans.max = s->name_spans.max = (s->length + 1) * sizeof(struct json_span);
  if (!read_value(s, false))
    return false;
  skip_space(s);
  if (s->at < s->end)
    return fail(s, "something follows the value");
  return copy_until(s, s->end);
}

void json_scan_free(struct json_scan *s)
{
  bytes_free(&s->out);
  bytes_free(&s->hidden);
  bytes_free(&s->hidden_spans);
  bytes_free(&s->names);
  bytes_free(&s->name_spans);
}

/* cells.c -- libedit's way to lay out a line (its refresh.c and chartype.c): a tab fills up to the next eighth column, a control character
 * is ^X, what the locale cannot show is \U+XXXX, a wide character that does not fit begins the next row, a full row ends itself. */
#include "cells.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define TAB 8
#define ESCAPED 7      /* columns of \U+XXXX */

static struct cell advance(struct cell at, int width, bool may_break, int columns)
{
  if (!may_break && at.column + width > columns)
    at = (struct cell){at.row + 1, 0};
  at.column += width;
  while (at.column >= columns)
    at = (struct cell){at.row + 1, at.column - columns};
  return at;
}

static struct cell behind(struct cell at, wchar_t c, int columns)
{
  if (c == L'\n')
    return (struct cell){at.row + 1, 0};
  if (c == L'\t') {
    int stop = (at.column / TAB + 1) * TAB;
    return stop < columns ? (struct cell){at.row, stop} : (struct cell){at.row + 1, 0};
  }
  if (c < 0x100 && iswcntrl((wint_t)c))
    return advance(at, 2, true, columns);
  if (!iswprint((wint_t)c))
    return advance(at, c > 0xffff ? ESCAPED + 1 : ESCAPED, true, columns);
  int width = wcwidth(c);
  return width > 0 ? advance(at, width, false, columns) : at;
}

struct cell cells_behind(struct cell at, const wchar_t *from, const wchar_t *to, int columns)
{
  for (; from < to; from++)
    at = behind(at, *from, columns);
  return at;
}

struct cell cells_before(struct cell at, const wchar_t *next, const wchar_t *end, int columns)
{
  bool breaks = next < end && iswprint((wint_t)*next) && at.column + wcwidth(*next) > columns;
  return breaks ? (struct cell){at.row + 1, 0} : at;
}

struct cell cells_prompt(const char *prompt, char literal, int columns)
{
  struct cell at = {0, 0};
  mbstate_t state;
  memset(&state, 0, sizeof state);
  bool silent = false;
  for (size_t left = strlen(prompt); left > 0;) {
    wchar_t c;
    size_t length = mbrtowc(&c, prompt, left, &state);
    if (length == 0 || length > left)
      break;
    if (*prompt == literal)
      silent = !silent;
    else if (!silent)
      at = behind(at, c, columns);
    prompt += length;
    left -= length;
  }
  return at;
}

void cells_move(struct bytes *out, struct cell from, struct cell to)
{
  char move[64];
  int length = 0;
  if (to.row != from.row)
    length = snprintf(move, sizeof move, "\033[%d%c", abs(to.row - from.row), to.row > from.row ? 'B' : 'A');
  length += snprintf(move + length, sizeof move - (size_t)length, to.column > 0 ? "\r\033[%dC" : "\r", to.column);
  (void)bytes_append(out, move, (size_t)length);
}

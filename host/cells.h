/* cells.h -- where the characters of a line that is edited stand on the terminal, as libedit puts them there. */
#ifndef CELLS_H
#define CELLS_H

#include <wchar.h>

#include "bytes.h"

/* Counted from where the prompt begins. */
struct cell { int row, column; };

/* Behind the characters, the first of which stands at `at`. */
struct cell cells_behind(struct cell at, const wchar_t *from, const wchar_t *to, int columns);

/* Where the cursor stands before `next`, which may be too wide for what is left of its row. */
struct cell cells_before(struct cell at, const wchar_t *next, const wchar_t *end, int columns);

/* Behind a prompt in UTF-8, of which what stands between two `literal`s takes no room. */
struct cell cells_prompt(const char *prompt, char literal, int columns);

/* What takes the terminal's cursor from one to another, both of which the terminal has. */
void cells_move(struct bytes *out, struct cell from, struct cell to);

#endif

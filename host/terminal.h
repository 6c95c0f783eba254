/* terminal.h -- questions to whoever sits at the terminal, for other C files. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stddef.h>

/* Writes the question to the controlling terminal (/dev/tty; else stdin when it is a terminal) and reads one line of an answer,
 * without its end. Returns its length; 0: an empty line; TERMINAL_NONE: there is no terminal; TERMINAL_NO_ANSWER: the end of input, a
 * signal, or an answer that does not fit. */
enum { TERMINAL_NONE = -1, TERMINAL_NO_ANSWER = -2 };
int terminal_ask(const char *question, char *answer, size_t size);

#endif

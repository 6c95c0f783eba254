/* edit.h -- libedit, loaded when the first line is edited: linking it would make every other command start slower. */
#ifndef EDIT_H
#define EDIT_H

#include <signal.h>
#include <stdbool.h>

#include <histedit.h>
#include <lua.h>

#define EDIT_FUNCTIONS(X) \
  X(el_init) X(el_end) X(el_set) X(el_wset) X(el_get) X(el_gets) X(el_push) X(el_source) X(el_resize) \
  X(el_wgetc) X(el_wline) X(el_winsertstr) X(el_deletestr) X(el_cursor) \
  X(history_init) X(history_end) X(history)

struct edit_api {
#define MEMBER(name) __typeof__(name) *name;
  EDIT_FUNCTIONS(MEMBER)
#undef MEMBER
};

extern struct edit_api edit_api;    /* one to a process, filled once */

#define LITERAL '\1'                /* around what moves no cursor, in a prompt */
#define EDIT_SIGNALS 2

/* Where the functions stand on the stack of the call that edits a line. */
enum { COMPLETE = 3, HINT = 4, OPEN = 5 };

struct editor {
  EditLine *el;                     /* owned; NULL when closed */
  History *history;                 /* owned */
  lua_State *L;                     /* of the call that edits a line */
  char *prompt;                     /* owned */
  struct sigaction handlers[EDIT_SIGNALS];   /* of the signals that are watched, before the line was begun */
  sigset_t before;                  /* the signals that were held back before the line was begun */
  bool cancelled;                   /* ^C was typed */
  bool pasting;                     /* what comes is marked as pasted */
  bool begun;                       /* the first character was waited for */
  bool rested;                      /* nothing was typed for a moment, since the line was begun */
  bool rushing;                     /* the last character came without a moment's rest */
  bool hinted;                      /* a hint stands below the line */
};

/* edit.c */
struct editor *edit_of(EditLine *el);

/* edit_wait.c */
void edit_begin(struct editor *e);                 /* a line: signals are held back until a character is waited for */
void edit_end(struct editor *e);                   /* nothing is left below it */
int edit_read(EditLine *el, wchar_t *got);         /* libedit's way to the next character */
bool edit_has_more(void);                          /* something was typed that is not read yet */
bool edit_ask(struct editor *e, int function);     /* one of the functions, protected: three results on the stack; false: what was raised */
void edit_write(const char *text);                 /* on the terminal */
void edit_go_below(struct editor *e);              /* the cursor below the line, from where it is drawn anew */
void edit_stop(struct editor *e);                  /* the whole job, with the terminal as it was found */

/* edit_keys.c */
bool edit_add_functions(EditLine *el);
void edit_bind_keys(EditLine *el);

#endif

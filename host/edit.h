/* edit.h -- libedit, loaded when the first line is edited: linking it would make every other command start slower. */
#ifndef EDIT_H
#define EDIT_H

#include <histedit.h>

#define EDIT_FUNCTIONS(X) \
  X(el_init) X(el_end) X(el_set) X(el_wset) X(el_get) X(el_gets) X(el_push) X(el_source) X(el_resize) \
  X(el_wgetc) X(el_wline) X(el_winsertstr) X(el_deletestr) \
  X(history_init) X(history_end) X(history)

struct edit_api {
#define MEMBER(name) __typeof__(name) *name;
  EDIT_FUNCTIONS(MEMBER)
#undef MEMBER
};

#endif

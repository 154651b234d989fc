/* A small Forth: one `struct forth` is an interpreter of its own, for one thread at a time. */
#ifndef FORTH_H
#define FORTH_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t cell;
struct forth;

/* What `apply ( n word -- x )` calls: a function of the host, which may call back in. */
typedef const char *forth_host(void *host, cell n, cell word, cell *result);

/* Makes an interpreter that knows the words of this source; NULL if memory ran out or the source is
 * wrong, with the reason in *error. */
struct forth *forth_new(const char *source, forth_host *apply, void *host, const char **error);
void forth_free(struct forth *f);

/* The number of a word, or -1. The same in all interpreters that were made from the same source. */
cell forth_find(const struct forth *f, const char *name);

/* Runs a word on one argument and takes one result. NULL, or what went wrong: then the stacks are
 * as they were before. May be called while a word of the same interpreter is running. */
const char *forth_run(struct forth *f, cell word, cell argument, cell *result);

#endif

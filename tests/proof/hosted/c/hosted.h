/* What the C side of the hosted scenarios offers, and what it is handed. */
#ifndef EXTRAM_HOSTED_H
#define EXTRAM_HOSTED_H

#include <stddef.h>

/* A function of the test, with what it wants to be handed back, and which thread calls. */
typedef void (*hosted_body)(void *arg, unsigned index);

/* A pool as C sees it. Entering returns an M that leaving wants back, or NULL. */
struct hosted_pool {
    void *(*enter)(void *pool);
    void (*leave)(void *pool, void *m);
    void *pool;
};

/* crew.c: `count` POSIX threads that all exist before the first one calls `body`. Returns how many
 * could be made; if not all, `body` is not called at all. */
unsigned hosted_crew(unsigned count, size_t stack, hosted_body body, void *arg);
/* The same, each joined before the next is made. */
unsigned hosted_in_turn(unsigned count, size_t stack, hosted_body body, void *arg);

/* exits.c: a thread enters `depth` times and exits there. 0 = done. */
int hosted_exit_inside(const struct hosted_pool *pool, unsigned depth);
/* The same, and is cancelled there. */
int hosted_cancel_inside(const struct hosted_pool *pool, unsigned depth);

/* A thread with a cancellation pending calls `body`, in which there is no cancellation point: 0 = it came to
 * the end of that, and was cancelled afterwards. */
int hosted_cancelled(hosted_body body, void *arg);

/* destructors.c: a thread-specific key, and threads whose destructor for it enters. */
int hosted_key(unsigned *key);
int hosted_key_delete(unsigned key);
/* Of the rounds of destructors, enters in rounds `first` to `last`, counted from 1; before that
 * from the thread itself if `first` is 0. Returns how many entries were let in, or -1. */
int hosted_destructor(const struct hosted_pool *pool, unsigned key, unsigned first, unsigned last);
/* Calls `body` on a thread, with 0, and then from its destructor in rounds 1 to `last`, with the
 * round. Returns how often, or -1. */
int hosted_rounds(unsigned key, unsigned last, hosted_body body, void *arg);

/* job_queue.c: a C library's own pool of threads. */
struct hosted_queue;
struct hosted_queue *hosted_queue_new(unsigned threads);
void hosted_queue_put(struct hosted_queue *queue, hosted_body body, void *arg, unsigned index);
/* Waits for all jobs, ends the threads. */
void hosted_queue_free(struct hosted_queue *queue);

/* other_stack.c: runs `body` on a stack of its own, `index` 0; returns -1 if it cannot. */
int hosted_on_other_stack(void *stack, size_t size, hosted_body body, void *arg);

/* preserved.c: runs `body` and returns which of the thread's belongings it changed. */
enum { HOSTED_ERRNO = 1, HOSTED_MASK = 2, HOSTED_ALTSTACK = 4 };
unsigned hosted_preserved(hosted_body body, void *arg);

/* storm.c: `count` threads call `body` over and over while two kinds of signals come down on them, until
 * each has handled `signals`. The handlers call `handler`. Returns how many threads there were. */
unsigned hosted_storm(unsigned count, unsigned signals, hosted_body body, hosted_body handler, void *arg);

/* A thread of a storm strikes itself where it calls this, at one call in thirteen. */
void hosted_strike(void);

/* system_calls.c, FreeBSD only: has the calling process traced into `file`, which is there, until it
 * ends. 0, or an error number. */
int hosted_trace(const char *file);
/* Counts the system calls in such a file by their numbers, which are less than `size`. -1 if it makes
 * no sense, or some were lost. */
int hosted_traced(const char *file, unsigned *counts, unsigned size);

/* openmp.c: a parallel region of `count` threads, and one nested in each of them. */
unsigned hosted_openmp(unsigned count, hosted_body body, void *arg);

#endif

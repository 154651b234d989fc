/*
 * What a kernel supplies when extram is linked into it without an operating system below, and what it
 * calls when its threads come and go. Programs include extram.h.
 *
 * Written by cbindgen from crates/capi: `cargo xtask header --bless`.
 */

#ifndef EXTRAM_PORT_H
#define EXTRAM_PORT_H

#include <stddef.h>
#include <stdint.h>


#if defined(_MSC_VER) && !defined(__clang__)
#define EXTRAM_ALIGNED(bytes) __declspec(align(bytes))
#else
#define EXTRAM_ALIGNED(bytes) __attribute__((aligned(bytes)))
#endif

/**
 * The size of an extram_block.
 */
#define EXTRAM_BLOCK_WORDS 12

/**
 * What extram keeps for each thread of the kernel: a core, a task. Part of the task's own structure, for
 * instance.
 */
typedef struct EXTRAM_ALIGNED(16) {
    size_t words[EXTRAM_BLOCK_WORDS];
} extram_block;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Supplied by the kernel. The block of the thread that calls; in an interrupt handler, that of
 * the interrupted thread. The same for as long as the thread lives. Never NULL.
 */
extern extram_block *extram_port_block(void);

/**
 * Supplied by the kernel. Ticks per second of the counter below.
 */
extern uint32_t extram_port_frequency(void);

/**
 * Supplied by the kernel. A counter that never goes back, not even from one core to another.
 */
extern uint64_t extram_port_ticks(void);

/**
 * Supplied by the kernel. Lets another thread run, if there is one, and comes back by itself:
 * never rests until an event comes, since the caller may hold what everybody else waits for.
 */
extern void extram_port_yield(void);

/**
 * Supplied by the kernel. Waits until extram_port_wake is called for the word, if it holds
 * expected, or the counter reaches until (UINT64_MAX: no time limit). May return early for any
 * reason; calling extram_port_yield once is enough.
 */
extern void extram_port_wait(const uint32_t *word, uint32_t expected, uint64_t until);

/**
 * Supplied by the kernel. Wakes up to count threads that wait for the word. The address may be
 * stale and is not read. May do nothing where extram_port_wait does not wait to be told.
 */
extern void extram_port_wake(const uint32_t *word, uint32_t count);

/**
 * Supplied by the kernel on RV32. Keeps interrupts, and with them other threads, off this core until
 * extram_port_unmask is given what this returned. In handlers, too, and one within another.
 */
extern size_t extram_port_mask(void);

/**
 * Supplied by the kernel on RV32. Lets them come again, if they did before that call of
 * extram_port_mask.
 */
extern void extram_port_unmask(size_t before);

/**
 * Supplied by the kernel. A defect in extram was found at this place (file is length bytes,
 * without a zero at the end). Does not return.
 */
extern void extram_port_panic(const char *file, size_t length, uint32_t line);

/**
 * Makes a block a new thread's, which is called number by debuggers and runs on that stack (NULL
 * and 0 if nobody knows). Before the thread enters any pool.
 */
int extram_block_reset(extram_block *block, uint32_t number, void *stack_low, size_t stack_size);

/**
 * What stayed with a thread goes back to its pools. The thread calls this on its own block when it
 * ends.
 */
int extram_block_exit(extram_block *block);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EXTRAM_PORT_H */

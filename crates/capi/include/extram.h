/*
 * extram lends an execution context, an M, to any thread that calls into a language runtime which
 * did not create it.
 *
 * Every function that returns an int returns an extram_code; extram_each_m and extram_dump also what
 * their callback returned. A mistake of the caller's (a NULL argument, a wrong size, a stale handle)
 * is EXTRAM_INVALID and changes nothing. Unless its comment says otherwise, a function may be called
 * by any thread, also in a thread-local destructor, but not in a signal handler. No function changes
 * errno, or on Windows the last error, except where a function of the configuration does.
 *
 * An M is spare when it is on the list. With max_ms or in storage, one that is idle with the thread that
 * it is bound to is as good as spare to whoever needs one, signal handlers included.
 *
 * In a child forked while threads are inside, or making, closing or freeing pools, those threads'
 * Ms are lost, and the pools go on working. A library that contains this one may be unloaded while a
 * pool is open, if no thread is inside or enters any more: threads that exit later touch nothing of
 * it. The memory of that pool, and the contexts, leak then; extram_pool_close before that frees them.
 *
 * On Windows a program links with the import library, libextram.dll.a, or with libextram.a. It needs no
 * __declspec(dllimport) for either: there are functions here, and no variables.
 *
 * Written by cbindgen from crates/capi: `cargo xtask header --bless`.
 */

#ifndef EXTRAM_H
#define EXTRAM_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header, as extram_version() has that of the library. Before 1.0.0 the two belong together
 *  where major and minor are the same. */
#define EXTRAM_VERSION (EXTRAM_VERSION_MAJOR << 16 | EXTRAM_VERSION_MINOR << 8 | EXTRAM_VERSION_PATCH)

/** Bytes of storage that are enough for extram_pool_init and max_ms Ms, as a constant. */
#define EXTRAM_POOL_BYTES(max_ms) \
    (sizeof(void *) * ((sizeof(void *) == 4 ? EXTRAM_POOL_WORDS_32 : EXTRAM_POOL_WORDS) \
                       + EXTRAM_M_WORDS * (max_ms)))

/**
 * Used by EXTRAM_POOL_BYTES.
 */
#define EXTRAM_POOL_WORDS 128

/**
 * Used by EXTRAM_POOL_BYTES, on 32-bit processors.
 */
#define EXTRAM_POOL_WORDS_32 76

/**
 * Used by EXTRAM_POOL_BYTES.
 */
#define EXTRAM_M_WORDS 24

/**
 * The version of the header that a program was compiled with; extram_version returns that of the library.
 */
#define EXTRAM_VERSION_MAJOR 0

/**
 * See EXTRAM_VERSION_MAJOR.
 */
#define EXTRAM_VERSION_MINOR 1

/**
 * See EXTRAM_VERSION_MAJOR.
 */
#define EXTRAM_VERSION_PATCH 0

/**
 * What a function returns.
 */
typedef enum {
    /**
     * Done.
     */
    EXTRAM_OK = 0,
    /**
     * The pool has not been started. Reserved: extram_pool_new and extram_pool_init start theirs.
     */
    EXTRAM_NOT_STARTED,
    /**
     * No M is spare right now, or try_admit admits nobody, and the call may not wait.
     */
    EXTRAM_WOULD_BLOCK,
    /**
     * No M became free in time.
     */
    EXTRAM_TIMED_OUT,
    /**
     * There are as many Ms as max_ms (or the storage) allows, and none is spare: told by
     * extram_try_enter and extram_enter_from_signal, which would have to wait, and by extram_prewarm,
     * which would have to make more. extram_enter waits instead.
     */
    EXTRAM_EXHAUSTED,
    /**
     * The pool is closed, or is being closed: extram_pool_close was called, even if it returned EXTRAM_BUSY.
     */
    EXTRAM_CLOSED,
    /**
     * Not now. extram_pool_close: an M is still in use. extram_pool_reopen: the pool is open.
     * extram_pool_free: it is not closed. Each of them also: another thread is already doing so.
     * extram_unbind: the thread is inside a call. Nothing is lost, and the call can be made again; the
     * function's comment says when it will succeed.
     */
    EXTRAM_BUSY,
    /**
     * Memory or thread-local storage ran out.
     */
    EXTRAM_NO_MEMORY,
    /**
     * The caller made a mistake, and nothing has changed. An argument is NULL, or not aligned. The size in
     * a structure is not the library's: it was not set, or the program was compiled with the extram.h
     * of another version. In the configuration new_context is NULL, or binding is not an extram_binding
     * (extram_config_problem says which).
     * A handle is stale (its pool was freed, its call is over), invented, of another pool or of another
     * thread. Or it is a call that may not be left now.
     *
     * Also if a function of the configuration, being written in Rust, panicked. What has happened then,
     * the comment of the function that returns this says.
     */
    EXTRAM_INVALID,
    /**
     * No M could be made: new_context failed (observe is told the code that it returned), or, while
     * entering, there was no memory for the M itself.
     */
    EXTRAM_CREATION_FAILED,
    /**
     * More pools, nested calls or waiting threads than can be counted.
     */
    EXTRAM_TOO_MANY,
} extram_code;

/**
 * How long an M stays with a thread.
 */
typedef enum {
    /**
     * Until the thread exits. What a call after the first costs depends on the pool.
     *
     * With max_ms = 0, made by extram_pool_new, where the system has a barrier for it (Linux, Windows,
     * FreeBSD from 14.1): reads and writes of thread-local words and of the M's own. No atomic exchange,
     * and nothing that other threads write to.
     *
     * With a limit, in storage of the caller's, and on other systems: besides, one compare-exchange
     * on the thread's own M to enter and one to leave. With a limit or in storage an idle M may have been
     * taken back for a thread that waited; then the call is as a first one, and may wait.
     */
    EXTRAM_BIND_THREAD = 0,
    /**
     * Until the end of the call. Each call looks at the clock, for since_ns of extram_m_info: most of what it
     * costs where that takes 50 ns.
     */
    EXTRAM_BIND_CALL = 1,
} extram_binding;

/**
 * What happened.
 */
typedef enum {
    /**
     * The thread found no spare M and is about to wait.
     */
    EXTRAM_EVENT_WAITING = 0,
    /**
     * The wait is over: it got m.
     */
    EXTRAM_EVENT_GRANTED,
    /**
     * The wait is over without an M; code is what the call returns, an extram_code.
     */
    EXTRAM_EVENT_REFUSED,
    /**
     * The thread is inside with m, at the outermost level, and admitted.
     */
    EXTRAM_EVENT_ENTERED,
    /**
     * The thread begins to make an M.
     */
    EXTRAM_EVENT_MAKING,
    /**
     * The thread has made m.
     */
    EXTRAM_EVENT_MADE,
    /**
     * The thread failed to make one; code is what new_context returned.
     */
    EXTRAM_EVENT_FAILED,
    /**
     * The thread left the outermost call with m, which stays with it if it is bound.
     */
    EXTRAM_EVENT_LEFT,
    /**
     * m no longer belongs to its thread. Not told of one that was discarded.
     */
    EXTRAM_EVENT_RETURNED,
    /**
     * The last call with m is over, whose context was discarded and is about to be freed; in place of
     * EXTRAM_EVENT_RETURNED.
     */
    EXTRAM_EVENT_DISCARDED,
} extram_event_kind;

/**
 * Where an M is.
 */
typedef enum {
    /**
     * Nobody's: on the list, or on its way to a waiter.
     */
    EXTRAM_SPARE = 0,
    /**
     * Inside a call.
     */
    EXTRAM_IN_USE,
    /**
     * Bound to a thread that is outside.
     */
    EXTRAM_BOUND_IDLE,
} extram_state;

/**
 * An M, as seen by the thread that holds it. Only a name for it: not an address.
 */
typedef struct extram_m extram_m;

/**
 * A pool. Only a name for it: not an address.
 */
typedef struct extram_pool extram_pool;

/**
 * What observe is told.
 */
typedef struct {
    /**
     * sizeof(extram_event)
     */
    size_t size;
    /**
     * An extram_event_kind.
     */
    uint32_t kind;
    /**
     * The M's number, from 1; 0 where there is none.
     */
    uint32_t m;
    /**
     * EXTRAM_EVENT_FAILED: what new_context returned. EXTRAM_EVENT_REFUSED: an extram_code. Else 0.
     */
    int code;
    /**
     * When, by a clock that never goes back (CLOCK_MONOTONIC on Linux and FreeBSD); 0 where there is
     * none.
     */
    uint64_t time_ns;
} extram_event;

/**
 * What a pool is made from. What is not set is 0. The functions run on the thread concerned, and each
 * must return: it may neither end the thread nor jump out, and no C++ exception may leave it.
 *
 * One that is written in Rust, extern "C-unwind", and belongs to the same Rust program as the library
 * (which has the crate extram-capi among its dependencies) may panic: the call that it was made for
 * returns EXTRAM_INVALID, and nothing is lost; at a thread's exit, where there is no such call, a panic
 * of retire ends the process with a message. libextram.a and libextram.so are Rust programs of their
 * own: a panic that comes from another Rust library ends the process with a message. Such a library
 * catches its panics itself, before it returns.
 */
typedef struct {
    /**
     * sizeof(extram_config). If the library's is another, nothing but this is read, and what gets the
     * configuration returns EXTRAM_INVALID.
     */
    size_t size;
    /**
     * Handed to every function below.
     */
    void *runtime;
    /**
     * Makes what one M carries, and writes it to *context; 0 = made. Anything else = failed; observe is
     * told the number. The only function that may not be NULL.
     */
    int (*new_context)(void *runtime, void **context);
    /**
     * Frees it. No walk shows it any more. May be NULL.
     */
    void (*free_context)(void *runtime, void *context);
    /**
     * Called with the M in hand before the outermost callback; may block while a collection runs.
     * Called by extram_enter_from_signal too, and must be async-signal-safe where that is used.
     * Called once more, and retire after it, where a context that was discarded is replaced at once:
     * extram_context is the old one then. May be NULL.
     */
    void (*admit)(void *runtime, extram_m *m);
    /**
     * Called before the thread goes back to foreign code from the outermost callback, and when
     * it exits inside one: what it entered and has not left is left then. In the handler, for a call from
     * extram_enter_from_signal: async-signal-safe where that is used. May be NULL.
     */
    void (*retire)(void *runtime, extram_m *m);
    /**
     * The most Ms at once; 0 = no limit: as many as are needed, or as the storage has room for. (In
     * Rust, Pool::limit(0) is a limit, and such a pool does not start.) A context that is being freed after
     * extram_discard, extram_trim or extram_trim_unused does not count: N threads that discard may have N more while
     * free_context runs. Threads that come may overtake threads that wait; after 256 that did, or some
     * 2 ms, in which none that waits was served, they step aside for it.
     */
    uint32_t max_ms;
    /**
     * EXTRAM_BIND_THREAD or EXTRAM_BIND_CALL; anything else is EXTRAM_INVALID.
     */
    uint32_t binding;
    /**
     * Called in place of admit where nobody may be kept waiting, by extram_try_enter and
     * extram_enter_from_signal: 0 = admitted, anything else turns the caller away with
     * EXTRAM_WOULD_BLOCK. NULL: admit is called, which is right where that never blocks.
     */
    int (*try_admit)(void *runtime, extram_m *m);
    /**
     * Told what happens, on the thread to which it happens: in the signal handler, for a call that was
     * made there, and then it must be async-signal-safe. May be NULL.
     */
    void (*observe)(void *runtime, const extram_event *event);
    /**
     * The most Ms that stay spare: whoever gives one back frees the contexts of those above that. 0 =
     * all are kept. As long as a thread is inside, another M is kept ready, so with 1 each M that is
     * given back costs a context made and one freed. (In Rust, spare_max(0) is as spare_max(1).)
     */
    uint32_t spare_max;
    /**
     * Not 0: the bounds of stacks are asked for (extram_stack), at each thread's first call and at each
     * change of stacks.
     */
    uint32_t stacks;
} extram_config;

/**
 * Figures of a pool. At rest created = spare + in_use + bound_idle, and waiting = creating = 0.
 */
typedef struct {
    /**
     * sizeof(extram_stats), set by the caller.
     */
    size_t size;
    /**
     * Ms that exist.
     */
    uint32_t created;
    /**
     * Of those: on the list, or on their way to a waiter.
     */
    uint32_t spare;
    /**
     * Of those: inside a call.
     */
    uint32_t in_use;
    /**
     * Of those: bound to a thread that is outside.
     */
    uint32_t bound_idle;
    /**
     * Threads that wait for an M.
     */
    uint32_t waiting;
    /**
     * Ms being made.
     */
    uint32_t creating;
    /**
     * Attempts to make an M that failed.
     */
    uint32_t failed;
} extram_stats;

/**
 * What any thread may know of an M. Each field was true at some moment of the walk, and not all at the
 * same one: they are read one after another while the thread that has the M goes on. So a state of
 * EXTRAM_IN_USE may come with a depth of 0, or a thread with the stack of the one before it. They fit
 * together where that thread is known to stand still.
 */
typedef struct {
    /**
     * sizeof(extram_m_info)
     */
    size_t size;
    /**
     * Its number, from 1.
     */
    uint32_t id;
    /**
     * An extram_state.
     */
    uint32_t state;
    /**
     * How many calls are inside.
     */
    uint32_t depth;
    /**
     * The thread that has it, or had it last, as the system's tools number it; 0 = none had.
     */
    uint64_t thread_id;
    /**
     * When that thread got it, by the clock of extram_event, to a millisecond; 0 where there is none, and if
     * none had it. Of a spare one: what extram_trim_unused goes by.
     */
    uint64_t since_ns;
    /**
     * The stack that the thread came in on, lowest address and one past the highest; 0 where it is not
     * known.
     */
    uintptr_t stack_low;
    /**
     * See stack_low.
     */
    uintptr_t stack_high;
    /**
     * What new_context made. extram_trim, extram_trim_unused, extram_discard, extram_pool_close and spare_max
     * free contexts, extram_discard and spare_max on threads that retire has seen already: a collection that
     * keeps all threads outside admit does not hold them up. So use it where none of the five is
     * under way. A collector in a pool that discards keeps a list of its own instead, which
     * new_context adds to and free_context takes from, under a lock that the collector has while it
     * looks.
     * Its holder may be writing to it meanwhile: read it only where that thread is known to stand still.
     */
    void *context;
    /**
     * What extram_set_user stored there.
     */
    void *user;
} extram_m_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * A sentence for a code, without a full stop. Never NULL; an unknown code has one of its own.
 * From any context.
 */
const char *extram_strerror(int code);

/**
 * What is wrong with a configuration for which extram_pool_new and extram_pool_init return
 * EXTRAM_INVALID: a sentence without a full stop, or NULL if nothing is. It is good for ever. From any
 * context.
 */
const char *extram_config_problem(const extram_config *config);

/**
 * Makes a pool with one M and starts it. Not from a signal handler.
 *
 * EXTRAM_INVALID if config or pool is NULL, or config->size, binding or new_context is not as
 * extram_config says; EXTRAM_CREATION_FAILED if new_context fails; EXTRAM_NO_MEMORY if memory or thread-local storage
 * runs out, or new_context fails and leaves ENOMEM in errno; EXTRAM_TOO_MANY if the process has as
 * many pools as it can have (1024; 16 on 32-bit processors).
 * *pool is written on EXTRAM_OK only.
 */
int extram_pool_new(const extram_config *config, extram_pool **pool);

/**
 * As extram_pool_new, but in memory of the caller's and without an allocator: size bytes at storage, of
 * any alignment, which belong to the pool until extram_pool_free. At most max_ms Ms, or as many as
 * there is room for where that is 0. EXTRAM_POOL_BYTES and extram_pool_size say how much it takes.
 *
 * The codes of extram_pool_new; EXTRAM_INVALID also if storage is NULL, EXTRAM_NO_MEMORY also if there
 * is no room for max_ms (or one).
 */
int extram_pool_init(void *storage, size_t size, const extram_config *config, extram_pool **pool);

/**
 * Bytes of storage that are enough for extram_pool_init and max_ms Ms; EXTRAM_POOL_BYTES may be
 * more. From any context.
 */
size_t extram_pool_size(uint32_t max_ms);

/**
 * Turns newcomers away with EXTRAM_CLOSED and wakes the threads that wait with it. Once no M is in
 * use, frees every context. After EXTRAM_OK nothing of the pool is touched by the threads that used
 * it, not even when they exit: the library may be unloaded. Closing a pool that is closed does nothing
 * and returns EXTRAM_OK, until extram_pool_free. Not from a signal handler.
 *
 * EXTRAM_BUSY while an M is in use or being made, a thread that was inside is just ending, or another thread
 * closes the pool, prewarms or trims it right now; and where the system has begun to refuse memory
 * barriers (a program that put itself into a sandbox), until the threads that the pool's Ms are bound to have exited. Newcomers are turned away all the
 * same: call again, or take it back with extram_pool_reopen. EXTRAM_INVALID, too, if free_context,
 * being written in Rust, panicked, now or where nobody could be told (when a thread left or exited);
 * that context counts as freed. Call again.
 */
int extram_pool_close(extram_pool *pool);

/**
 * Takes back an extram_pool_close that said EXTRAM_BUSY: newcomers are let in again. Not from a
 * signal handler.
 *
 * EXTRAM_CLOSED if the pool has been closed to the end; EXTRAM_BUSY if it is open, or another thread
 * closes it right now; EXTRAM_CREATION_FAILED, or EXTRAM_NO_MEMORY as extram_pool_new says, if no M is
 * left and none can be made: it stays closed.
 */
int extram_pool_reopen(extram_pool *pool);

/**
 * Ends a closed pool: its memory is freed, or is the caller's again. From then on its handles get
 * EXTRAM_INVALID.
 *
 * EXTRAM_BUSY, and nothing has changed, if the pool is not closed, or another thread is right now in a
 * function of this header (extram_pool_free included) with its handle or one of an earlier pool in its
 * place: call again.
 * EXTRAM_BUSY also from within the functions of the configuration, and where the system has begun
 * to refuse memory barriers.
 */
int extram_pool_free(extram_pool *pool);

/**
 * Gives the calling thread's idle bound M back now.
 *
 * EXTRAM_BUSY inside a call; EXTRAM_OK also if the thread has none.
 */
int extram_unbind(extram_pool *pool);

/**
 * Makes Ms until this many are spare, so that as many threads can enter at once without waiting. The
 * calling thread enters meanwhile, and may wait as in extram_enter.
 *
 * EXTRAM_EXHAUSTED if max_ms allows no more, or no more calls or waiting threads can be counted;
 * EXTRAM_CREATION_FAILED and EXTRAM_NO_MEMORY as extram_pool_new says; EXTRAM_CLOSED. The Ms made so
 * far stay.
 */
int extram_prewarm(extram_pool *pool, uint32_t spare);

/**
 * Frees the contexts of spare Ms until this many are spare (one always stays), and writes to *dropped, which
 * may not be NULL, how many it freed.
 *
 * EXTRAM_INVALID, too, if free_context, being written in Rust, panicked, as extram_pool_close says;
 * that context counts as freed.
 */
int extram_trim(extram_pool *pool, uint32_t keep, uint32_t *dropped);

/**
 * Frees the contexts of as many spare Ms as there are with which no thread has entered for age_ms milliseconds,
 * except one, which stays ready for whoever comes next, and writes to *dropped, which may not be NULL, how many
 * it freed. Stops early when a thread waits. For a timer.
 *
 * The age of an M counts from when a thread got it last, or it was made; of one that was bound, from when its thread
 * gave it back, by extram_unbind or because it ended. So with EXTRAM_BIND_CALL take an age that is longer than
 * a call: one that takes longer leaves an M that may go at once. Ages begin again after 49 days. Where the
 * library has no clock (a kernel's) nothing is freed. What extram_prewarm made and nobody used goes, too: not where
 * handlers rely on several.
 *
 * EXTRAM_INVALID as extram_trim.
 */
int extram_trim_unused(extram_pool *pool, uint32_t age_ms, uint32_t *dropped);

/**
 * The pool's figures. Set stats->size to sizeof(extram_stats) before. From any context.
 */
int extram_stats_get(extram_pool *pool, extram_stats *stats);

/**
 * Lends the calling thread an M, waiting for one as long as it takes. A thread that is inside
 * already gets its own again, one level deeper. Each entry is left once, with extram_leave; calls that
 * a thread has not left when it ends are left then. Not from a signal handler.
 *
 * Whoever takes the last spare M makes the next one before it is inside, and where no M is left the
 * caller makes one: that takes as long as new_context does. extram_prewarm makes Ms in advance.
 *
 * EXTRAM_CLOSED, but nested calls get their M; EXTRAM_CREATION_FAILED if an M could not be made, and at
 * once for callers who come after that while Ms are in use, until one comes back or extram_prewarm makes
 * one; where no M is left at all each caller tries again itself, as often as it comes;
 * EXTRAM_TOO_MANY if more calls are nested, or more threads wait, than can be counted. *m is
 * written on EXTRAM_OK only.
 */
int extram_enter(extram_pool *pool, extram_m **m);

/**
 * As extram_enter, but waits for no other thread: EXTRAM_WOULD_BLOCK if no M is spare, EXTRAM_EXHAUSTED if
 * max_ms is reached as well. It may make one, as extram_enter does. Not from a signal handler.
 */
int extram_try_enter(extram_pool *pool, extram_m **m);

/**
 * As extram_enter, but waits for this long at most, and then returns EXTRAM_TIMED_OUT. The time that
 * new_context and admit take is not counted. Not from a signal handler.
 */
int extram_enter_timeout(extram_pool *pool, uint64_t nanoseconds, extram_m **m);

/**
 * As extram_try_enter, for a signal handler: never waits, makes an M, allocates or binds. Where the
 * handler interrupts an ordinary call, its own is nested in that, with the same M; while that call is
 * being entered or left, and inside another handler's, it takes another M. Leave before the handler
 * returns.
 *
 * Where extram_depth is above 1 the context is that of the interrupted call, in the middle of whatever
 * that was doing: touch only what is safe then. Else try_admit (or admit), retire and observe run in the
 * handler.
 */
int extram_enter_from_signal(extram_pool *pool, extram_m **m);

/**
 * Leaves a call, on the thread that entered; in a signal handler only what that handler entered, with
 * extram_enter_from_signal. Nested calls have one M, so they may be left in any order: the last one to be
 * left is the outermost.
 *
 * EXTRAM_INVALID, and nothing has changed, if the calling thread has no call with m in this pool, or
 * none that may be left now. A call may not be left before the function that entered has returned, or
 * while it is being left already (in admit, new_context and retire), nor in new_context while
 * extram_prewarm runs inside it. EXTRAM_INVALID also if retire, being written in Rust, panicked: then
 * the call is over.
 */
int extram_leave(extram_pool *pool, extram_m *m);

/**
 * Leaves every call with m that is deeper than this: for after a longjmp, or an exception of a language
 * that knows no extram_leave. depth is what extram_depth returned where it lands. 0 leaves all.
 * EXTRAM_OK also if none is deeper.
 *
 * EXTRAM_INVALID as extram_leave, and where a deeper call may not be left now (while extram_prewarm
 * runs in it, in admit and in retire): then none is left.
 */
int extram_leave_to(extram_pool *pool, extram_m *m, uint32_t depth);

/**
 * Leaves a call as extram_leave does, and the context is not lent again: for one that is broken. It
 * is freed when the last call with m has been left; until then it stays with those that are inside.
 *
 * Another one is made when it is needed: at once, by the calling thread, if no M is spare then; for
 * that the thread is admitted and retired once more, and extram_context is the old one in both. If no
 * other can be made, observe and those who wait are told, and who enters first when no M is left tries
 * again. Not from a signal handler.
 *
 * extram_each_m shows m with the old context until that is taken out, and never while it is being
 * freed. Both happen after retire, on a thread that is not admitted.
 *
 * EXTRAM_INVALID as extram_leave; and if a function of the configuration, being written in Rust,
 * panicked: then the call is over, and the context is freed all the same.
 */
int extram_discard(extram_pool *pool, extram_m *m);

/**
 * What new_context made for the M. NULL if the calling thread is not inside a call with it. From
 * any context.
 */
void *extram_context(const extram_m *m);

/**
 * The M's number, from 1. 0 if the calling thread is not inside a call with it. From any context.
 */
uint32_t extram_m_id(const extram_m *m);

/**
 * How many calls of the calling thread are inside with m: 1 in a callback, 2 in a callback of a
 * callback. 0 if none is. From any context.
 */
uint32_t extram_depth(const extram_m *m);

/**
 * The stack that the calling thread came in on with m: its lowest address, and one past the highest.
 * Both 0 where it is not known: the configuration does not ask for it (stacks), the system does not
 * tell, or calls from several stacks were left out of order. From any context.
 *
 * EXTRAM_INVALID if the calling thread is not inside a call with it.
 */
int extram_stack(const extram_m *m, uintptr_t *low, uintptr_t *high);

/**
 * Stores a word with the M. Whoever holds the M finds it there until the context goes, and extram_each_m
 * shows it. Nothing happens if the calling thread is not inside a call with m. From any context.
 */
void extram_set_user(extram_m *m, void *user);

/**
 * What extram_set_user stored; NULL at first, and if the calling thread is not inside a call with m.
 * From any context.
 */
void *extram_user(const extram_m *m);

/**
 * The library's version: major << 16 | minor << 8 | patch, as EXTRAM_VERSION has that of the header. From
 * any context.
 */
uint32_t extram_version(void);

/**
 * Calls visit with every M that exists, for collectors and debuggers: complete ones only. Other threads
 * come and go meanwhile. visit may call every function of this header that its context allows. Stops
 * when visit returns anything but 0, and returns that: a negative number is told from the codes. From any
 * context.
 *
 * EXTRAM_INVALID also if visit is NULL.
 */
int extram_each_m(extram_pool *pool, int (*visit)(void *arg, const extram_m_info *info), void *arg);

/**
 * Writes what there is to know of the pool, for a person to read: its figures, how many wait, up to eight
 * of those by thread and time, and each M with its number, state, thread, depth and stack. write gets it
 * in pieces: length bytes of text, without a zero at the end. Stops when write returns anything but 0, and
 * returns that. The text may change with every version. From any context, as far as write may be called
 * there.
 *
 * EXTRAM_INVALID also if write is NULL.
 */
int extram_dump(extram_pool *pool, int (*write)(void *arg, const char *text, size_t length), void *arg);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EXTRAM_H */

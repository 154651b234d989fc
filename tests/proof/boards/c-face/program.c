/*
 * A kernel in C with extram in it: tasks that take turns, and an interrupt, all of which call into one pool.
 * It has the C face alone, as `cargo xtask install --target` installs it.
 */
#include "board.h"
#include <extram.h>
#include <extram_port.h>
#include <stdbool.h>

/* Without a C library: what the compiler takes for granted. */

void *memset(void *to, int byte, size_t length) {
    for (size_t i = 0; i < length; i++) ((volatile unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t length) {
    for (size_t i = 0; i < length; i++) ((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

static void tell(const char *text) {
    uint32_t length = 0;
    while (text[length] != 0) length++;
    board_write(text, length);
}

static void tell_number(uint32_t number) {
    /* A Cortex-M0 does not divide. */
    static const uint32_t powers[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                      10000,      1000,      100,      10,      1};
    bool begun = false;
    for (int i = 0; i < 10; i++) {
        char digit = '0';
        for (; number >= powers[i]; digit++) number -= powers[i];
        begun = begun || digit != '0' || i == 9;
        if (begun) board_write(&digit, 1);
    }
}

static uint32_t passed, failed;

/* Tells and counts a case; where it fails, also the number, if there is one. */
static void check(bool good, const char *what) {
    tell(what);
    tell(good ? ": ok\n" : ": FAILED\n");
    *(good ? &passed : &failed) += 1;
}

static int end(void) {
    tell("all: ");
    tell_number(passed);
    tell(" passed, ");
    tell_number(failed);
    tell(" failed, 0 skipped\n");
    return failed == 0 ? 0 : 1;
}

static _Noreturn void give_up(const char *why) {
    check(false, why);
    board_exit(end());
}

/* The kernel: a task goes on until it waits, yields or ends. */

enum { TASKS = 3, STACK_WORDS = 256, FOR_EVER = 2000 };

typedef struct {
    extram_block block;
    void *stack_end;
    void (*run)(void);
    bool alive;
} task;

static task tasks[TASKS]; /* the first one is main */
static _Alignas(16) uintptr_t stacks[TASKS - 1][STACK_WORDS];
static task *volatile current = tasks;

static volatile uint32_t ticks;
/* How often somebody was woken, and ticks since the last wait began. */
static volatile uint32_t told, rested;

static void switch_to(task *next) {
    uintptr_t before = board_mask();
    task *last = current;
    current = next;
    if (last != next) board_switch(&last->stack_end, next->stack_end);
    board_unmask(before);
}

static task *next_task(void) {
    uint32_t index = (uint32_t)(current - tasks);
    do index = index + 1 == TASKS ? 0 : index + 1;
    while (!tasks[index].alive);
    return &tasks[index];
}

static void begin(void) {
    board_unmask(0);
    current->run();
    extram_block_exit(&current->block);
    current->alive = false;
    switch_to(next_task());
}

/* Its block becomes a new thread's, and it goes on when the caller yields. */
static void start_task(uint32_t index, void (*run)(void)) {
    task *new = &tasks[index];
    uintptr_t *stack = stacks[index - 1];
    check(extram_block_reset(&new->block, index, stack, sizeof stacks[0]) == EXTRAM_OK, "a block is a new thread's");
    new->run = run;
    new->stack_end = board_first(stack + STACK_WORDS, begin);
    new->alive = true;
}

extram_block *extram_port_block(void) {
    return &current->block;
}

uint32_t extram_port_frequency(void) {
    return TICKS_PER_SECOND;
}

uint64_t extram_port_ticks(void) {
    return ticks;
}

void extram_port_yield(void) {
    switch_to(next_task());
}

void extram_port_wait(const uint32_t *word, uint32_t expected, uint64_t until) {
    uint32_t before = told;
    if (*(const volatile uint32_t *)word != expected) return;
    rested = 0;
    while (told == before && ticks < until) {
        if (rested > FOR_EVER) give_up("a task waits, and is not woken");
        if (next_task() != current) {
            extram_port_yield();
            continue;
        }
        uintptr_t masked = board_mask();
        if (told == before) board_rest();
        board_unmask(masked);
    }
}

void extram_port_wake(const uint32_t *word, uint32_t count) {
    (void)word;
    (void)count;
#ifndef SILENT
    uintptr_t before = board_mask();
    told++;
    board_unmask(before);
#endif
}

/* On RV32. */
size_t extram_port_mask(void) {
    return board_mask();
}

void extram_port_unmask(size_t before) {
    board_unmask(before);
}

void extram_port_panic(const char *file, size_t length, uint32_t line) {
    board_write(file, (uint32_t)length);
    tell(":");
    tell_number(line);
    tell("\n");
    board_exit(2);
}

/* The runtime: each M carries a page of calls, which only its holder writes on. */

enum { MS = 4, CALLS = 1000, STORM = 200 };

typedef struct {
    volatile bool held;
    volatile uint32_t calls;
} page;

static page pages[MS + 1];
static uint32_t made, freed, on_pages;
static volatile uint32_t in_two_hands;

static int new_context(void *runtime, void **context) {
    (void)runtime;
    for (uint32_t i = 0; i <= MS; i++) {
        if (pages[i].calls != UINT32_MAX) continue;
        pages[i].calls = 0;
        *context = &pages[i];
        made++;
        return 0;
    }
    return 1;
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    page *gone = context;
    on_pages += gone->calls;
    gone->calls = UINT32_MAX;
    freed++;
}

static void take(extram_m *m) {
    page *mine = extram_context(m);
    if (mine->held) in_two_hands++;
    mine->held = true;
}

static void give(extram_m *m) {
    page *mine = extram_context(m);
    if (!mine->held) in_two_hands++;
    mine->held = false;
    mine->calls++;
}

static _Alignas(16) unsigned char storage[EXTRAM_POOL_BYTES(MS)];
static extram_config config = {
    .size = sizeof config,
    .new_context = new_context,
    .free_context = free_context,
    .max_ms = MS,
};
static extram_pool *pool;

static extram_stats stats(void) {
    extram_stats now;
    now.size = sizeof now;
    extram_stats_get(pool, &now);
    return now;
}

/* The interrupt. */

static volatile bool calls_in;
static volatile uint32_t handled, refused, wrong_in_handler;

void on_tick(void) {
    ticks++;
    rested++;
    if (!calls_in) return;
    extram_m *m;
    switch (extram_enter_from_signal(pool, &m)) {
    case EXTRAM_OK:
        /* Nested in what it interrupts, the page is that one's. */
        if (extram_depth(m) == 1) {
            take(m);
            give(m);
        } else {
            ((page *)extram_context(m))->calls++;
        }
        if (extram_leave(pool, m) != EXTRAM_OK) wrong_in_handler++;
        handled++;
        break;
    case EXTRAM_WOULD_BLOCK:
    case EXTRAM_EXHAUSTED:
        refused++;
        break;
    default:
        wrong_in_handler++;
    }
}

/* The cases. */

static uint32_t calls;

static void one_call(void) {
    extram_m *m;
    if (extram_enter(pool, &m) != EXTRAM_OK) {
        give_up("a call that is refused");
    }
    take(m);
    extram_port_yield();
    give(m);
    calls++;
    if (extram_leave(pool, m) != EXTRAM_OK) give_up("a call that cannot be left");
}

static volatile uint32_t done;

static void caller(void) {
    for (uint32_t i = 0; i < CALLS; i++) one_call();
    done++;
}

static void only_one_call(void) {
    one_call();
    done++;
}

static void in_vain(void) {
    extram_m *none;
    uint64_t asked = extram_port_ticks();
    check(extram_try_enter(pool, &none) == EXTRAM_EXHAUSTED, "a task is refused at once if it does not wait");
    check(extram_enter_timeout(pool, 5000000, &none) == EXTRAM_TIMED_OUT && extram_port_ticks() - asked >= 5,
          "and waits for as long as it said");
    done++;
}

static void pools(void) {
    check(extram_version() == EXTRAM_VERSION,
          "the header is the library's");
    check(extram_pool_size(MS) <= sizeof storage, "EXTRAM_POOL_BYTES is enough");
    extram_config other = config;
    other.size--;
    check(extram_pool_init(storage, sizeof storage, &other, &pool) == EXTRAM_INVALID &&
              extram_pool_init(0, sizeof storage, &config, &pool) == EXTRAM_INVALID &&
              extram_pool_init(storage, 64, &config, &pool) == EXTRAM_NO_MEMORY && made == 0,
          "a pool without a configuration or room is not made");
    check(extram_pool_init(storage, sizeof storage, &config, &pool) == EXTRAM_OK && made == 1,
          "a pool in the kernel's memory has one M");
    check(extram_prewarm(pool, MS) == EXTRAM_OK && made == MS && stats().spare == MS, "the others are made before they are needed");
}

static void in_main(void) {
    extram_m *outer = 0, *inner = 0;
    bool in = extram_enter(pool, &outer) == EXTRAM_OK && extram_enter(pool, &inner) == EXTRAM_OK;
    check(in && extram_m_id(outer) == extram_m_id(inner) && extram_depth(inner) == 2 && extram_context(outer) == extram_context(inner),
          "a call within a call has the same M");
    check(extram_pool_close(pool) == EXTRAM_BUSY && extram_pool_reopen(pool) == EXTRAM_OK, "a pool is not closed while an M is in use");
    check(extram_leave(pool, inner) == EXTRAM_OK && extram_leave(pool, outer) == EXTRAM_OK && extram_leave(pool, outer) == EXTRAM_INVALID,
          "both calls are left, and no third one");
    check(stats().bound_idle == 1, "the M stays with the task");
}

static void with_tasks(void) {
    calls_in = true;
    start_task(1, caller);
    start_task(2, caller);
    for (uint32_t i = 0; i < CALLS || done < 2 || handled < STORM; i++) one_call();
    calls_in = false;
    check(done == 2 && calls >= 3 * CALLS && handled >= STORM && wrong_in_handler == 0, "three tasks and an interrupt call in");
    check(in_two_hands == 0 && made == MS, "no M was in two hands, and none was made");
    extram_stats now = stats();
    check(now.bound_idle == 1 && now.spare == MS - 1, "tasks that have ended gave their Ms back");
}

static void waiting(void) {
    static _Alignas(16) unsigned char small_storage[EXTRAM_POOL_BYTES(1)];
    extram_pool *large = pool;
    extram_config one = config;
    one.max_ms = 1;
    check(extram_pool_init(small_storage, sizeof small_storage, &one, &pool) == EXTRAM_OK, "a second pool, of one M");
    extram_m *m;
    done = 0;
    check(extram_enter(pool, &m) == EXTRAM_OK, "main has it");
    start_task(1, only_one_call);
    extram_port_yield();
    check(stats().waiting == 1 && done == 0, "a task waits for it");
    uint32_t before = refused;
    calls_in = true;
    while (handled + refused == before) board_rest();
    for (uint32_t i = 0; i < 3; i++) board_rest();
    calls_in = false;
    check(wrong_in_handler == 0, "an interrupt meanwhile does not wait");
    check(extram_leave(pool, m) == EXTRAM_OK, "main gives it back");
    while (done == 0) extram_port_yield();
    extram_block_exit(&tasks[0].block);
    check(extram_enter(pool, &m) == EXTRAM_OK && stats().waiting == 0, "the task had it, and main has it again");
    done = 0;
    start_task(2, in_vain);
    while (done == 0) extram_port_yield();
    check(extram_leave(pool, m) == EXTRAM_OK && extram_unbind(pool) == EXTRAM_OK, "main leaves, and unbinds");
    check(extram_pool_close(pool) == EXTRAM_OK && extram_pool_free(pool) == EXTRAM_OK, "that pool closes");
    pool = large;
}

static void ends(void) {
    extram_m *m;
    extram_pool *stale = pool;
    check(extram_pool_close(pool) == EXTRAM_OK && extram_enter(pool, &m) == EXTRAM_CLOSED, "a closed pool turns callers away");
    check(extram_pool_free(pool) == EXTRAM_OK && extram_enter(stale, &m) == EXTRAM_INVALID, "and is not known when it is freed");
    check(made == freed && on_pages == calls + handled, "every context is freed, and every call is on a page");
}

int program(void) {
    for (uint32_t i = 0; i <= MS; i++) pages[i].calls = UINT32_MAX;
    tasks[0].alive = true;
    extram_block_reset(&tasks[0].block, 0, 0, 0);
    board_start_ticks();
    board_unmask(0);
    pools();
    in_main();
    with_tasks();
    waiting();
    ends();
    return end();
}

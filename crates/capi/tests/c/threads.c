/* Threads that the library knows nothing of call in, wait for each other under a limit, and go. */
#include <extram.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef KERNEL
/* Without Rust's standard library: the threads are tasks of pthread_port.c's. */
#include <extram_port.h>
extern _Thread_local extram_block this_task;
#endif

#ifndef CALLS_EACH
#define CALLS_EACH 10000
#endif

enum { THREADS = 8, CALLS = CALLS_EACH, LIMIT = 3 };

struct context {
    unsigned long calls;
    int busy;
};

static unsigned long made, freed, calls;
static extram_pool *pool;

static void must(int code, const char *what) {
    if (code != EXTRAM_OK) {
        fprintf(stderr, "%s: %s\n", what, extram_strerror(code));
        exit(1);
    }
}

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

static int new_context(void *runtime, void **context) {
    check(runtime == &pool, "the runtime is handed over");
    *context = calloc(1, sizeof(struct context));
    __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
    return *context == NULL;
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    calls += ((struct context *)context)->calls;
    freed++;
    free(context);
}

static void *call(void *arg) {
    int i;
    (void)arg;
#ifdef KERNEL
    must(extram_block_reset(&this_task, 2, NULL, 0), "a new task");
#endif
    for (i = 0; i < CALLS; i++) {
        extram_m *m, *nested;
        struct context *context;
        must(extram_enter(pool, &m), "enter");
        context = (struct context *)extram_context(m);
        check(!context->busy, "the context is nobody else's");
        context->busy = 1;
        context->calls++;
        must(extram_enter(pool, &nested), "a nested enter");
        check(nested == m, "a nested call has the same M");
        must(extram_leave(pool, nested), "leaving the nested call");
        context->busy = 0;
        must(extram_leave(pool, m), "leave");
    }
#ifdef KERNEL
    must(extram_block_exit(&this_task), "the end of a task");
#endif
    return NULL;
}

int main(void) {
    extram_config config = {.size = sizeof(extram_config),
                            .runtime = &pool,
                            .new_context = new_context,
                            .free_context = free_context,
                            .max_ms = LIMIT,
                            .binding = EXTRAM_BIND_CALL};
    extram_stats stats = {sizeof(extram_stats), 0, 0, 0, 0, 0, 0, 0};
    pthread_t threads[THREADS];
    int i;
#ifdef KERNEL
    static unsigned char storage[EXTRAM_POOL_BYTES(LIMIT)];
    config.binding = EXTRAM_BIND_THREAD;
    must(extram_block_reset(&this_task, 1, NULL, 0), "the first task");
    check(extram_pool_size(LIMIT) <= sizeof storage, "the constant is large enough");
    must(extram_pool_init(storage, sizeof storage, &config, &pool), "init");
#else
    must(extram_pool_new(&config, &pool), "new");
#endif
    for (i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, call, NULL) == 0, "a thread");
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    must(extram_stats_get(pool, &stats), "stats");
    check(stats.created == made && stats.in_use == 0, "the figures are right");
    check(made <= LIMIT, "the limit holds");
    check(extram_pool_free(pool) == EXTRAM_BUSY, "an open pool is not freed");
    must(extram_pool_close(pool), "close");
    must(extram_pool_free(pool), "free");
    check(extram_pool_free(pool) == EXTRAM_INVALID, "a pool is freed once");
    check(freed == made, "every context was freed");
    printf("%lu calls\n", calls);
    return 0;
}

/* For gdb: a thread has the pool's only M, two calls deep, and another one waits for it. Then it ends. */
#include <extram.h>
#include <pthread.h>
#include <stdlib.h>

static extram_pool *pool;

static int new_context(void *runtime, void **context) {
    (void)runtime;
    return (*context = malloc(1)) == NULL;
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    free(context);
}

static void *wait_for_it(void *arg) {
    extram_m *m;
    if (extram_enter(pool, &m) != EXTRAM_OK) exit(1);
    return arg;
}

int main(void) {
    extram_config config = {
        .size = sizeof config, .new_context = new_context, .free_context = free_context, .max_ms = 1};
    extram_stats stats = {.size = sizeof stats};
    extram_m *m;
    pthread_t thread;
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    if (extram_enter(pool, &m) != EXTRAM_OK || extram_enter(pool, &m) != EXTRAM_OK) return 1;
    if (pthread_create(&thread, NULL, wait_for_it, NULL) != 0) return 1;
    while (stats.waiting == 0) {
        if (extram_stats_get(pool, &stats) != EXTRAM_OK) return 1;
    }
    abort();
}

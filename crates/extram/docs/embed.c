#include <extram.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What one M carries: an interpreter with its heap. One thread at a time has it. */
struct interpreter {
    unsigned calls;
};

static extram_pool *pool;
static unsigned calls;

static int new_context(void *runtime, void **context) {
    (void)runtime;
    *context = calloc(1, sizeof(struct interpreter));
    return *context == NULL;
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    calls += ((struct interpreter *)context)->calls;
    free(context);
}

/* The thread is about to run our code: here it would wait for a collection to end. */
static void admit(void *runtime, extram_m *m) {
    (void)runtime;
    ((struct interpreter *)extram_context(m))->calls++;
}

/* What foreign code is given to call. */
static void *callback(void *argument) {
    extram_m *m;
    int code = extram_enter(pool, &m);
    if (code != EXTRAM_OK) {
        fprintf(stderr, "%s\n", extram_strerror(code));
        return NULL;
    }
    /* ... run what was asked for on extram_context(m) ... */
    extram_leave(pool, m);
    return argument;
}

int main(void) {
    extram_config config = {sizeof config, NULL, new_context, free_context, admit, NULL, 0, EXTRAM_BIND_THREAD};
    pthread_t threads[8];
    int i;
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    for (i = 0; i < 8; i++) if (pthread_create(&threads[i], NULL, callback, NULL) != 0) return 1;
    for (i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    if (extram_pool_close(pool) != EXTRAM_OK || extram_pool_free(pool) != EXTRAM_OK) return 1;
    printf("%u calls\n", calls);
    return 0;
}

/* Threads that know nothing of Forth call Forth words. The runtime below hands each of them an
 * interpreter for the length of a call, through extram.h alone. */
#include "forth.h"
#include <extram.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the runtime ---- */

struct runtime {
    char *source;
    extram_pool *pool;
};

static const char *apply(void *host, cell n, cell word, cell *result);

static int new_interpreter(void *data, void **context) {
    struct runtime *runtime = data;
    const char *error;
    struct forth *f = forth_new(runtime->source, apply, runtime, &error);
    if (f == NULL) {
        fprintf(stderr, "an interpreter: %s\n", error);
        return 1;
    }
    *context = f;
    return 0;
}

static void free_interpreter(void *data, void *context) {
    (void)data;
    forth_free(context);
}

/* What a foreign thread calls; `word` is a name, or NULL and a number. */
static const char *call(struct runtime *runtime, const char *name, cell word, cell argument, cell *result) {
    extram_m *m;
    struct forth *f;
    const char *error;
    int code = extram_enter(runtime->pool, &m);
    if (code != EXTRAM_OK) return extram_strerror(code);
    f = extram_context(m);
    error = forth_run(f, name == NULL ? word : forth_find(f, name), argument, result);
    extram_leave(runtime->pool, m);
    return error;
}

/* From Forth to C and back: the nested calls run on the same interpreter, the thread's own. */
static const char *apply(void *host, cell n, cell word, cell *result) {
    cell i, one;
    *result = 0;
    for (i = 0; i < n; i++) {
        const char *error = call(host, NULL, word, i, &one);
        if (error != NULL) return error;
        *result += one;
    }
    return NULL;
}

/* ---- the threads ---- */

static struct item {
    const char *word;
    cell argument;
    cell result;
    const char *error;
} items[] = {
    {"square", 12, 0, NULL},    {"fib", 20, 0, NULL},     {"collatz", 27, 0, NULL},
    {"primes", 1000, 0, NULL},  {"squares", 100, 0, NULL}, {"nested", 30, 0, NULL},
    {"careless", 1, 0, NULL},   {"endless", 0, 0, NULL},  {"unheard-of", 0, 0, NULL},
};

enum { ITEMS = sizeof items / sizeof *items, THREADS = 24, ROUNDS = 40 };

static struct runtime runtime;
static atomic_uint calls, differing;

static void *thread(void *number) {
    unsigned round;
    for (round = 0; round < ROUNDS; round++) {
        struct item *item = &items[(round + (size_t)number) % ITEMS];
        cell result = 0;
        const char *error = call(&runtime, item->word, 0, item->argument, &result);
        /* What the main thread got when it was alone. */
        if (result != item->result || error != item->error) atomic_fetch_add(&differing, 1);
        atomic_fetch_add(&calls, 1);
    }
    return NULL;
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 65536);
    if (file == NULL || text == NULL || fread(text, 1, 65535, file) == 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    return text;
}

static void must(int code, const char *what) {
    if (code != EXTRAM_OK) {
        fprintf(stderr, "%s: %s\n", what, extram_strerror(code));
        exit(1);
    }
}

int main(int argc, char **argv) {
    extram_config config = {.size = sizeof config,
                            .runtime = &runtime,
                            .new_context = new_interpreter,
                            .free_context = free_interpreter};
    extram_stats stats = {sizeof stats, 0, 0, 0, 0, 0, 0, 0};
    pthread_t threads[THREADS];
    size_t i;
    runtime.source = read_all(argc > 1 ? argv[1] : "program.fth");
    must(extram_pool_new(&config, &runtime.pool), "the pool");
    for (i = 0; i < ITEMS; i++) {
        struct item *item = &items[i];
        item->error = call(&runtime, item->word, 0, item->argument, &item->result);
        printf("%lld %s", (long long)item->argument, item->word);
        if (item->error == NULL) printf(" -> %lld\n", (long long)item->result);
        else printf(": %s\n", item->error);
    }
    for (i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, thread, (void *)i) != 0) exit(1);
    }
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    must(extram_stats_get(runtime.pool, &stats), "the figures");
    printf("%u calls by %d threads, %u different\n", calls, THREADS, differing);
    /* One for each thread at once, the main thread's own, and one spare. */
    printf("more interpreters than needed: %s\n", stats.created > THREADS + 2 ? "yes" : "no");
    must(extram_pool_close(runtime.pool), "closing");
    must(extram_pool_free(runtime.pool), "freeing");
    free(runtime.source);
    return differing != 0;
}

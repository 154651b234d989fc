/* A calculator that any thread may call. It stands for your interpreter. */
#include <extram.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 1024, THREADS = 8, CALLS = 1000 };

struct interpreter { /* what one M carries */
    long heap[ROOM];
    size_t used;
};

static extram_pool *pool;

static int new_context(void *runtime, void **context) {
    (void)runtime;
    *context = calloc(1, sizeof(struct interpreter));
    return *context == NULL; /* 0 = made */
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    free(context);
}

/* "34+5*" is 35; numbers have one digit. 0 = done. */
static int evaluate(struct interpreter *with, const char *program, long *result) {
    for (with->used = 0; *program != 0; program++) {
        if (*program >= '0' && *program <= '9' && with->used < ROOM) {
            with->heap[with->used++] = *program - '0';
            continue;
        }
        if ((*program != '+' && *program != '*') || with->used < 2) return 1;
        long b = with->heap[--with->used], *a = &with->heap[with->used - 1];
        *a = *program == '+' ? *a + b : *a * b;
    }
    *result = with->heap[0];
    return with->used != 1;
}

/* For any thread, whoever created it: an extram_code, or -1 if that is no program. */
static int calculate(const char *program, long *result) {
    extram_m *m;
    int code = extram_enter(pool, &m), wrong;
    if (code != EXTRAM_OK) return code;
    wrong = evaluate(extram_context(m), program, result);
    code = extram_leave(pool, m);
    return wrong ? -1 : code;
}

static void *thread(void *unused) {
    for (int i = 0; i < CALLS; i++) {
        long result = 0;
        if (calculate("34+5*", &result) != EXTRAM_OK || result != 35) abort();
    }
    return unused;
}

int main(void) {
    extram_config config = {.size = sizeof config, .new_context = new_context, .free_context = free_context};
    pthread_t threads[THREADS];
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, thread, NULL) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    /* EXTRAM_BUSY while somebody is inside. */
    if (extram_pool_close(pool) != EXTRAM_OK || extram_pool_free(pool) != EXTRAM_OK) return 1;
    printf("%d calls\n", THREADS * CALLS);
    return 0;
}

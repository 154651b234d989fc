/* A calculator whose numbers are on a heap that all of its Ms share, and a collector that stops the
 * world and walks the Ms. It stands for your runtime and your collector. */
#include <extram.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* As long as LOW cells are free nobody collects. A thread takes one between two safepoints. */
enum { CELLS = 256, LOW = 64, DEPTH = 8, THREADS = 8, CALLS = 500 };

struct operands { /* what one M carries: the roots, places on the heap */
    size_t root[DEPTH], used;
};

static extram_pool *pool;
static long heap[CELLS];

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int collecting;   /* somebody collects, or waits until the world has stopped */
    unsigned running; /* the calls that have been admitted and are not at a safepoint */
    unsigned collections;
    size_t free[CELLS], frees;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int new_context(void *runtime, void **context) {
    (void)runtime;
    *context = calloc(1, sizeof(struct operands));
    return *context == NULL; /* 0 = made */
}

static void free_context(void *runtime, void *context) {
    (void)runtime;
    free(context);
}

/* Waits until nobody collects. No M is made before this returns. */
static void admit(void *runtime, extram_m *m) {
    (void)runtime, (void)m;
    pthread_mutex_lock(&world.lock);
    while (world.collecting) pthread_cond_wait(&world.changed, &world.lock);
    world.running++;
    pthread_mutex_unlock(&world.lock);
}

/* The same where nobody may be kept waiting. */
static int try_admit(void *runtime, extram_m *m) {
    int refused = 1;
    (void)runtime, (void)m;
    if (pthread_mutex_trylock(&world.lock) != 0) return refused;
    if (!world.collecting) world.running++, refused = 0;
    pthread_mutex_unlock(&world.lock);
    return refused;
}

static void retire(void *runtime, extram_m *m) {
    (void)runtime, (void)m;
    pthread_mutex_lock(&world.lock);
    world.running--;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static int mark(void *marked, const extram_m_info *info) {
    const struct operands *of = info->context;
    for (size_t i = 0; i < of->used; i++) ((char *)marked)[of->root[i]] = 1;
    return 0; /* go on with the next M */
}

/* The world has stopped: who has an M is outside, waits in admit, or is at a safepoint. No context is freed
 * meanwhile: this pool is not trimmed, closed or given a spare_max while somebody collects, and nothing
 * of it is discarded. */
static void collect(void) {
    char marked[CELLS] = {0};
    if (extram_each_m(pool, mark, marked) != EXTRAM_OK) abort();
    world.frees = 0;
    for (size_t cell = 0; cell < CELLS; cell++) {
        if (!marked[cell]) world.free[world.frees++] = cell;
    }
}

/* Called by an admitted thread when all it needs is in its roots. With the lock. */
static void safepoint(void) {
    if (world.collecting) {
        world.running--;
        pthread_cond_broadcast(&world.changed);
        while (world.collecting) pthread_cond_wait(&world.changed, &world.lock);
        world.running++;
    } else if (world.frees < LOW) {
        world.collecting = 1;
        while (world.running > 1) pthread_cond_wait(&world.changed, &world.lock); /* all but this one */
        collect();
        world.collections++;
        world.collecting = 0;
        pthread_cond_broadcast(&world.changed);
    }
}

static void push(struct operands *on, long number) {
    pthread_mutex_lock(&world.lock);
    safepoint();
    on->root[on->used] = world.free[--world.frees];
    pthread_mutex_unlock(&world.lock);
    heap[on->root[on->used++]] = number;
}

static long pop(struct operands *from) { return heap[from->root[--from->used]]; }

/* "34+5*" is 35; numbers have one digit. */
static long evaluate(struct operands *with, const char *program) {
    for (; *program != 0; program++) {
        if (*program == '+') push(with, pop(with) + pop(with));
        else if (*program == '*') push(with, pop(with) * pop(with));
        else push(with, *program - '0');
    }
    return pop(with);
}

static void *thread(void *unused) {
    for (int i = 0; i < CALLS; i++) {
        extram_m *m;
        if (extram_enter(pool, &m) != EXTRAM_OK) abort();
        if (evaluate(extram_context(m), "34+5*111+++") != 38) abort();
        if (extram_leave(pool, m) != EXTRAM_OK) abort();
    }
    return unused;
}

int main(void) {
    extram_config config = {.size = sizeof config, .new_context = new_context, .free_context = free_context};
    pthread_t threads[THREADS];
    config.admit = admit;
    config.try_admit = try_admit;
    config.retire = retire;
    for (; world.frees < CELLS; world.frees++) world.free[world.frees] = world.frees;
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, thread, NULL) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    if (extram_pool_close(pool) != EXTRAM_OK || extram_pool_free(pool) != EXTRAM_OK) return 1;
    if (world.collections == 0) return 1;
    printf("%d calls, and the heap was collected\n", THREADS * CALLS);
    return 0;
}

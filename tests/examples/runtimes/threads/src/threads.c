/* Threads that neither Rust nor the runtime has made. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef void body(void *shared, unsigned number);

struct one {
    body *body;
    void *shared;
    unsigned number;
    pthread_t thread;
};

static void *start(void *argument) {
    struct one *one = argument;
    one->body(one->shared, one->number);
    return NULL;
}

/* Runs `threads` of them, `at_once` at a time: the next one is made when the oldest has ended. How many ran. */
unsigned run_threads(unsigned threads, unsigned at_once, body *body, void *shared) {
    struct one *all = calloc(threads, sizeof *all);
    unsigned made = 0, ended = 0;
    if (all == NULL) return 0;
    while (ended < threads) {
        while (made < threads && made - ended < at_once) {
            all[made] = (struct one){.body = body, .shared = shared, .number = made};
            if (pthread_create(&all[made].thread, NULL, start, &all[made]) != 0) threads = made;
            else made++;
        }
        if (ended < made) pthread_join(all[ended++].thread, NULL);
    }
    free(all);
    return made;
}

/* Processor time of the whole process, in ms. */
double cpu_ms(void) {
    return 1e3 * (double)clock() / CLOCKS_PER_SEC;
}

#include "hosted.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct storm;

struct member {
    struct storm *storm;
    unsigned index;
    _Atomic unsigned handled;
    pthread_t id;
};

struct storm {
    hosted_body body, handler;
    void *arg;
    unsigned signals;
    pthread_barrier_t all_there, all_done;
    struct member members[];
};

static _Thread_local struct member *self;

static void handle(int signal)
{
    (void)signal;
    struct member *member = self;
    if (member == NULL)
        return;
    member->storm->handler(member->storm->arg, member->index);
    atomic_fetch_add(&member->handled, 1);
}

static void *thread(void *arg)
{
    self = arg;
    struct storm *storm = self->storm;
    pthread_barrier_wait(&storm->all_there);
    while (atomic_load(&self->handled) < storm->signals)
        storm->body(storm->arg, self->index);
    /* Signals are sent until all are done, and to living threads only. */
    pthread_barrier_wait(&storm->all_done);
    return NULL;
}

unsigned hosted_storm(unsigned count, unsigned signals, hosted_body body, hosted_body handler, void *arg)
{
    static const int which[] = { SIGUSR1, SIGUSR2 };
    struct sigaction action, old[2];
    struct storm *storm = calloc(1, sizeof *storm + count * sizeof(struct member));
    if (storm == NULL)
        return 0;
    storm->body = body;
    storm->handler = handler;
    storm->arg = arg;
    storm->signals = signals;
    pthread_barrier_init(&storm->all_there, NULL, count + 1);
    pthread_barrier_init(&storm->all_done, NULL, count + 1);
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    for (int i = 0; i < 2; i++)
        sigaction(which[i], &action, &old[i]);

    for (unsigned i = 0; i < count; i++) {
        struct member *member = &storm->members[i];
        member->storm = storm;
        member->index = i;
        if (pthread_create(&member->id, NULL, thread, member) != 0)
            abort(); /* the others wait for it */
    }
    pthread_barrier_wait(&storm->all_there);
    for (unsigned i = 0, waiting = count; waiting > 0; i++) {
        waiting = 0;
        for (unsigned j = 0; j < count; j++) {
            if (atomic_load(&storm->members[j].handled) >= signals)
                continue;
            waiting++;
            pthread_kill(storm->members[j].id, which[(i + j) & 1]);
        }
        /* Unless the receivers run, a signal is one with the last of its kind. */
        sched_yield();
    }
    pthread_barrier_wait(&storm->all_done);
    for (unsigned i = 0; i < count; i++)
        pthread_join(storm->members[i].id, NULL);
    for (int i = 0; i < 2; i++)
        sigaction(which[i], &old[i], NULL);
    pthread_barrier_destroy(&storm->all_there);
    pthread_barrier_destroy(&storm->all_done);
    free(storm);
    return count;
}

/* Signals that come down on threads while they work. Each thread has two timers, which interrupt it
 * wherever it is, as often as the system's clock ticks. The bulk comes from `hosted_strike`, which
 * the test has called from inside of entering and leaving: a signal that another thread sends is
 * lost in the last one of its kind unless the receiver runs in between, and a hundred thousand of
 * those take an hour. */
#include "hosted.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <sys/syscall.h>
#else
#include <pthread_np.h>
#endif
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc before 2.41 has no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct storm;

struct member {
    struct storm *storm;
    unsigned index;
    _Atomic unsigned handled;
    unsigned struck, nested;
    pthread_t id, handle;
};

struct storm {
    hosted_body body, handler;
    void *arg;
    unsigned signals;
    pthread_barrier_t all_there;
    struct member members[];
};

enum { KINDS = 2 };
static const int kinds[KINDS] = { SIGUSR1, SIGUSR2 };
/* In nanoseconds, and not multiples of each other, so that one kind interrupts the other's handler. */
static const long intervals[KINDS] = { 97000, 123000 };

static _Thread_local struct member *self;

static void handle(int signal)
{
    (void)signal;
    struct member *member = self;
    if (member == NULL)
        return;
    member->nested++;
    member->storm->handler(member->storm->arg, member->index);
    member->nested--;
    atomic_fetch_add(&member->handled, 1);
}

void hosted_strike(void)
{
    struct member *member = self;
    /* A handler may be interrupted by the other kind, and that is enough. */
    if (member == NULL || member->nested >= KINDS || atomic_load(&member->handled) >= member->storm->signals)
        return;
    unsigned one_in = member->nested ? 61 : 13;
    if (member->struck++ % one_in == 0)
        pthread_kill(member->id, kinds[member->struck / one_in % KINDS]);
}

static int this_thread(void)
{
#ifdef __linux__
    return (int)syscall(SYS_gettid);
#else
    return pthread_getthreadid_np();
#endif
}

static timer_t timer(int signal, long interval)
{
    struct sigevent event;
    struct itimerspec times;
    timer_t timer;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_notify_thread_id = this_thread();
    memset(&times, 0, sizeof times);
    times.it_value.tv_nsec = interval;
    times.it_interval.tv_nsec = interval;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &times, NULL) != 0)
        abort();
    return timer;
}

static void *thread(void *arg)
{
    timer_t timers[KINDS];
    struct member *member = arg;
    struct storm *storm = member->storm;
    member->id = pthread_self();
    pthread_barrier_wait(&storm->all_there);
    self = member;
    for (int i = 0; i < KINDS; i++)
        timers[i] = timer(kinds[i], intervals[i]);
    while (atomic_load(&member->handled) < storm->signals)
        storm->body(storm->arg, member->index);
    for (int i = 0; i < KINDS; i++)
        timer_delete(timers[i]);
    return NULL;
}

unsigned hosted_storm(unsigned count, unsigned signals, hosted_body body, hosted_body handler, void *arg)
{
    struct sigaction action, old[KINDS];
    struct storm *storm = calloc(1, sizeof *storm + count * sizeof(struct member));
    if (storm == NULL)
        return 0;
    storm->body = body;
    storm->handler = handler;
    storm->arg = arg;
    storm->signals = signals;
    pthread_barrier_init(&storm->all_there, NULL, count);
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    for (int i = 0; i < KINDS; i++)
        sigaction(kinds[i], &action, &old[i]);
    for (unsigned i = 0; i < count; i++) {
        struct member *member = &storm->members[i];
        member->storm = storm;
        member->index = i;
        if (pthread_create(&member->handle, NULL, thread, member) != 0)
            abort(); /* the others wait for it */
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(storm->members[i].handle, NULL);
    for (int i = 0; i < KINDS; i++)
        sigaction(kinds[i], &old[i], NULL);
    pthread_barrier_destroy(&storm->all_there);
    free(storm);
    return count;
}

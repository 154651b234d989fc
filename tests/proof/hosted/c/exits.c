/* Threads that exit inside a callback. The frames between entry and exit are C's alone: what a
 * forced unwinding does to a Rust frame is not defined. */
#include "hosted.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

struct exit {
    const struct hosted_pool *pool;
    unsigned depth;
    int cancelled;
    int entered;
    sem_t inside;
};

static void *thread(void *arg)
{
    struct exit *exit = arg;
    exit->entered = 1;
    for (unsigned i = 0; i < exit->depth; i++)
        if (exit->pool->enter(exit->pool->pool) == NULL)
            exit->entered = 0;
    sem_post(&exit->inside);
    if (!exit->cancelled)
        pthread_exit(NULL);
    /* A cancellation point. Not pause(): in FreeBSD's, the system call insists on a signal, and a
     * cancellation that comes while the thread is still on its way there can pass it by. */
    for (;;)
        sleep(1);
}

static int run(const struct hosted_pool *pool, unsigned depth, int cancelled)
{
    struct exit exit = { .pool = pool, .depth = depth, .cancelled = cancelled };
    pthread_t id;
    void *result;
    if (sem_init(&exit.inside, 0, 0) != 0)
        return -1;
    if (pthread_create(&id, NULL, thread, &exit) != 0)
        return -1;
    while (sem_wait(&exit.inside) != 0)
        ;
    if (cancelled)
        pthread_cancel(id);
    pthread_join(id, &result);
    sem_destroy(&exit.inside);
    return exit.entered && (!cancelled || result == PTHREAD_CANCELED) ? 0 : -1;
}

int hosted_exit_inside(const struct hosted_pool *pool, unsigned depth)
{
    return run(pool, depth, 0);
}

int hosted_cancel_inside(const struct hosted_pool *pool, unsigned depth)
{
    return run(pool, depth, 1);
}

struct cancelled {
    hosted_body body;
    void *arg;
    int done;
};

static void *cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    pthread_cancel(pthread_self());
    cancelled->body(cancelled->arg, 0);
    cancelled->done = 1;
    pthread_testcancel();
    return NULL;
}

int hosted_cancelled(hosted_body body, void *arg)
{
    struct cancelled state = { .body = body, .arg = arg };
    pthread_t id;
    void *result;
    if (pthread_create(&id, NULL, cancelled, &state) != 0)
        return -1;
    pthread_join(id, &result);
    return state.done && result == PTHREAD_CANCELED ? 0 : -1;
}

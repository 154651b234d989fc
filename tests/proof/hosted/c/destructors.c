/* Destructors of thread-specific data that enter. A destructor that stores the value again is
 * called in the next round, as long as the system makes another one. */
#include "hosted.h"

#include <pthread.h>

struct visit {
    const struct hosted_pool *pool;
    hosted_body body; /* what is done in place of an entry, or NULL */
    void *arg;
    pthread_key_t key;
    unsigned round, first, last;
    int entries;
};

static void enter(struct visit *visit)
{
    void *m;
    if (visit->body != NULL) {
        visit->body(visit->arg, visit->round);
    } else {
        m = visit->pool->enter(visit->pool->pool);
        if (m == NULL)
            return;
        visit->pool->leave(visit->pool->pool, m);
    }
    visit->entries++;
}

static void destructor(void *value)
{
    struct visit *visit = value;
    visit->round++;
    if (visit->round >= visit->first && visit->round <= visit->last)
        enter(visit);
    if (visit->round < visit->last)
        pthread_setspecific(visit->key, visit);
}

static void *thread(void *arg)
{
    struct visit *visit = arg;
    if (visit->first == 0)
        enter(visit);
    if (pthread_setspecific(visit->key, visit) != 0)
        visit->entries = -1;
    return NULL;
}

int hosted_key(unsigned *key)
{
    pthread_key_t made;
    if (pthread_key_create(&made, destructor) != 0)
        return -1;
    *key = made;
    return 0;
}

int hosted_key_delete(unsigned key)
{
    return pthread_key_delete(key);
}

static int run(struct visit *visit)
{
    pthread_t id;
    if (pthread_create(&id, NULL, thread, visit) != 0)
        return -1;
    pthread_join(id, NULL);
    return visit->entries;
}

int hosted_destructor(const struct hosted_pool *pool, unsigned key, unsigned first, unsigned last)
{
    struct visit visit = { .pool = pool, .key = key, .first = first, .last = last };
    return run(&visit);
}

int hosted_rounds(unsigned key, unsigned last, hosted_body body, void *arg)
{
    struct visit visit = { .body = body, .arg = arg, .key = key, .last = last };
    return run(&visit);
}

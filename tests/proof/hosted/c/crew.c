#include "hosted.h"

#include <pthread.h>
#include <stdlib.h>

struct crew {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum { GATHERING, GO, GO_HOME } order;
    unsigned next;
    hosted_body body;
    void *arg;
};

static void *member(void *arg)
{
    struct crew *crew = arg;
    pthread_mutex_lock(&crew->mutex);
    unsigned index = crew->next++;
    while (crew->order == GATHERING)
        pthread_cond_wait(&crew->changed, &crew->mutex);
    int go = crew->order == GO;
    pthread_mutex_unlock(&crew->mutex);
    if (go)
        crew->body(crew->arg, index);
    return NULL;
}

static int attributes(pthread_attr_t *attr, size_t stack)
{
    if (pthread_attr_init(attr) != 0)
        return -1;
    if (stack != 0 && pthread_attr_setstacksize(attr, stack) != 0) {
        pthread_attr_destroy(attr);
        return -1;
    }
    return 0;
}

unsigned hosted_crew(unsigned count, size_t stack, hosted_body body, void *arg)
{
    struct crew crew = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, GATHERING, 0, body, arg };
    pthread_attr_t attr;
    if (attributes(&attr, stack) != 0)
        return 0;
    pthread_t *threads = calloc(count, sizeof *threads);
    unsigned made = 0;
    while (threads != NULL && made < count && pthread_create(&threads[made], &attr, member, &crew) == 0)
        made++;
    pthread_attr_destroy(&attr);
    pthread_mutex_lock(&crew.mutex);
    crew.order = made == count ? GO : GO_HOME;
    pthread_cond_broadcast(&crew.changed);
    pthread_mutex_unlock(&crew.mutex);
    for (unsigned i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return made;
}

unsigned hosted_in_turn(unsigned count, size_t stack, hosted_body body, void *arg)
{
    struct crew crew = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, GO, 0, body, arg };
    pthread_attr_t attr;
    if (attributes(&attr, stack) != 0)
        return 0;
    unsigned made = 0;
    for (; made < count; made++) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, member, &crew) != 0)
            break;
        pthread_join(thread, NULL);
    }
    pthread_attr_destroy(&attr);
    return made;
}

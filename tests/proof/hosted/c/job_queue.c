/* A thread pool such as many C libraries have one: its threads outlive each job. */
#include "hosted.h"

#include <pthread.h>
#include <stdlib.h>

struct job {
    struct job *next;
    hosted_body body;
    void *arg;
    unsigned index;
};

struct hosted_queue {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct job *first, **end;
    int over;
    unsigned count;
    pthread_t threads[];
};

static void *worker(void *arg)
{
    struct hosted_queue *queue = arg;
    for (;;) {
        pthread_mutex_lock(&queue->mutex);
        while (queue->first == NULL && !queue->over)
            pthread_cond_wait(&queue->more, &queue->mutex);
        struct job *job = queue->first;
        if (job != NULL) {
            queue->first = job->next;
            if (queue->first == NULL)
                queue->end = &queue->first;
        }
        pthread_mutex_unlock(&queue->mutex);
        if (job == NULL)
            return NULL;
        job->body(job->arg, job->index);
        free(job);
    }
}

struct hosted_queue *hosted_queue_new(unsigned threads)
{
    struct hosted_queue *queue = calloc(1, sizeof *queue + threads * sizeof(pthread_t));
    if (queue == NULL)
        return NULL;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->more, NULL);
    queue->end = &queue->first;
    while (queue->count < threads
           && pthread_create(&queue->threads[queue->count], NULL, worker, queue) == 0)
        queue->count++;
    return queue;
}

void hosted_queue_put(struct hosted_queue *queue, hosted_body body, void *arg, unsigned index)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL)
        abort();
    *job = (struct job) { NULL, body, arg, index };
    pthread_mutex_lock(&queue->mutex);
    *queue->end = job;
    queue->end = &job->next;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->mutex);
}

void hosted_queue_free(struct hosted_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->over = 1;
    pthread_cond_broadcast(&queue->more);
    pthread_mutex_unlock(&queue->mutex);
    for (unsigned i = 0; i < queue->count; i++)
        pthread_join(queue->threads[i], NULL);
    pthread_cond_destroy(&queue->more);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

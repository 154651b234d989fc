#include "hosted.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A value that no system call leaves behind. */
enum { UNLIKELY = 12345, ALTSTACK = 64 << 10 };

static const int signals[] = { SIGUSR1, SIGUSR2, SIGPROF, SIGALRM, SIGTERM };

unsigned hosted_preserved(hosted_body body, void *arg)
{
    unsigned changed = 0;
    stack_t mine, before, after, old;
    sigset_t blocked, mask_before, mask_after, old_mask;
    memset(&mine, 0, sizeof mine);
    mine.ss_sp = malloc(ALTSTACK);
    mine.ss_size = ALTSTACK;
    if (mine.ss_sp == NULL || sigaltstack(&mine, &old) != 0)
        abort();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigaddset(&blocked, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &blocked, &old_mask);

    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    sigaltstack(NULL, &before);
    errno = UNLIKELY;
    body(arg, 0);
    if (errno != UNLIKELY)
        changed |= HOSTED_ERRNO;
    sigaltstack(NULL, &after);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigismember(&mask_before, signals[i]) != sigismember(&mask_after, signals[i]))
            changed |= HOSTED_MASK;
    if (before.ss_sp != after.ss_sp || before.ss_size != after.ss_size || before.ss_flags != after.ss_flags)
        changed |= HOSTED_ALTSTACK;
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    sigaltstack(&old, NULL);
    free(mine.ss_sp);
    return changed;
}

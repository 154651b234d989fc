/* Coroutines: the thread goes to a stack of its own and comes back. */
#include "hosted.h"

#include <ucontext.h>

/* makecontext hands over int arguments only, so the coroutine finds its work here. */
static _Thread_local struct {
    hosted_body body;
    void *arg;
} work;

static void coroutine(void)
{
    work.body(work.arg, 0);
}

int hosted_on_other_stack(void *stack, size_t size, hosted_body body, void *arg)
{
    ucontext_t here, there;
    if (getcontext(&there) != 0)
        return -1;
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = size;
    there.uc_link = &here;
    work.body = body;
    work.arg = arg;
    makecontext(&there, coroutine, 0);
    return swapcontext(&here, &there);
}

/* A kernel, of which POSIX threads are the tasks: what extram_port.h asks for. */
#include <extram_port.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

_Thread_local extram_block this_task;

extram_block *extram_port_block(void) {
    return &this_task;
}

uint32_t extram_port_frequency(void) {
    return 1000000000;
}

uint64_t extram_port_ticks(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void extram_port_yield(void) {
    sched_yield();
}

void extram_port_wait(const uint32_t *word, uint32_t expected, uint64_t until) {
    (void)until;
    if (__atomic_load_n(word, __ATOMIC_RELAXED) == expected) sched_yield();
}

void extram_port_wake(const uint32_t *word, uint32_t count) {
    (void)word;
    (void)count;
}

void extram_port_panic(const char *file, size_t length, uint32_t line) {
    fprintf(stderr, "%.*s:%u\n", (int)length, file, line);
    abort();
}

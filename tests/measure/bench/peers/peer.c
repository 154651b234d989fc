/* Threads that the runtime did not create, the clock, and the line of JSON. Linux. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 512 << 10 };

static peer_call call_in;

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double switches(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_nvcsw + usage.ru_nivcsw);
}

/* Sleeps while the word is `value`. The kernel wakes sleepers without a fight for a lock. */
static void sleep_on(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

static _Atomic uint32_t meeting_over, there;

void peer_meet(uint32_t meeting) {
  if (meeting == 0)
    return;
  if (atomic_fetch_add(&there, 1) + 1 == meeting) {
    atomic_store(&meeting_over, 1);
    wake_all(&meeting_over);
  }
  while (atomic_load(&meeting_over) == 0)
    sleep_on(&meeting_over, 0);
}

/* The start line: `lined_up` threads stand there until `released`. */
static _Atomic uint32_t lined_up, released, stopped;

struct thread {
  pthread_t thread;
  uint32_t calls; /* how many calls, 0 for as many as there is time for */
  uint32_t meeting;
  double first_us, last_us; /* before its first call, after its last */
  uint64_t made;
};

static void *run(void *arg) {
  struct thread *this = arg;
  atomic_fetch_add(&lined_up, 1);
  wake_all(&lined_up);
  while (atomic_load(&released) == 0)
    sleep_on(&released, 0);
  if (this->calls > 1)
    call_in(0); /* what repeats has been here before */
  this->first_us = now_us();
  if (this->calls == 0)
    for (; atomic_load_explicit(&stopped, memory_order_relaxed) == 0; this->made++)
      call_in(0);
  for (uint32_t i = 0; i < this->calls; i++)
    call_in(this->meeting);
  this->last_us = now_us();
  return NULL;
}

/* Makes a thread and waits until it stands at the line. */
static int line_up(struct thread *thread, uint32_t before) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  int error = pthread_create(&thread->thread, &attributes, run, thread);
  pthread_attr_destroy(&attributes);
  if (error != 0)
    return error;
  for (uint32_t seen; (seen = atomic_load(&lined_up)) <= before;)
    sleep_on(&lined_up, seen);
  return 0;
}

static int herd(uint32_t count, uint32_t meeting, uint32_t calls, uint32_t milliseconds) {
  struct thread *threads = calloc(count, sizeof *threads);
  if (threads == NULL)
    return ENOMEM;
  double before = switches();
  for (uint32_t i = 0; i < count; i++) {
    threads[i].calls = calls;
    threads[i].meeting = meeting;
    int error = line_up(&threads[i], i);
    if (error != 0)
      return error;
  }
  double begun = now_us();
  atomic_store(&released, 1);
  wake_all(&released);
  if (calls == 0) {
    usleep(milliseconds * 1000);
    atomic_store(&stopped, 1);
  }
  double last = begun;
  uint64_t made = 0;
  for (uint32_t i = 0; i < count; i++) {
    pthread_join(threads[i].thread, NULL);
    if (threads[i].last_us > last)
      last = threads[i].last_us;
    made += threads[i].made;
  }
  if (calls == 0)
    printf("{\"calls_per_s\":%.1f}\n", (double)made / (last - begun) * 1e6);
  else
    printf("{\"wall_us\":%.1f,\"switches\":%.0f}\n", last - begun, switches() - before);
  free(threads);
  return 0;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

/* Each thread is alone, and there is an M for it from the second one on. */
static int fresh(uint32_t count) {
  double *took = calloc(count, sizeof *took);
  if (took == NULL)
    return ENOMEM;
  for (uint32_t i = 0; i < count; i++) {
    struct thread thread = {.calls = 1};
    atomic_store(&released, 0);
    int error = line_up(&thread, i);
    if (error != 0)
      return error;
    atomic_store(&released, 1);
    wake_all(&released);
    pthread_join(thread.thread, NULL);
    took[i] = (thread.last_us - thread.first_us) * 1e3;
  }
  qsort(took, count, sizeof *took, compare);
  printf("{\"first_call_ns\":%.1f}\n", took[count / 2]);
  free(took);
  return 0;
}

static int repeat(uint32_t count) {
  struct thread thread = {.calls = count / 10 + 1};
  /* The first tenth warms up. */
  for (uint32_t i = 0; i < 2; i++) {
    int error = line_up(&thread, i);
    if (error != 0)
      return error;
    atomic_store(&released, 1);
    wake_all(&released);
    pthread_join(thread.thread, NULL);
    thread.calls = count;
  }
  printf("{\"call_ns\":%.2f}\n", (thread.last_us - thread.first_us) * 1e3 / count);
  return 0;
}

int peer_main(int argc, char **argv, peer_call call) {
  call_in = call;
  const char *what = argc > 1 ? argv[1] : "";
  uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
  int error = EINVAL;
  if (count > 0 && strcmp(what, "herd") == 0)
    error = herd(count, count, 1, 0);
  else if (count > 0 && strcmp(what, "short") == 0)
    error = herd(count, 0, 1, 0);
  else if (count > 0 && strcmp(what, "fresh") == 0)
    error = fresh(count);
  else if (count > 0 && strcmp(what, "repeat") == 0)
    error = repeat(count);
  else if (count > 0 && strcmp(what, "calls") == 0 && argc > 3)
    error = herd(count, 0, 0, (uint32_t)strtoul(argv[3], NULL, 10));
  if (error != 0)
    fprintf(stderr, "%s: %s\n", what, strerror(error));
  fflush(stdout);
  return error != 0;
}

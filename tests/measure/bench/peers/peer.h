/* What every runtime is measured with: threads that it did not create, which call into it. */
#ifndef EXTRAM_BENCH_PEER_H
#define EXTRAM_BENCH_PEER_H

#include <stdint.h>

/* Calls into the runtime. There it waits until `meeting` threads are inside, unless that is 0. */
typedef void (*peer_call)(uint32_t meeting);

/* Measures what the arguments say and prints one line of JSON. The exit code of the process.

     herd N      N fresh threads call at once and stay inside until all are
     short N     N fresh threads call at once and return at once
     fresh N     N threads, one after the other: the first call of each
     repeat N    one thread, N calls
     calls T MS  T threads call as often as they can for so many milliseconds */
int peer_main(int argc, char **argv, peer_call call);

/* For runtimes that have no meeting of their own: waits until so many threads are here. */
void peer_meet(uint32_t meeting);

#endif

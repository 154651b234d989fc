/* The foreign side: C code that makes a thread of its own, which calls back into the runtime. */
#include <stddef.h>

/* Exported by the Rust program. */
extern void callback_gc_callback(void *call);

/* int call_from_fresh_thread(void *call, size_t stack), for either system: makes a fresh thread, which
   makes the call, and waits until it has ended, its exit hooks included. 0, or the number of the error
   that kept the thread from being made. */

#ifdef _WIN32
#include <windows.h>

static DWORD WINAPI thread_main(void *call) {
  callback_gc_callback(call);
  return 0;
}

int call_from_fresh_thread(void *call, size_t stack) {
  HANDLE thread = CreateThread(NULL, stack, thread_main, call, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  if (thread == NULL)
    return (int)GetLastError();
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  return 0;
}
#else
#include <limits.h>
#include <pthread.h>

static void *thread_main(void *call) {
  callback_gc_callback(call);
  return NULL;
}

int call_from_fresh_thread(void *call, size_t stack) {
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error != 0)
    return error;
  if (stack < (size_t)PTHREAD_STACK_MIN)
    stack = (size_t)PTHREAD_STACK_MIN;
  error = pthread_attr_setstacksize(&attributes, stack);
  if (error == 0)
    error = pthread_create(&thread, &attributes, thread_main, call);
  pthread_attr_destroy(&attributes);
  if (error == 0)
    error = pthread_join(thread, NULL);
  return error;
}
#endif

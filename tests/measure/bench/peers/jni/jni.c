/* Threads made by C attach to a Java virtual machine.

   `bound`: attached at its first call, detached when the thread exits. `per-call`: attached and
   detached at each call. */
#include "peer.h"

#include <jni.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static JavaVM *vm;
static pthread_key_t attached;

static void refused(int code) {
  fprintf(stderr, "the virtual machine refuses a thread: %d\n", code);
  abort();
}

static void detach(void *env) {
  (void)env;
  (*vm)->DetachCurrentThread(vm);
}

static void attach(JNIEnv **env) {
  /* As a daemon: the virtual machine does not wait for it at its end. */
  int code = (*vm)->AttachCurrentThreadAsDaemon(vm, (void **)env, NULL);
  if (code != JNI_OK)
    refused(code);
}

static void bound(uint32_t meeting) {
  JNIEnv *env;
  if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_8) != JNI_OK) {
    attach(&env);
    pthread_setspecific(attached, env);
  }
  peer_meet(meeting);
}

static void per_call(uint32_t meeting) {
  JNIEnv *env;
  attach(&env);
  peer_meet(meeting);
  (*vm)->DetachCurrentThread(vm);
}

int main(int argc, char **argv) {
  JavaVMInitArgs args = {.version = JNI_VERSION_1_8};
  JNIEnv *env;
  int code = JNI_CreateJavaVM(&vm, (void **)&env, &args);
  if (code != JNI_OK)
    refused(code);
  pthread_key_create(&attached, detach);
  if (argc < 2)
    return 2;
  /* The machine's own threads need not be waited for. */
  code = peer_main(argc - 1, argv + 1, strcmp(argv[1], "bound") == 0 ? bound : per_call);
  fflush(NULL);
  _Exit(code);
}

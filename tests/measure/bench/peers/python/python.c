/* Threads made by C enter CPython by PyGILState_Ensure. While a thread waits for the others it lets
   the interpreter go, as one that blocks does; its thread state stays its own. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "peer.h"

static void call(uint32_t meeting) {
  PyGILState_STATE state = PyGILState_Ensure();
  if (meeting != 0) {
    Py_BEGIN_ALLOW_THREADS
    peer_meet(meeting);
    Py_END_ALLOW_THREADS
  }
  PyGILState_Release(state);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "version") == 0) {
    printf("CPython %s\n", PY_VERSION);
    return 0;
  }
  Py_InitializeEx(0);
  PyThreadState *main_thread = PyEval_SaveThread();
  int code = peer_main(argc, argv, call);
  PyEval_RestoreThread(main_thread);
  fflush(NULL);
  _Exit(code);
}

/*
 * Foreign code: it starts a thread that the runtime knows nothing of, and that thread calls a
 * function which the runtime exports. The same as `foo` in Go's testprogcgo/callback.go.
 */
#include <pthread.h>
#include <stddef.h>

/* Exported by the runtime. */
extern void callback_gc_exported(void *call);

static void *thread_main(void *call)
{
	callback_gc_exported(call);
	return NULL;
}

/* Starts a fresh thread with a stack of that many bytes, and waits for its end. Returns an errno
 * value, 0 if the thread ran. */
int callback_gc_foo(void *call, size_t stack)
{
	pthread_t thread;
	pthread_attr_t attr;
	int error;

	error = pthread_attr_init(&attr);
	if (error != 0)
		return error;
	error = pthread_attr_setstacksize(&attr, stack);
	if (error == 0)
		error = pthread_create(&thread, &attr, thread_main, call);
	pthread_attr_destroy(&attr);
	if (error != 0)
		return error;
	return pthread_join(thread, NULL);
}

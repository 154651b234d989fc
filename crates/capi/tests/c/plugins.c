/* A host that loads as many copies of plugin.c as its arguments name, calls all of them by threads that
 * live on, unloads every other one meanwhile, and calls the rest. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 100, THREADS = 3 };

struct plugin {
    void *library;
    int (*start)(void), (*call)(void), (*stop)(void);
};

static struct plugin plugins[MOST];
static int count;
static pthread_barrier_t step;

static void check(int holds, const char *what) {
    if (!holds) {
        const char *why = dlerror();
        fprintf(stderr, "not so: %s (%s)\n", what, why == NULL ? "" : why);
        exit(1);
    }
}

static int (*function(void *library, const char *name))(void) {
    /* As POSIX has it: a pointer to data becomes one to code. */
    union {
        void *data;
        int (*code)(void);
    } found;
    found.data = dlsym(library, name);
    check(found.data != NULL, name);
    return found.code;
}

static void *calls(void *arg) {
    int i;
    (void)arg;
    for (i = 0; i < count; i++) {
        check(plugins[i].call() == 0, "a call into a plug-in");
    }
    pthread_barrier_wait(&step);
    /* Half of them go. */
    pthread_barrier_wait(&step);
    for (i = 1; i < count; i += 2) {
        check(plugins[i].call() == 0, "a call into one that is still there");
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    int i;
    count = argc - 1;
    check(count > 1 && count <= MOST, "the number of plug-ins");
    for (i = 0; i < count; i++) {
        struct plugin *plugin = &plugins[i];
        plugin->library = dlopen(argv[i + 1], RTLD_NOW | RTLD_LOCAL);
        check(plugin->library != NULL, "a plug-in is loaded");
        plugin->start = function(plugin->library, "plugin_start");
        plugin->call = function(plugin->library, "plugin_call");
        plugin->stop = function(plugin->library, "plugin_stop");
        check(plugin->start() == 0, "its pool starts");
    }
    check(pthread_barrier_init(&step, NULL, THREADS + 1) == 0, "a barrier");
    for (i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, calls, NULL) == 0, "a thread");
    }
    pthread_barrier_wait(&step);
    for (i = 0; i < count; i += 2) {
        check(plugins[i].stop() == 0, "the pool ends while threads live that used it");
        check(dlclose(plugins[i].library) == 0, "its library goes");
    }
    pthread_barrier_wait(&step);
    for (i = 0; i < THREADS; i++) {
        check(pthread_join(threads[i], NULL) == 0, "a thread ends");
    }
    for (i = 1; i < count; i += 2) {
        check(plugins[i].stop() == 0, "the pool ends");
        check(dlclose(plugins[i].library) == 0, "its library goes");
    }
    printf("%d plug-ins\n", count);
    return 0;
}

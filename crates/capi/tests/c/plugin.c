/* A plug-in with a pool of its own and the library inside, as each of many plug-ins has it. */
#include <extram.h>
#include <stddef.h>

static int new_context(void *runtime, void **context) {
    *context = runtime;
    return 0;
}

static extram_pool *pool;

int plugin_start(void) {
    static int runtime;
    extram_config config = {.size = sizeof(extram_config)};
    config.runtime = &runtime;
    config.new_context = new_context;
    return extram_pool_new(&config, &pool);
}

/* 0 if the call had a context of its own. */
int plugin_call(void) {
    extram_m *m;
    int code = extram_enter(pool, &m);
    if (code != EXTRAM_OK) {
        return code;
    }
    if (extram_context(m) == NULL) {
        return -1;
    }
    return extram_leave(pool, m);
}

int plugin_stop(void) {
    int code = extram_pool_close(pool);
    return code != EXTRAM_OK ? code : extram_pool_free(pool);
}

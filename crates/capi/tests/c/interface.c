/* What programs written against extram.h rely on: every name, every signature, every layout.
 * A header that says otherwise does not compile here. */
#include <extram.h>
#include <extram.h>

#ifdef __cplusplus
#define ASSERT(what) static_assert(what, #what)
extern "C" {
#else
#define ASSERT(what) _Static_assert(what, #what)
#endif

typedef struct extram_pool extram_pool;
typedef struct extram_m extram_m;

int extram_pool_new(const extram_config *config, extram_pool **pool);
int extram_pool_init(void *storage, size_t size, const extram_config *config, extram_pool **pool);
size_t extram_pool_size(uint32_t max_ms);
int extram_pool_close(extram_pool *pool);
int extram_pool_reopen(extram_pool *pool);
int extram_pool_free(extram_pool *pool);
int extram_enter(extram_pool *pool, extram_m **m);
int extram_try_enter(extram_pool *pool, extram_m **m);
int extram_enter_timeout(extram_pool *pool, uint64_t nanoseconds, extram_m **m);
int extram_enter_from_signal(extram_pool *pool, extram_m **m);
int extram_leave(extram_pool *pool, extram_m *m);
int extram_unbind(extram_pool *pool);
int extram_prewarm(extram_pool *pool, uint32_t spare);
int extram_trim(extram_pool *pool, uint32_t keep, uint32_t *dropped);
int extram_stats_get(extram_pool *pool, extram_stats *stats);
void *extram_context(const extram_m *m);
uint32_t extram_m_id(const extram_m *m);
const char *extram_strerror(int code);

#ifdef __cplusplus
}
#endif

ASSERT(EXTRAM_OK == 0 && EXTRAM_NOT_STARTED == 1 && EXTRAM_WOULD_BLOCK == 2);
ASSERT(EXTRAM_TIMED_OUT == 3 && EXTRAM_EXHAUSTED == 4 && EXTRAM_CLOSED == 5);
ASSERT(EXTRAM_BUSY == 6 && EXTRAM_NO_MEMORY == 7 && EXTRAM_INVALID == 8);
ASSERT(EXTRAM_CREATION_FAILED == 9 && EXTRAM_TOO_MANY == 10);
ASSERT(EXTRAM_BIND_THREAD == 0 && EXTRAM_BIND_CALL == 1);

struct config {
    size_t size;
    void *runtime;
    int (*new_context)(void *runtime, void **context);
    void (*free_context)(void *runtime, void *context);
    void (*admit)(void *runtime, extram_m *m);
    void (*retire)(void *runtime, extram_m *m);
    uint32_t max_ms;
    uint32_t binding;
};

struct stats {
    size_t size;
    uint32_t created, spare, in_use, bound_idle, waiting, creating, failed;
};

#define SAME(type, field) offsetof(extram_##type, field) == offsetof(struct type, field)
ASSERT(sizeof(extram_config) == sizeof(struct config));
ASSERT(SAME(config, size) && SAME(config, runtime) && SAME(config, new_context));
ASSERT(SAME(config, free_context) && SAME(config, admit) && SAME(config, retire));
ASSERT(SAME(config, max_ms) && SAME(config, binding));
ASSERT(sizeof(extram_stats) == sizeof(struct stats));
ASSERT(SAME(stats, size) && SAME(stats, created) && SAME(stats, spare) && SAME(stats, in_use));
ASSERT(SAME(stats, bound_idle) && SAME(stats, waiting) && SAME(stats, creating) && SAME(stats, failed));

/* Storage is a constant expression. */
extern unsigned char storage[EXTRAM_POOL_BYTES(4)];
ASSERT(sizeof storage < 2000);

/* The fields have the types above, too. */
extram_config positional = {sizeof(extram_config), 0, 0, 0, 0, 0, 0, EXTRAM_BIND_CALL};
void take(extram_config *config, struct config *same);
void take(extram_config *config, struct config *same) {
    config->new_context = same->new_context;
    config->free_context = same->free_context;
    config->admit = same->admit;
    config->retire = same->retire;
}

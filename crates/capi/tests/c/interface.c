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
int extram_trim_unused(extram_pool *pool, uint32_t age_ms, uint32_t *dropped);
int extram_stats_get(extram_pool *pool, extram_stats *stats);
void *extram_context(const extram_m *m);
uint32_t extram_m_id(const extram_m *m);
const char *extram_strerror(int code);
const char *extram_config_problem(const extram_config *config);
uint32_t extram_version(void);
int extram_each_m(extram_pool *pool, int (*visit)(void *arg, const extram_m_info *info), void *arg);
int extram_dump(extram_pool *pool, int (*write)(void *arg, const char *text, size_t length), void *arg);
int extram_stack(const extram_m *m, uintptr_t *low, uintptr_t *high);
uint32_t extram_depth(const extram_m *m);
int extram_leave_to(extram_pool *pool, extram_m *m, uint32_t depth);
int extram_discard(extram_pool *pool, extram_m *m);
void extram_set_user(extram_m *m, void *user);
void *extram_user(const extram_m *m);

#ifdef __cplusplus
}
#endif

ASSERT(EXTRAM_OK == 0 && EXTRAM_NOT_STARTED == 1 && EXTRAM_WOULD_BLOCK == 2);
ASSERT(EXTRAM_TIMED_OUT == 3 && EXTRAM_EXHAUSTED == 4 && EXTRAM_CLOSED == 5);
ASSERT(EXTRAM_BUSY == 6 && EXTRAM_NO_MEMORY == 7 && EXTRAM_INVALID == 8);
ASSERT(EXTRAM_CREATION_FAILED == 9 && EXTRAM_TOO_MANY == 10);
ASSERT(EXTRAM_BIND_THREAD == 0 && EXTRAM_BIND_CALL == 1);
ASSERT(EXTRAM_SPARE == 0 && EXTRAM_IN_USE == 1 && EXTRAM_BOUND_IDLE == 2);
ASSERT(EXTRAM_EVENT_WAITING == 0 && EXTRAM_EVENT_DISCARDED == 9);
ASSERT(EXTRAM_VERSION == (EXTRAM_VERSION_MAJOR << 16 | EXTRAM_VERSION_MINOR << 8 | EXTRAM_VERSION_PATCH));

struct config {
    size_t size;
    void *runtime;
    int (*new_context)(void *runtime, void **context);
    void (*free_context)(void *runtime, void *context);
    void (*admit)(void *runtime, extram_m *m);
    void (*retire)(void *runtime, extram_m *m);
    uint32_t max_ms;
    uint32_t binding;
    int (*try_admit)(void *runtime, extram_m *m);
    void (*observe)(void *runtime, const extram_event *event);
    uint32_t spare_max;
    uint32_t stacks;
};

struct event {
    size_t size;
    uint32_t kind, m;
    int code;
    uint64_t time_ns;
};

struct m_info {
    size_t size;
    uint32_t id, state, depth;
    uint64_t thread_id, since_ns;
    uintptr_t stack_low, stack_high;
    void *context;
    void *user;
};

struct stats {
    size_t size;
    uint32_t created, spare, in_use, bound_idle, waiting, creating, failed;
};

#define SAME(type, field) offsetof(extram_##type, field) == offsetof(struct type, field)
ASSERT(sizeof(extram_config) == sizeof(struct config));
ASSERT(SAME(config, size) && SAME(config, runtime) && SAME(config, new_context));
ASSERT(SAME(config, free_context) && SAME(config, admit) && SAME(config, retire));
ASSERT(SAME(config, max_ms) && SAME(config, binding) && SAME(config, try_admit));
ASSERT(SAME(config, observe) && SAME(config, spare_max) && SAME(config, stacks));
ASSERT(sizeof(extram_event) == sizeof(struct event) && SAME(event, kind) && SAME(event, m));
ASSERT(SAME(event, code) && SAME(event, time_ns));
ASSERT(sizeof(extram_m_info) == sizeof(struct m_info) && SAME(m_info, id) && SAME(m_info, state));
ASSERT(SAME(m_info, depth) && SAME(m_info, thread_id) && SAME(m_info, since_ns));
ASSERT(SAME(m_info, stack_low) && SAME(m_info, stack_high) && SAME(m_info, context));
ASSERT(SAME(m_info, user));
ASSERT(sizeof(extram_stats) == sizeof(struct stats));
ASSERT(SAME(stats, size) && SAME(stats, created) && SAME(stats, spare) && SAME(stats, in_use));
ASSERT(SAME(stats, bound_idle) && SAME(stats, waiting) && SAME(stats, creating) && SAME(stats, failed));

/* Storage is a constant expression. */
extern unsigned char storage[EXTRAM_POOL_BYTES(4)];
ASSERT(sizeof storage < 2000);

/* The fields have the types above, too. */
extram_config positional = {sizeof(extram_config), 0, 0, 0, 0, 0, 0, EXTRAM_BIND_CALL, 0, 0, 0, 0};
void take(extram_config *config, struct config *same);
void take(extram_config *config, struct config *same) {
    config->new_context = same->new_context;
    config->free_context = same->free_context;
    config->admit = same->admit;
    config->retire = same->retire;
    config->try_admit = same->try_admit;
    config->observe = same->observe;
}

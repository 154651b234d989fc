// With a word, the function of the configuration that has this name throws: the library cannot catch that, and ends the
// process with a message.
#include <cstdio>
#include <cstring>
#include <extram.h>
#include <stdexcept>

static const char *throws = "";

static void perhaps(const char *name) {
    if (std::strcmp(throws, name) == 0) throw std::runtime_error("on purpose");
}

int main(int count, char **words) {
    static int context;
    extram_config config = {};
    extram_pool *pool;
    extram_m *m;
    if (count > 1) throws = words[1];
    config.size = sizeof config;
    config.new_context = [](void *, void **made) {
        perhaps("new_context");
        *made = &context;
        return 0;
    };
    config.free_context = [](void *, void *) { perhaps("free_context"); };
    config.admit = [](void *, extram_m *) { perhaps("admit"); };
    config.retire = [](void *, extram_m *) { perhaps("retire"); };
    config.observe = [](void *, const extram_event *) { perhaps("observe"); };
    if (extram_pool_new(&config, &pool) != EXTRAM_OK || extram_enter(pool, &m) != EXTRAM_OK) return 1;
    if (extram_leave(pool, m) != EXTRAM_OK || extram_pool_close(pool) != EXTRAM_OK) return 2;
    if (extram_pool_free(pool) != EXTRAM_OK) return 3;
    std::puts("nothing was thrown");
    return 0;
}

/* One program with two Rust archives: libextram.a and that of another_rust.rs. */
#include <extram.h>
#include <stdio.h>

unsigned another_rust(unsigned by);

static int new_context(void *runtime, void **context) {
    *context = runtime;
    return 0;
}

int main(void) {
    unsigned calls = 0;
    extram_config config = {.size = sizeof config, .runtime = &calls, .new_context = new_context};
    extram_pool *pool;
    extram_m *m;
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    if (extram_enter(pool, &m) != EXTRAM_OK) return 2;
    *(unsigned *)extram_context(m) += another_rust(4);
    if (extram_leave(pool, m) != EXTRAM_OK || extram_pool_close(pool) != EXTRAM_OK) return 3;
    if (extram_pool_free(pool) != EXTRAM_OK) return 4;
    printf("%u from another Rust\n", calls);
    return 0;
}

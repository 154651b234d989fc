/* One program with two Rust archives: libextram.a and that of another_rust.rs. With a word, the function of that name
 * panics in the other Rust: the library cannot catch that, and ends the process with a message. */
#include <extram.h>
#include <stdio.h>
#include <string.h>

unsigned another_rust(unsigned by);
void another_rust_panics(void);

static const char *panics = "";

static void perhaps(const char *name) {
    if (strcmp(panics, name) == 0) another_rust_panics();
}

static int new_context(void *runtime, void **context) {
    perhaps("new_context");
    *context = runtime;
    return 0;
}

static void free_context(void *runtime, void *context) {
    (void)runtime, (void)context;
    perhaps("free_context");
}

static void admit(void *runtime, extram_m *m) {
    (void)runtime, (void)m;
    perhaps("admit");
}

static void retire(void *runtime, extram_m *m) {
    (void)runtime, (void)m;
    perhaps("retire");
}

static void observe(void *runtime, const extram_event *event) {
    (void)runtime, (void)event;
    perhaps("observe");
}

int main(int count, char **words) {
    unsigned calls = 0;
    extram_config config = {.size = sizeof config, .runtime = &calls, .new_context = new_context};
    extram_pool *pool;
    extram_m *m;
    if (count > 1) panics = words[1];
    config.free_context = free_context;
    config.admit = admit;
    config.retire = retire;
    config.observe = observe;
    if (extram_pool_new(&config, &pool) != EXTRAM_OK) return 1;
    if (extram_enter(pool, &m) != EXTRAM_OK) return 2;
    *(unsigned *)extram_context(m) += another_rust(4);
    if (extram_leave(pool, m) != EXTRAM_OK || extram_pool_close(pool) != EXTRAM_OK) return 3;
    if (extram_pool_free(pool) != EXTRAM_OK) return 4;
    printf("%u from another Rust\n", calls);
    return 0;
}

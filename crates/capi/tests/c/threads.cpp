// The same from C++: a guard, std::thread, and an exception that unwinds through the guard.
#include <atomic>
#include <cstdio>
#include <extram.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

void must(int code) {
    if (code != EXTRAM_OK) throw std::runtime_error(extram_strerror(code));
}

struct Interpreter {
    long calls = 0;
};

std::atomic<long> calls{0};

class Pool {
public:
    Pool() {
        extram_config config{};
        config.size = sizeof config;
        config.new_context = [](void *, void **context) {
            *context = new Interpreter;
            return 0;
        };
        config.free_context = [](void *, void *context) {
            auto *interpreter = static_cast<Interpreter *>(context);
            calls += interpreter->calls;
            delete interpreter;
        };
        must(extram_pool_new(&config, &pool));
    }
    ~Pool() {
        extram_pool_close(pool);
        extram_pool_free(pool);
    }
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    extram_pool *pool = nullptr;
};

class Entered {
public:
    explicit Entered(Pool &in) : pool(in.pool) { must(extram_enter(pool, &m)); }
    ~Entered() { extram_leave(pool, m); }
    Entered(const Entered &) = delete;
    Entered &operator=(const Entered &) = delete;
    Interpreter &operator*() const { return *static_cast<Interpreter *>(extram_context(m)); }

private:
    extram_pool *pool;
    extram_m *m = nullptr;
};

void call(Pool &pool) {
    for (int i = 0; i < 1000; i++) {
        try {
            Entered entered(pool);
            (*entered).calls++;
            if (i % 100 == 0) throw std::logic_error("a callback that fails");
        } catch (const std::logic_error &) {
        }
    }
}

} // namespace

int main() {
    {
        Pool pool;
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; i++) threads.emplace_back([&pool] { call(pool); });
        for (auto &thread : threads) thread.join();
        extram_stats stats{};
        stats.size = sizeof stats;
        must(extram_stats_get(pool.pool, &stats));
        if (stats.in_use != 0) return 1;
    }
    std::printf("%ld calls\n", calls.load());
}

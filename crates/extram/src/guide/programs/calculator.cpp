// The same in C++: the pool and the call are objects, so an exception leaves, too.
#include <cstdio>
#include <cstdlib>
#include <extram.h>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

struct Interpreter { // stands for yours
    std::vector<long> heap;
    long evaluate(const char *program) { // "34+5*" is 35
        for (heap.clear(); *program != 0; program++) {
            if (*program >= '0' && *program <= '9') {
                heap.push_back(*program - '0');
                continue;
            }
            if (heap.size() < 2) throw std::invalid_argument("two operands are needed");
            long b = heap.back();
            heap.pop_back();
            heap.back() = *program == '+' ? heap.back() + b : heap.back() * b;
        }
        return heap.at(0);
    }
};

static void must(int code) {
    if (code != EXTRAM_OK) throw std::runtime_error(extram_strerror(code));
}

struct Pool {
    extram_pool *pool = nullptr;
    Pool() {
        extram_config config{};
        config.size = sizeof config;
        config.new_context = [](void *, void **context) { // no exception crosses into the library
            *context = new (std::nothrow) Interpreter;
            return int(*context == nullptr);
        };
        config.free_context = [](void *, void *context) { delete static_cast<Interpreter *>(context); };
        must(extram_pool_new(&config, &pool));
    }
    ~Pool() { // EXTRAM_BUSY if somebody is still inside: then the pool stays
        if (extram_pool_close(pool) == EXTRAM_OK) extram_pool_free(pool);
    }
    Pool(const Pool &) = delete;
};

class Entered { // a call that is inside; stays on its thread
    extram_pool *pool;
    extram_m *m = nullptr;

public:
    explicit Entered(Pool &in) : pool(in.pool) { must(extram_enter(pool, &m)); }
    ~Entered() { extram_leave(pool, m); }
    Entered(const Entered &) = delete;
    Interpreter *operator->() const { return static_cast<Interpreter *>(extram_context(m)); }
};

int main() {
    Pool pool;
    auto calls = [&pool] {
        for (int i = 0; i < 1000; i++) {
            if (Entered(pool)->evaluate("34+5*") != 35) std::abort();
            try {
                Entered(pool)->evaluate("+");
                std::abort();
            } catch (const std::invalid_argument &) { // and the M is back
            }
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) threads.emplace_back(calls);
    for (auto &thread : threads) thread.join();
    std::puts("16000 calls");
}

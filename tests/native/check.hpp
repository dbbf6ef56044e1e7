// The whole test framework: named tests, a check that says where it failed, and waiting that cannot hang.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <thread>
#include <utility>

namespace testing {

inline void check(bool holds, const char *what, int line = __builtin_LINE(),
                  const char *file = __builtin_FILE()) {
    if (!holds) {
        std::fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        std::exit(1);
    }
}

template <typename exception, typename body_type>
void check_throws(body_type &&body, const char *what, int line = __builtin_LINE()) {
    bool thrown = false;
    try {
        body();
    } catch (const exception &) {
        thrown = true;
    }
    check(thrown, what, line);
}

// For things another thread is about to do: fails after a time in which any machine would have done them.
template <typename predicate>
void await(predicate &&ready, const char *what, int line = __builtin_LINE()) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!ready()) {
        check(std::chrono::steady_clock::now() < deadline, what, line);
        std::this_thread::yield();
    }
}

struct named_test {
    const char *name;
    void (*body)();
};

inline int run_all(std::initializer_list<named_test> tests) {
    for (const named_test &test : tests) {
        std::printf("%s\n", test.name);
        std::fflush(stdout);
        test.body();
    }
    return 0;
}

} // namespace testing

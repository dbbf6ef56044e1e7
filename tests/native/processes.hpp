// Tests in processes of their own: with a time limit, and a factor for long runs.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "check.hpp"

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>

namespace testing {

// How much longer than usual: PYFFIPAR_SOAK=20 makes fifty forks a thousand.
inline int soak_factor() {
    const char *wanted = std::getenv("PYFFIPAR_SOAK");
    return wanted != nullptr ? std::max(1, std::atoi(wanted)) : 1;
}

// Run `body` in a child that ends with its return value, and give back how it ended, as waitpid() says it.
template <typename body_type>
int status_of_child(body_type &&body) {
    std::fflush(nullptr); // or the child prints it once more
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        alarm(60); // instead of hanging for ever
        _exit(body());
    }
    int status = 0;
    check(waitpid(child, &status, 0) == child, "the child is waited for");
    return status;
}

inline bool is_exit(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

template <typename body_type>
void in_child(body_type &&body, int line = __builtin_LINE()) {
    const int status = status_of_child([&] {
        body();
        return 0;
    });
    check(is_exit(status, 0), "the child ends well", line);
}

inline int run_all_in_children(std::initializer_list<named_test> tests) {
    for (const named_test &test : tests) {
        std::printf("%s\n", test.name);
        in_child(test.body);
    }
    return 0;
}

} // namespace testing
#endif

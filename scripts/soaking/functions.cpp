// What the soak calls: functions that work, call back, fail, throw and crash.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

extern "C" {

// Counts who is inside; takes some microseconds more.
void work(std::int64_t *inside, std::int64_t microseconds, std::size_t n, const double *x, double *y) {
    __atomic_add_fetch(inside, 1, __ATOMIC_SEQ_CST);
    timespec time{0, microseconds * 1000};
    nanosleep(&time, nullptr);
    for (std::size_t i = 0; i < n; i++) {
        y[i] = x[i] + 1;
    }
    __atomic_sub_fetch(inside, 1, __ATOMIC_SEQ_CST);
}

double total(std::size_t n, const double *x) {
    double sum = 0;
    for (std::size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

void apply(double (*f)(double), std::size_t n, const double *x, double *y) {
    for (std::size_t i = 0; i < n; i++) {
        y[i] = f(x[i]);
    }
}

int fail(std::size_t n, const int *x) {
    for (std::size_t i = 0; i < n; i++) {
        if (x[i] != 0) {
            errno = x[i];
            return x[i];
        }
    }
    return 0;
}

void trip(std::size_t n, const int *x, double *y) {
    for (std::size_t i = 0; i < n; i++) {
        if (x[i] != 0) {
            std::abort();
        }
        y[i] = 1;
    }
}

double throwing(double x) {
    if (x < 0) {
        throw std::domain_error("below zero");
    }
    return x;
}
}

// What worker threads are like: how many, how deep their stacks, which floating-point state, and how quiet
// when idle.
#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>

#include "jobs.hpp"
#include "pool.hpp"
#include "processes.hpp"

#if defined(_WIN32)
int main() { return 0; }
#else
#include <sys/resource.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace testing;

namespace {

const std::vector<pyffipar_argument> none;
const std::vector<std::int64_t> two{2};
std::atomic<int> arrived{0};

// Ends only when both threads are in it, so that one of them is a worker.
void meet() {
    arrived.fetch_add(1);
    await([] { return arrived.load() >= 2; }, "the other one comes");
}

void run_on_two(void (*body)()) {
    const foreign function(body, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    arrived.store(0);
    run(job);
    check(job.workers == 2, "two threads");
}

std::atomic<int> flushed{0};
std::atomic<int> upward{0};

#if defined(__x86_64__)
constexpr unsigned flush_both = 0x8040; // results and operands
void flush_denormals(bool is_wanted) {
    _mm_setcsr(is_wanted ? _mm_getcsr() | flush_both : _mm_getcsr() & ~flush_both);
}
#elif defined(__aarch64__)
void flush_denormals(bool is_wanted) {
    constexpr std::uint64_t flush = std::uint64_t{1} << 24;
    std::uint64_t control;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(control));
    control = is_wanted ? control | flush : control & ~flush;
    __asm__ __volatile__("msr fpcr, %0" : : "r"(control));
}
#endif

void compute() {
    volatile double tiny = 1e-310;
    volatile double one = 1;
    volatile long double wide_one = 1;
    volatile long double wide_small = 1e-30L;
    flushed.fetch_add(tiny * one == 0 ? 1 : 0);
    const bool is_upward = 1 + wide_small * wide_one > wide_one; // long double has a state of its own
    upward.fetch_add(std::fegetround() == FE_UPWARD && is_upward ? 1 : 0);
    meet();
}

void expect_on_both(bool is_flushing, bool is_upward, const char *what) {
    flushed.store(0);
    upward.store(0);
    run_on_two(compute);
    check(flushed.load() == (is_flushing ? 2 : 0) && upward.load() == (is_upward ? 2 : 0), what);
}

void workers_compute_as_their_caller_does() {
    expect_on_both(false, false, "as usual");
    for (int round = 0; round < 5; ++round) {
        std::fesetround(FE_UPWARD);
        expect_on_both(false, true, "upwards");
        std::fesetround(FE_TONEAREST);
        expect_on_both(false, false, "nearest again");
#if defined(__x86_64__) || defined(__aarch64__)
        flush_denormals(true);
        expect_on_both(true, false, "flushing");
        flush_denormals(false);
        expect_on_both(false, false, "gradual again");
#endif
    }
}

void spoil() {
    meet();
    std::fesetround(FE_DOWNWARD);
}

void what_a_function_changes_does_not_last() {
    run_on_two(spoil);
    std::fesetround(FE_TONEAREST); // the caller's own state is the caller's business
    expect_on_both(false, false, "the next job's worker is clean");
}

constexpr std::size_t step_of_stack = std::size_t{64} << 10;
std::size_t wanted_depth = 0;

std::size_t dig(std::size_t depth) { // NOLINT(misc-no-recursion)
    volatile char used[step_of_stack];
    used[0] = used[step_of_stack - 1] = 1;
    const std::size_t reached = depth + step_of_stack >= wanted_depth ? 0 : dig(depth + step_of_stack);
    return reached + static_cast<std::size_t>(used[0]); // after the call, so that it is no loop
}

thread_local bool is_caller = false;

void dig_on_a_worker() {
    if (!is_caller) {
        check(dig(0) > 0, "it comes back");
    }
    meet();
}

// In a child, whose workers are new.
void expect_stack(std::size_t depth, rlim_t limit_of_process, std::int64_t set) {
    in_child([&] {
        rlimit limit{};
        getrlimit(RLIMIT_STACK, &limit);
        limit.rlim_cur = std::min(limit_of_process, limit.rlim_max);
        check(setrlimit(RLIMIT_STACK, &limit) == 0, "setrlimit");
        check(pyffipar_set_stack_size(set) == PYFFIPAR_DONE, "set");
        is_caller = true;
        wanted_depth = depth;
        run_on_two(dig_on_a_worker);
    });
}

constexpr std::size_t mebibyte = std::size_t{1} << 20;

void stacks_are_deep_whatever_the_limit() {
    for (const rlim_t limit : {rlim_t{RLIM_INFINITY}, rlim_t{mebibyte}, rlim_t{8 * mebibyte}}) {
        expect_stack(6 * mebibyte, limit, 0);
    }
    expect_stack(20 * mebibyte, rlim_t{24 * mebibyte}, 0);
}

void stacks_are_as_deep_as_set() {
    expect_stack(30 * mebibyte, rlim_t{8 * mebibyte}, static_cast<std::int64_t>(40 * mebibyte) + 1);
    check(pyffipar_set_stack_size(-1) == PYFFIPAR_INVALID, "negative");
    check(pyffipar_set_stack_size(4096) == PYFFIPAR_INVALID, "too little for anything");
    check(pyffipar_set_stack_size(INT64_MAX) == PYFFIPAR_INVALID, "more than there is");
    check(std::strstr(pyffipar_last_error(), "64 KiB") != nullptr, "what would do");
}

double used_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval &time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void idle_workers_use_no_time() {
    pyffipar::pool::forget_after_fork(); // the other tests' workers sleep, too
    run_on_two(meet);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double before = used_seconds();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    check(used_seconds() - before < 0.02, "a second of nothing");
}

// Every caller adds one to an array of its own, and once more to its part of one that all share.
constexpr std::int64_t callers = 32;
constexpr std::int64_t items = 3000;
std::atomic<std::int64_t> nested_calls{0};

void count_nested() { nested_calls.fetch_add(1); }

const foreign &nested_function() {
    static const foreign function(count_nested, PYFFIPAR_VOID, {});
    return function;
}

void add_one(std::int64_t n, std::int64_t *x) {
    const std::vector<std::int64_t> three{3};
    pyffipar_job inner = job_of(nested_function(), none, three);
    run(inner);
    check(inner.workers == 1, "nested jobs are their thread's own business");
    for (std::int64_t i = 0; i < n; ++i) {
        ++x[i];
    }
}

void call_often(std::int64_t *own, std::int64_t *part, std::int64_t limit) {
    const foreign function(add_one, PYFFIPAR_VOID, {PYFFIPAR_I64, PYFFIPAR_POINTER});
    for (int round = 0; round < 20; ++round) {
        for (std::int64_t *base : {own, part}) {
            std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
                                                     argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER, base)};
            arguments[1].step = 8;
            pyffipar_job job = job_of(function, arguments, {});
            job.threads = 8;
            cut(job, items, 1 + round * 7);
            run(job);
            check(job.workers <= limit && pyffipar_worker_count() < limit, "within the limit");
        }
    }
}

void many_threads_call_at_once() {
    constexpr std::int64_t limit = 4;
    pyffipar_set_num_threads(limit);
    std::vector<std::int64_t> shared(static_cast<std::size_t>(callers * items));
    std::vector<std::vector<std::int64_t>> own(callers, std::vector<std::int64_t>(items));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < own.size(); ++i) {
        threads.emplace_back(call_often, own[i].data(), shared.data() + i * items, limit);
    }
    for (std::thread &each : threads) {
        each.join();
    }
    const auto is_right = [](std::int64_t value) { return value == 20; };
    check(std::all_of(shared.begin(), shared.end(), is_right), "every item of the shared one");
    for (const auto &each : own) {
        check(std::all_of(each.begin(), each.end(), is_right), "every item of each own one");
    }
    check(nested_calls.load() % 3 == 0 && nested_calls.load() > 0, "and all that was nested");
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"workers_compute_as_their_caller_does", workers_compute_as_their_caller_does},
        {"what_a_function_changes_does_not_last", what_a_function_changes_does_not_last},
        {"stacks_are_deep_whatever_the_limit", stacks_are_deep_whatever_the_limit},
        {"stacks_are_as_deep_as_set", stacks_are_as_deep_as_set},
        {"idle_workers_use_no_time", idle_workers_use_no_time},
        {"many_threads_call_at_once", many_threads_call_at_once},
    });
}
#endif

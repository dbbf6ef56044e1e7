// The system refuses: the Nth allocation or the Nth thread, for every N. This program's own operator new and
// pthread_create stand before everybody else's.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

#include "jobs.hpp"
#include "pool.hpp"

#if defined(_WIN32)
int main() { return 0; }
#else
#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>

namespace {

// Of the next events, which are refused: [first, last). Counted only on a thread that asks for it.
struct refusal {
    std::atomic<int> first{0};
    std::atomic<int> last{0};
    std::atomic<int> seen{0};

    void set(int from, int to) {
        first.store(from);
        last.store(to);
        seen.store(0);
    }
    bool next() {
        const int number = seen.fetch_add(1);
        return number >= first.load() && number < last.load();
    }
};

refusal allocations;
refusal threads;
thread_local bool is_counting = false;

void *allocate(std::size_t size, std::size_t alignment) {
    if (is_counting && allocations.next()) {
        return nullptr;
    }
    void *memory = nullptr;
    return posix_memalign(&memory, alignment, size == 0 ? 1 : size) == 0 ? memory : nullptr;
}

void *allocate_or_throw(std::size_t size, std::size_t alignment) {
    void *memory = allocate(size, alignment);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

constexpr std::size_t usual = alignof(std::max_align_t);

} // namespace

void *operator new(std::size_t size) { return allocate_or_throw(size, usual); }
void *operator new[](std::size_t size) { return allocate_or_throw(size, usual); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return allocate(size, usual); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return allocate(size, usual); }
void *operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                              void *argument) {
    using create_function = decltype(&pthread_create);
    static const auto create = reinterpret_cast<create_function>(dlsym(RTLD_NEXT, "pthread_create"));
    return threads.next() ? EAGAIN : create(thread, attributes, body, argument);
}

using namespace testing;

namespace {

constexpr std::int64_t items = 64;

// Long enough for every worker to be wanted.
void double_slowly(std::int64_t n, std::int32_t *x) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    for (std::int64_t i = 0; i < n; ++i) {
        x[i] *= 2;
    }
}

// 64 items through buffers, in two chunks each time.
struct doubling {
    std::vector<std::int16_t> memory = std::vector<std::int16_t>(items);
    std::vector<pyffipar_argument> arguments{argument(PYFFIPAR_LENGTH, PYFFIPAR_I64),
                                             argument(PYFFIPAR_BUFFER, PYFFIPAR_I32, memory.data())};
    const std::int64_t shape[1] = {0};
    const std::int64_t strides[1] = {2};
    pyffipar_job job{};
    pyffipar_function *function = nullptr;

    doubling() {
        std::iota(memory.begin(), memory.end(), std::int16_t{0});
        pyffipar_argument &data = arguments[1];
        data.element = PYFFIPAR_I16;
        data.flags = PYFFIPAR_READ | PYFFIPAR_WRITTEN;
        data.core_ndim = 1;
        data.core_shape = shape;
        data.core_strides = strides;
        data.factor = 1;
        data.step = 2;
        job.arguments = arguments.data();
        job.grain = 1;
        job.threads = 8;
        cut(job, items, 1);
    }
    ~doubling() { pyffipar_function_destroy(function); }
    doubling(const doubling &) = delete;
    doubling &operator=(const doubling &) = delete;

    pyffipar_status create() {
        const std::int32_t types[] = {PYFFIPAR_I64, PYFFIPAR_POINTER};
        return pyffipar_function_create(reinterpret_cast<void *>(double_slowly), PYFFIPAR_VOID, types, 2, 1,
                                        &function);
    }
    pyffipar_status run() {
        job.function = function;
        return pyffipar_run(&job, INT64_MAX);
    }
    bool holds(int factor) const {
        for (std::size_t i = 0; i < memory.size(); ++i) {
            if (memory[i] != static_cast<int>(i) * factor) {
                return false;
            }
        }
        return true;
    }
};

// Whether any allocation was refused meanwhile.
bool survives_refusal(int first, int last) {
    pyffipar::pool::forget_after_fork(); // so that the pool itself is allocated again
    doubling it;
    allocations.set(first, last);
    is_counting = true;
    const pyffipar_status created = it.create();
    const pyffipar_status ended = created == PYFFIPAR_DONE ? it.run() : created;
    is_counting = false;
    check(ended == PYFFIPAR_DONE || ended == PYFFIPAR_NO_MEMORY, pyffipar_last_error());
    check(it.holds(ended == PYFFIPAR_DONE ? 2 : 1) && it.job.state == nullptr, "all of it or nothing");
    check(created != PYFFIPAR_DONE || it.run() == PYFFIPAR_DONE, "and afterwards all is well");
    return allocations.seen.load() > first;
}

void any_allocation_may_fail() {
    int reached = 0;
    while (survives_refusal(reached, reached + 1)) {
        ++reached;
    }
    check(reached >= 6, "the allocations were seen");
    for (int first = 0; first <= reached; ++first) {
        survives_refusal(first, INT32_MAX);
    }
}

void fail_always(std::int64_t, std::int32_t *) { throw 1; }

void a_failure_is_no_lack_of_memory() {
    doubling it;
    const std::int32_t types[] = {PYFFIPAR_I64, PYFFIPAR_POINTER};
    check(pyffipar_function_create(reinterpret_cast<void *>(fail_always), PYFFIPAR_VOID, types, 2, 0,
                                   &it.function) == PYFFIPAR_DONE,
          "a function");
    for (int first = 0;; ++first) {
        allocations.set(first, INT32_MAX);
        is_counting = true;
        const pyffipar_status ended = it.run();
        is_counting = false;
        if (ended == PYFFIPAR_FAILED) {
            return;
        }
        check(ended == PYFFIPAR_NO_MEMORY && it.job.failure_count == 0, "nothing was called");
    }
}

void any_thread_may_be_refused() {
    for (int first = 0; first < 8; ++first) {
        for (const int last : {first + 1, INT32_MAX}) {
            pyffipar::pool::forget_after_fork();
            doubling it;
            threads.set(first, last);
            check(it.create() == PYFFIPAR_DONE && it.run() == PYFFIPAR_DONE && it.holds(2),
                  "with those it got");
            check(pyffipar_worker_count() <= first && it.job.workers <= first + 1, "not more than those");
            threads.set(0, 0);
        }
    }
}

void refused_threads_are_asked_for_again_later() {
    pyffipar::pool::forget_after_fork();
    doubling it;
    check(it.create() == PYFFIPAR_DONE, "a function");
    threads.set(0, INT32_MAX);
    for (int job = 0; job < 20; ++job) {
        check(it.run() == PYFFIPAR_DONE, "alone");
    }
    check(threads.seen.load() < 5, "not asked for with every job");
    check(pyffipar_worker_count() == 0, "none");
    threads.set(0, 0);
    await([&] { return it.run() == PYFFIPAR_DONE && pyffipar_worker_count() >= 3; }, "workers in the end");
}

} // namespace

int main() {
    pyffipar_set_num_threads(8);
    return run_all({
        {"any_allocation_may_fail", any_allocation_may_fail},
        {"a_failure_is_no_lack_of_memory", a_failure_is_no_lack_of_memory},
        {"any_thread_may_be_refused", any_thread_may_be_refused},
        {"refused_threads_are_asked_for_again_later", refused_threads_are_asked_for_again_later},
    });
}
#endif

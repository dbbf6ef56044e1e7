// Detached threads: through pthreads where there are any, because std::thread cannot ask for a stack size.
#include "thread.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <string>
#include <thread>

#include "status.hpp"

#if defined(_WIN32)
#include <system_error>
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <memory>
#include <new>
#endif

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pyffipar {

namespace {

std::atomic<std::int64_t> stack_size{0}; // 0: not set

int count_cores() noexcept {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return CPU_COUNT(&set);
    }
#endif
    return static_cast<int>(std::thread::hardware_concurrency());
}

} // namespace

#if defined(_WIN32)

bool start_detached(thread_body body, void *argument) noexcept {
    try {
        std::thread(body, argument).detach();
        return true;
    } catch (const std::system_error &) {
        return false;
    }
}

#else

namespace {

// The least a foreign function may count on: what Linux gives the main thread.
constexpr std::size_t least_stack = std::size_t{8} << 20;
constexpr std::size_t most_stack = std::size_t{64} << 20;

struct start {
    thread_body body;
    void *argument;
};

extern "C" void *enter_thread(void *passed) {
    const std::unique_ptr<start> owned(static_cast<start *>(passed));
    owned->body(owned->argument);
    return nullptr;
}

// "unlimited" makes threads' stacks smaller than the default, not larger: so it is never left to the system.
std::size_t wanted_stack() noexcept {
    if (const std::int64_t set = stack_size.load(std::memory_order_relaxed); set != 0) {
        constexpr std::size_t page = std::size_t{64}
                                     << 10; // the largest there is; some systems want whole ones
        return (static_cast<std::size_t>(set) + page - 1) / page * page;
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return least_stack;
    }
    return std::clamp(static_cast<std::size_t>(limit.rlim_cur), least_stack, most_stack);
}

// All but those a thread raises itself by what it does: blocked, they would kill without a crash handler's
// report.
sigset_t asynchronous_signals() noexcept {
    sigset_t set;
    sigfillset(&set);
    for (const int raised : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
        sigdelset(&set, raised);
    }
    return set;
}

} // namespace

bool start_detached(thread_body body, void *argument) noexcept {
    pthread_attr_t attributes;
    std::unique_ptr<start> passed(new (std::nothrow) start{body, argument});
    if (passed == nullptr || pthread_attr_init(&attributes) != 0) {
        return false;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, wanted_stack());
    // A new thread inherits the mask: signals stay with the threads that expect them, such as Python's main
    // thread.
    const sigset_t deaf = asynchronous_signals();
    sigset_t own;
    pthread_sigmask(SIG_BLOCK, &deaf, &own);
    pthread_t thread;
    const bool is_started = pthread_create(&thread, &attributes, enter_thread, passed.get()) == 0;
    pthread_sigmask(SIG_SETMASK, &own, nullptr);
    pthread_attr_destroy(&attributes);
    if (is_started) {
        static_cast<void>(passed.release()); // the thread owns it now
    }
    return is_started;
}

#endif

void set_stack_size(std::int64_t bytes) {
    constexpr std::int64_t least = std::int64_t{64} << 10; // less, and the worker's own frames do not fit
    constexpr std::int64_t most = std::int64_t{16} << 30;
    if (bytes != 0 && (bytes < least || bytes > most)) {
        throw refused("pyffipar_set_stack_size: " + std::to_string(bytes) +
                      " bytes, wanted 0 or between 64 KiB and 16 GiB");
    }
    stack_size.store(bytes, std::memory_order_relaxed);
}

std::int64_t thread_number() noexcept {
#if defined(__linux__)
    return syscall(SYS_gettid); // glibc has gettid() only since 2.30
#elif defined(__APPLE__)
    std::uint64_t number = 0;
    pthread_threadid_np(nullptr, &number);
    return static_cast<std::int64_t>(number);
#else
    return 0;
#endif
}

std::int64_t thread_cpu_time() noexcept {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    timespec spent{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return std::int64_t{spent.tv_sec} * 1'000'000'000 + spent.tv_nsec;
#else
    return 0;
#endif
}

int usable_cores() noexcept {
    static std::atomic<int> known{0}; // no static with a guard: a fork could leave that locked
    int cores = known.load(std::memory_order_relaxed);
    if (cores == 0) {
        cores = std::max(1, count_cores());
        known.store(cores, std::memory_order_relaxed);
    }
    return cores;
}

} // namespace pyffipar

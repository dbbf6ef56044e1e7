// The process ends while workers are at work, spinning or asleep: nobody crashes and the exit code is kept.
// Every end is one of a program of its own: this one, started anew with two words that say what to do.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "jobs.hpp"
#include "processes.hpp"

#if defined(_WIN32)
int main() { return 0; }
#else

using namespace testing;

namespace {

constexpr int code = 42;

std::atomic<int> inside{0};
std::atomic<bool> may_end{false};

void stay() {
    inside.fetch_add(1);
    while (!may_end.load()) {
        std::this_thread::yield();
    }
}

void meet() {
    inside.fetch_add(1);
    await([] { return inside.load() >= 2; }, "the other one comes");
}

void leave() { std::exit(code); }

// What is gone by the time the workers would want it, if they wanted anything.
struct with_destructor {
    std::vector<int> memory = std::vector<int>(1000);
    ~with_destructor() { memory.clear(); }
} destroyed_at_exit;

// Never destroyed: the jobs that read them outlive main().
const auto &none = *new std::vector<pyffipar_argument>;
const auto &two = *new std::vector<std::int64_t>{2};
const auto &endless = *new std::vector<std::int64_t>{std::int64_t{1} << 40};

// Jobs live on until the end: their owners are detached threads.
void work_in_background(void (*function)(), const std::vector<std::int64_t> &shape) {
    std::thread([function, &shape] {
        const foreign called(function, PYFFIPAR_VOID, {});
        pyffipar_job job = job_of(called, none, shape);
        pyffipar_run(&job, INT64_MAX);
        std::this_thread::sleep_for(std::chrono::hours(1));
    }).detach();
}

void nothing() {}

void make(const std::string &state) {
    const foreign function(meet, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    run(job);
    check(pyffipar_worker_count() == 1, "a worker");
    if (state == "busy") {
        inside.store(0);
        work_in_background(stay, two);
        await([] { return inside.load() == 2; }, "both are inside");
    } else if (state == "calling") {
        work_in_background(nothing, endless);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    } else if (state == "pending") {
        static pyffipar_job left;
        static const auto *const called = new foreign(nothing, PYFFIPAR_VOID, {}); // as long as the job
        left = job_of(*called, none, endless);
        check(pyffipar_run(&left, 1000) == PYFFIPAR_PENDING, "pending");
    } else if (state == "parked") {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    } else {
        check(state == "spinning", "a known state");
    }
}

int end(const std::string &way) {
    if (way == "exit") {
        std::exit(code);
    } else if (way == "quick_exit") {
        std::quick_exit(code);
    } else if (way == "_exit") {
        _exit(code);
    } else if (way == "thread") {
        std::thread([] { std::exit(code); }).join();
    } else if (way == "call") { // out of a foreign call, maybe on a worker
        work_in_background(leave, two);
        std::this_thread::sleep_for(std::chrono::hours(1));
    } else if (way == "shutdown") {
        may_end.store(true);
        check(pyffipar_shutdown(INT64_MAX) == 0, "nothing runs any more");
    }
    return code; // "return"
}

int start_anew(const char *state, const char *way) {
    return status_of_child([&] {
        execl("/proc/self/exe", "test_exit", state, way, nullptr);
        return 1;
    });
}

void the_exit_code_is_kept() {
    for (const char *state : {"busy", "calling", "pending", "parked", "spinning"}) {
        for (const char *way : {"return", "exit", "quick_exit", "_exit", "thread", "call", "shutdown"}) {
            for (int i = 0; i < 4 * soak_factor(); ++i) {
                const int status = start_anew(state, way);
                check(is_exit(status, code), (std::string(state) + ", " + way).c_str());
            }
        }
    }
}

} // namespace

int main(int count, char **words) {
    pyffipar_set_num_threads(2);
    if (count == 3) {
        make(words[1]);
        return end(words[2]);
    }
    return run_all({{"the_exit_code_is_kept", the_exit_code_is_kept}});
}
#endif

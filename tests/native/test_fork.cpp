// A fork at any moment: the child has no workers, says so, and works all the same.
#include <atomic>
#include <thread>

#include "check.hpp"
#include "jobs.hpp"
#include "processes.hpp"

#if defined(_WIN32)
int main() { return 0; }
#else

using namespace testing;

namespace {

std::atomic<int> calls{0};
std::atomic<int> arrived{0};
std::atomic<int> children{0};

void count() { calls.fetch_add(1); }

// Ends only if somebody else is in it too.
void meet() {
    arrived.fetch_add(1);
    await([] { return arrived.load() >= 2; }, "the other one comes");
}

void run_counting() {
    const foreign function(count, PYFFIPAR_VOID, {});
    const std::vector<std::int64_t> shape{5};
    const std::vector<pyffipar_argument> none;
    pyffipar_job job = job_of(function, none, shape);
    calls.store(0);
    run(job);
    check(calls.load() == 5, "all calls");
}

void run_meeting() {
    const foreign function(meet, PYFFIPAR_VOID, {});
    const std::vector<std::int64_t> shape{2};
    const std::vector<pyffipar_argument> none;
    pyffipar_job job = job_of(function, none, shape);
    arrived.store(0);
    run(job);
    check(job.workers == 2, "two threads");
}

void the_child_makes_a_pool_of_its_own() {
    run_meeting();
    for (int i = 0; i < 20 * soak_factor(); ++i) {
        in_child([] {
            check(pyffipar_worker_count() == 0, "no worker came along");
            run_meeting();
            check(pyffipar_worker_count() == 1, "a new one");
            in_child([] { run_meeting(); });
        });
        run_meeting();
    }
}

// The address sanitizer's allocator does not survive a fork while another thread is inside it, and every
// thread is when it starts and when it ends. So whoever forks beside other threads waits until they run, and
// they allocate nothing and do not end until the last fork.
void a_fork_while_another_thread_runs_a_job() {
    const foreign function(count, PYFFIPAR_VOID, {});
    const std::vector<pyffipar_argument> none;
    const std::vector<std::int64_t> endless{std::int64_t{1} << 40};
    pyffipar_job job = job_of(function, none, endless);
    check(pyffipar_run(&job, 0) == PYFFIPAR_PENDING, "pending");
    std::atomic<bool> has_begun{false};
    std::atomic<bool> is_over{false};
    std::thread other([&] {
        has_begun.store(true);
        while (!is_over.load()) {
            check(pyffipar_resume(&job, 100'000) == PYFFIPAR_PENDING, "still pending");
        }
        pyffipar_cancel(&job);
        check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_CANCELLED, "cancelled");
    });
    await([&] { return has_begun.load(); }, "the other thread");
    for (int i = 0; i < 50 * soak_factor(); ++i) {
        in_child([] { run_meeting(); });
    }
    is_over.store(true);
    other.join();
}

void fork_here() {
    in_child([] {
        check(pyffipar_in_call() == 1, "still inside the call");
        run_counting(); // nested, so alone
    });
    children.fetch_add(1);
}

void a_fork_inside_a_foreign_call() {
    const foreign function(fork_here, PYFFIPAR_VOID, {});
    const std::vector<std::int64_t> shape{4};
    const std::vector<pyffipar_argument> none;
    pyffipar_job job = job_of(function, none, shape);
    run(job);
    check(children.load() == 4, "four children, one parent");
}

thread_local bool is_caller = false;

// On the worker, while the caller is inside a call as well.
void fork_on_the_worker() {
    meet();
    if (is_caller) {
        return;
    }
    in_child([] {
        check(pyffipar_in_call() == 1, "still inside the call");
        run_counting();
        // A thread of its own is inside nothing, and so has workers.
        std::thread(run_meeting).join();
    });
    children.fetch_add(1);
}

void a_fork_on_a_worker() {
    is_caller = true;
    children.store(0);
    for (int i = 1; i <= 10 * soak_factor(); ++i) {
        const foreign function(fork_on_the_worker, PYFFIPAR_VOID, {});
        const std::vector<std::int64_t> shape{2};
        const std::vector<pyffipar_argument> none;
        pyffipar_job job = job_of(function, none, shape);
        arrived.store(0);
        run(job);
        check(children.load() == i, "one child");
    }
}

// A child that was forked inside a job and returns from the call: the job cannot end there, and says so.
void a_child_that_returns_from_the_call() {
    static std::atomic<pid_t> child{-1};
    static std::atomic<bool> has_forked{false};
    const auto fork_and_go_on = +[] {
        meet();
        if (is_caller) {
            child.store(fork());
            has_forked.store(true);
        } else { // inside, so that the child lacks this task for certain
            await([] { return has_forked.load(); }, "the fork");
        }
    };
    is_caller = true;
    const foreign function(fork_and_go_on, PYFFIPAR_VOID, {});
    const std::vector<std::int64_t> shape{2};
    const std::vector<pyffipar_argument> none;
    for (int i = 0; i < 10; ++i) {
        pyffipar_job job = job_of(function, none, shape);
        arrived.store(0);
        has_forked.store(false);
        const pyffipar_status status = pyffipar_run(&job, INT64_MAX);
        if (child.load() == 0) {
            alarm(30);
            check(status == PYFFIPAR_ERROR, "no hang, and no result");
            run_meeting();
            _exit(0);
        }
        int ended = 0;
        check(status == PYFFIPAR_DONE && waitpid(child.load(), &ended, 0) == child.load(), "in the parent");
        check(is_exit(ended, 0), "the child ends well");
    }
}

void two_forks_at_once() {
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::vector<std::thread> forking;
    for (int i = 0; i < 2; ++i) {
        forking.emplace_back([&] {
            begun.fetch_add(1);
            await([&] { return begun.load() == 2; }, "the other thread begins");
            for (int fork_number = 0; fork_number < 25 * soak_factor(); ++fork_number) {
                in_child([] { run_meeting(); });
            }
            ended.fetch_add(1);
            await([&] { return ended.load() == 2; }, "the other thread's last fork");
        });
    }
    for (std::thread &each : forking) {
        each.join();
    }
    run_meeting();
}

void a_pending_job_does_not_live_on_in_the_child() {
    const foreign function(count, PYFFIPAR_VOID, {});
    const std::vector<std::int64_t> shape{100000};
    const std::vector<pyffipar_argument> none;
    pyffipar_job job = job_of(function, none, shape);
    check(pyffipar_run(&job, 0) == PYFFIPAR_PENDING, "pending");
    in_child([&] {
        check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_ERROR, "an error and no hang");
        check(job.state == nullptr, "and then forgotten");
    });
    check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_DONE, "the parent goes on");
}

} // namespace

int main() {
    pyffipar_set_num_threads(2);
    return run_all({
        {"the_child_makes_a_pool_of_its_own", the_child_makes_a_pool_of_its_own},
        {"a_fork_while_another_thread_runs_a_job", a_fork_while_another_thread_runs_a_job},
        {"a_fork_inside_a_foreign_call", a_fork_inside_a_foreign_call},
        {"a_fork_on_a_worker", a_fork_on_a_worker},
        {"a_child_that_returns_from_the_call", a_child_that_returns_from_the_call},
        {"two_forks_at_once", two_forks_at_once},
        {"a_pending_job_does_not_live_on_in_the_child", a_pending_job_does_not_live_on_in_the_child},
    });
}
#endif

// The end: no new jobs, no new tasks, and a count of what still runs. Each test in a process of its own.
#include <atomic>
#include <cstring>
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
std::atomic<bool> may_end{false};
std::atomic<int> inside{0};

void count() { calls.fetch_add(1); }

void linger() {
    inside.fetch_add(1);
    await([] { return may_end.load(); }, "leave to end");
    inside.fetch_sub(1);
}

const std::vector<pyffipar_argument> none;
const std::vector<std::int64_t> two{2};
const std::vector<std::int64_t> endless{std::int64_t{1} << 40};

void no_new_jobs_afterwards() {
    const foreign function(count, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    run(job);
    check(pyffipar_shutdown(0) == 0, "nothing runs");
    check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_ERROR, "refused");
    check(std::strstr(pyffipar_last_error(), "shutting down") != nullptr, "and why");
    check(calls.load() == 2, "not called");
    check(pyffipar_shutdown(0) == 0, "twice is fine");
}

// Whether alone or shared, a job ends at the next border between tasks.
void running_jobs_stop() {
    const foreign function(count, PYFFIPAR_VOID, {});
    for (const std::int64_t threads : {1, 4}) {
        in_child([&] {
            pyffipar_job job = job_of(function, none, endless);
            job.threads = threads;
            std::thread other(
                [&] { check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_CANCELLED, "cancelled"); });
            await([] { return calls.load() > 1000; }, "it runs");
            check(pyffipar_shutdown(INT64_MAX) == 0, "all have ended");
            other.join();
        });
    }
}

void pending_jobs_stop() {
    const foreign function(count, PYFFIPAR_VOID, {});
    for (const std::int64_t threads : {1, 4}) {
        in_child([&] {
            pyffipar_job job = job_of(function, none, endless);
            job.threads = threads;
            check(pyffipar_run(&job, 10'000'000) == PYFFIPAR_PENDING, "pending");
            check(pyffipar_shutdown(INT64_MAX) == 0, "its tasks have ended");
            check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_CANCELLED, "cancelled");
        });
    }
}

// The caller waits in vain for a worker that does not end; then it is away and the worker still runs.
void what_still_runs_is_counted() {
    const foreign function(linger, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    std::thread other([&] { check(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_DONE, "both tasks had begun"); });
    await([] { return inside.load() == 2; }, "both run");
    check(pyffipar_shutdown(1'000'000) == 1, "one job");
    may_end.store(true);
    check(pyffipar_shutdown(INT64_MAX) == 0, "and then none");
    other.join();
}

thread_local bool is_caller = false;

void linger_unless_caller() {
    if (is_caller) {
        await([] { return inside.load() == 1; }, "a worker comes");
    } else {
        linger();
    }
}

void a_worker_is_counted_while_its_caller_is_away() {
    is_caller = true;
    const foreign function(linger_unless_caller, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    check(pyffipar_run(&job, 1'000'000) == PYFFIPAR_PENDING, "pending");
    check(pyffipar_shutdown(1'000'000) == 1, "one job");
    may_end.store(true);
    check(pyffipar_shutdown(INT64_MAX) == 0, "and then none");
    check(pyffipar_resume(&job, INT64_MAX) == PYFFIPAR_DONE, "nothing was left to drop");
}

void a_child_starts_afresh() {
    const foreign function(linger, PYFFIPAR_VOID, {});
    pyffipar_job job = job_of(function, none, two);
    std::thread other([&] { static_cast<void>(pyffipar_run(&job, INT64_MAX)); });
    await([] { return inside.load() == 2; }, "both run");
    check(pyffipar_shutdown(0) == 1, "closed, and somebody inside");
    in_child([] {
        const foreign counting(count, PYFFIPAR_VOID, {});
        pyffipar_job own = job_of(counting, none, two);
        run(own);
        check(pyffipar_shutdown(0) == 0, "nobody inside");
    });
    may_end.store(true);
    other.join();
}

void shutting_down_races_with_everything() {
    const foreign function(count, PYFFIPAR_VOID, {});
    for (int round = 0; round < 20 * soak_factor(); ++round) {
        in_child([&] {
            std::vector<std::thread> callers;
            for (int i = 0; i < 6; ++i) {
                callers.emplace_back([&, i] {
                    pyffipar_status status = PYFFIPAR_DONE;
                    while (status != PYFFIPAR_ERROR) {
                        const std::vector<std::int64_t> shape{1 + 300 * i};
                        pyffipar_job job = job_of(function, none, shape);
                        status = pyffipar_run(&job, i % 2 == 0 ? INT64_MAX : 0);
                        while (status == PYFFIPAR_PENDING) {
                            status = pyffipar_resume(&job, 1000);
                        }
                    }
                });
            }
            await([&] { return calls.load() > 100 * round; }, "they are at it");
            check(pyffipar_shutdown(INT64_MAX) == 0, "all have ended");
            const int seen = calls.load();
            check(pyffipar_shutdown(1'000'000) == 0 && calls.load() == seen, "and nobody goes on");
            for (std::thread &each : callers) {
                each.join();
            }
        });
    }
}

} // namespace

int main() {
    pyffipar_set_num_threads(4);
    return run_all_in_children({
        {"no_new_jobs_afterwards", no_new_jobs_afterwards},
        {"running_jobs_stop", running_jobs_stop},
        {"pending_jobs_stop", pending_jobs_stop},
        {"what_still_runs_is_counted", what_still_runs_is_counted},
        {"a_worker_is_counted_while_its_caller_is_away", a_worker_is_counted_while_its_caller_is_away},
        {"a_child_starts_afresh", a_child_starts_afresh},
        {"shutting_down_races_with_everything", shutting_down_races_with_everything},
    });
}
#endif

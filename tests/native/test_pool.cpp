// The pool and the caller's side of it, with work made for the purpose.
#include <atomic>
#include <cfenv>
#include <functional>
#include <thread>
#include <vector>

#include "check.hpp"
#include "execution.hpp"
#include "pool.hpp"

using namespace pyffipar;
using testing::await;
using testing::check;

namespace {

// Long enough that a job of these is always worth sharing.
constexpr double dear = 1e9;

class tasks_of final : public work {
  public:
    using body_type = std::function<bool(std::int64_t task, std::int64_t participant)>;
    explicit tasks_of(body_type body) : body_(std::move(body)) {}
    bool run_tasks(std::int64_t first, std::int64_t last, std::int64_t participant) noexcept override {
        while (first < last && body_(first, participant)) {
            ++first;
        }
        return first == last;
    }

  private:
    body_type body_;
};

bool run_to_end(work &body, std::int64_t tasks, std::int64_t threads, double cost) {
    return execution(body, {tasks, threads, cost}).advance(never);
}

void every_task_runs_once_whatever_the_cost() {
    for (const double cost : {0.0, 1.0, 500.0, dear}) {
        for (const std::int64_t tasks : {1, 2, 3, 17, 1000}) {
            std::vector<std::atomic<int>> ran(static_cast<std::size_t>(tasks));
            tasks_of body([&](std::int64_t task, std::int64_t participant) {
                check(participant >= 0 && participant < 3, "participants are numbered");
                ran[static_cast<std::size_t>(task)].fetch_add(1);
                return true;
            });
            check(run_to_end(body, tasks, 3, cost), "it ends");
            for (const auto &times : ran) {
                check(times.load() == 1, "exactly once");
            }
        }
    }
}

// Both tasks wait for each other: they can only end on two threads at once.
void two_threads_work_at_the_same_time() {
    std::atomic<int> arrived{0};
    tasks_of body([&](std::int64_t, std::int64_t) {
        arrived.fetch_add(1);
        await([&] { return arrived.load() == 2; }, "the other one is running too");
        return true;
    });
    execution both(body, {2, 2, dear});
    check(both.advance(never) && both.participants() == 2, "two took part");
    check(pool::instance().workers() >= 1, "a worker was started");
}

// Workers that are late for one job find the next one in the same slot: the trap the epoch is for.
void short_jobs_from_many_threads() {
    const auto caller = [] {
        for (int job = 0; job < 1500; ++job) {
            const std::int64_t tasks = 2 + job % 5;
            std::atomic<int> ran[6] = {};
            tasks_of body([&](std::int64_t task, std::int64_t) {
                ran[task].fetch_add(1);
                return true;
            });
            check(run_to_end(body, tasks, 4, dear), "it ends");
            for (std::int64_t task = 0; task < tasks; ++task) {
                check(ran[task].load() == 1, "exactly once");
            }
        }
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back(caller);
    }
    for (std::thread &each : callers) {
        each.join();
    }
}

// More callers than slots: those without one work alone.
void more_callers_than_slots() {
    constexpr int many = 24;
    std::atomic<int> waiting{0};
    std::atomic<int> done{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < many; ++i) {
        callers.emplace_back([&] {
            tasks_of body([&](std::int64_t task, std::int64_t participant) {
                if (task == 0 && participant == 0) {
                    waiting.fetch_add(1);
                    await([&] { return waiting.load() == many; }, "everybody is inside a job");
                } else if (task == 0) { // a worker took the first task: the caller is inside all the same
                    waiting.fetch_add(1);
                }
                return true;
            });
            check(run_to_end(body, 3, 2, dear), "it ends");
            done.fetch_add(1);
        });
    }
    for (std::thread &each : callers) {
        each.join();
    }
    check(done.load() == many, "all of them");
}

void a_failed_task_drops_what_has_not_begun() {
    for (const std::int64_t threads : {1, 3}) {
        std::atomic<int> ran{0};
        tasks_of body([&](std::int64_t, std::int64_t) {
            ran.fetch_add(1);
            return false;
        });
        check(run_to_end(body, 100, threads, dear), "it ends");
        check(ran.load() >= 1 && ran.load() <= threads, "at most one per thread");
    }
}

void a_slice_ends_between_tasks() {
    for (const std::int64_t threads : {1, 2}) {
        std::atomic<int> ran{0};
        tasks_of body([&](std::int64_t, std::int64_t) {
            ran.fetch_add(1);
            return true;
        });
        execution sliced(body, {1000, threads, dear});
        int slices = 1;
        while (!sliced.advance(0)) {
            ++slices;
        }
        check(ran.load() == 1000, "all tasks in the end");
        check(threads > 1 || slices > 10, "in many slices");
    }
}

// The only unfinished task is on the other thread, so the caller's slice runs out while it waits.
void a_slice_ends_while_waiting() {
    std::atomic<bool> may_end{false};
    std::atomic<bool> has_begun{false};
    tasks_of body([&](std::int64_t, std::int64_t participant) {
        if (participant == 0) {
            await([&] { return has_begun.load(); }, "a worker comes");
        } else {
            has_begun.store(true);
            await([&] { return may_end.load(); }, "the caller has been back");
        }
        return true;
    });
    execution sliced(body, {2, 2, dear});
    check(!sliced.advance(1'000'000), "pending");
    check(!sliced.advance(1'000'000), "still pending");
    may_end.store(true);
    check(sliced.advance(never), "ended");
}

void cancelled_tasks_do_not_begin() {
    for (const std::int64_t threads : {1, 2}) {
        std::atomic<int> ran{0};
        tasks_of body([&](std::int64_t, std::int64_t) {
            ran.fetch_add(1);
            return true;
        });
        execution pending(body, {1'000'000, threads, 10.0 * dear});
        check(!pending.advance(0), "pending");
        pending.cancel();
        check(pending.advance(never), "ended");
        check(ran.load() < 1'000'000, "not all began");
    }
}

void cancelled_by_another_thread_while_running() {
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> begun{0};
        std::atomic<int> inside{0};
        tasks_of body([&](std::int64_t, std::int64_t) {
            inside.fetch_add(1);
            begun.fetch_add(1);
            std::this_thread::yield();
            inside.fetch_sub(1);
            return true;
        });
        execution running(body, {ticket_view::most_tasks, 2, round % 2 == 0 ? dear : 0.0});
        std::thread other([&] {
            await([&] { return begun.load() > round % 7; }, "it is running");
            running.cancel();
        });
        check(running.advance(never), "it ends");
        check(inside.load() == 0, "and nothing runs any more");
        other.join();
    }
}

void no_more_threads_than_allowed() {
    pool::set_most_threads(1);
    tasks_of body([](std::int64_t, std::int64_t) { return true; });
    const std::int64_t before = pool::instance().workers();
    check(run_to_end(body, 100, 8, dear), "it ends");
    check(pool::instance().workers() == before, "no thread was started");
    pool::set_most_threads(8);
}

bool refuse_thread(thread_body, void *) { return false; }

void works_alone_where_no_thread_can_be_started() {
    pool::forget_after_fork(); // a pool without workers
    pool::set_starter(refuse_thread);
    int ran = 0;
    tasks_of body([&](std::int64_t, std::int64_t participant) {
        check(participant == 0, "the caller is alone");
        ++ran;
        return true;
    });
    for (int job = 0; job < 3; ++job) {
        check(run_to_end(body, 50, 4, dear), "it ends");
    }
    check(ran == 150 && pool::instance().workers() == 0, "all of it, by the caller");
    pool::set_starter(nullptr);
    pool::forget_after_fork(); // the next test gets workers again
}

void workers_round_as_their_caller_does() {
    std::atomic<int> arrived{0};
    std::atomic<int> upward{0};
    tasks_of body([&](std::int64_t, std::int64_t) {
        upward.fetch_add(std::fegetround() == FE_UPWARD ? 1 : 0);
        arrived.fetch_add(1);
        await([&] { return arrived.load() >= 2; }, "both threads run");
        return true;
    });
    check(run_to_end(body, 2, 2, dear) && upward.load() == 0, "as usual");
    std::fesetround(FE_UPWARD);
    arrived.store(0);
    check(run_to_end(body, 2, 2, dear) && upward.load() == 2, "upwards");
    std::fesetround(FE_TONEAREST);
    arrived.store(0);
    upward.store(0);
    check(run_to_end(body, 2, 2, dear) && upward.load() == 0, "restored");
}

} // namespace

int main() {
    pool::set_most_threads(8);
    return testing::run_all({
        {"works_alone_where_no_thread_can_be_started", works_alone_where_no_thread_can_be_started},
        {"every_task_runs_once_whatever_the_cost", every_task_runs_once_whatever_the_cost},
        {"two_threads_work_at_the_same_time", two_threads_work_at_the_same_time},
        {"short_jobs_from_many_threads", short_jobs_from_many_threads},
        {"more_callers_than_slots", more_callers_than_slots},
        {"a_failed_task_drops_what_has_not_begun", a_failed_task_drops_what_has_not_begun},
        {"a_slice_ends_between_tasks", a_slice_ends_between_tasks},
        {"a_slice_ends_while_waiting", a_slice_ends_while_waiting},
        {"cancelled_tasks_do_not_begin", cancelled_tasks_do_not_begin},
        {"cancelled_by_another_thread_while_running", cancelled_by_another_thread_while_running},
        {"no_more_threads_than_allowed", no_more_threads_than_allowed},
        {"workers_round_as_their_caller_does", workers_round_as_their_caller_does},
    });
}

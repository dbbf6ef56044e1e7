// Slices: every task once, whoever takes it from whom; seats that are numbered; and late workers of other
// epochs.
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "check.hpp"
#include "slices.hpp"

using namespace pyffipar;
using testing::check;

namespace {

std::int64_t one(std::int64_t) { return 1; }

// The caller's own claim, before its first task.
slices::claim callers(std::uint32_t epoch) { return {epoch, 0, 0, 0, 0}; }

void a_caller_alone_gets_every_task_in_order() {
    slices tasks;
    for (const std::int64_t threads : {1, 2, 3, 7}) {
        slices::claim mine = callers(tasks.open(5, 105, threads));
        std::set<std::int64_t> seen;
        std::int64_t last = -1;
        std::int64_t own = 0;
        while (tasks.claim_next(mine, one)) {
            own += mine.first == last + 1 || last < 0 ? 1 : 0;
            last = mine.first;
            seen.insert(mine.first);
        }
        check(seen.size() == 100 && *seen.begin() == 5 && *seen.rbegin() == 104, "all of them, once");
        check(own >= 100 / threads, "its own slice from front to end");
        check(tasks.look().tasks == 0, "none is left");
    }
}

void a_worker_has_the_same_tasks_in_every_job_of_one_size() {
    slices tasks;
    std::vector<std::int64_t> firsts;
    for (int job = 0; job < 3; ++job) {
        tasks.open(0, 100, 4);
        slices::claim joined{};
        check(tasks.join(2, joined), "a seat in the slice asked for");
        check(joined.participant == 2 && joined.home == 2 && joined.count == 1, "whose number it gets");
        firsts.push_back(joined.first);
        slices::claim mine = callers(joined.epoch);
        while (tasks.claim_next(mine, one)) {
        }
    }
    check(firsts[0] == 50 && firsts[1] == 50 && firsts[2] == 50, "the third quarter");
}

void seats_have_different_numbers_and_run_out() {
    slices tasks;
    for (const std::int64_t threads : {1, 2, 5, 128, 129, 300, 1000}) {
        const std::uint32_t epoch = tasks.open(0, 100'000, threads);
        std::set<std::int64_t> numbers;
        slices::claim joined{};
        while (tasks.join(static_cast<std::int64_t>(numbers.size()) + 1, joined)) {
            check(joined.participant > 0 && joined.participant < threads, "a number below that of threads");
            check(numbers.insert(joined.participant).second, "nobody else's");
        }
        check(static_cast<std::int64_t>(numbers.size()) == threads - 1, "one for every worker");
        check(tasks.joined(threads) == threads - 1, "all have joined");
        check(tasks.look().seats == 0, "no seat is left");
        tasks.drop(epoch);
    }
}

void who_has_used_up_its_own_takes_from_the_fullest() {
    slices tasks;
    slices::claim mine = callers(tasks.open(0, 30, 3));
    slices::claim second{};
    check(tasks.join(1, second) && second.first == 10, "the second ten");
    for (int i = 0; i < 10; ++i) {
        check(tasks.claim_next(mine, one) && mine.first == i, "the caller's own ten");
    }
    check(!tasks.claim_own(mine, one), "then there are none of its own");
    check(tasks.claim_others(mine, one) && mine.first == 20, "but of the third, which has one more left");
}

void several_are_claimed_at_once_as_the_rule_says() {
    slices tasks;
    slices::claim mine = callers(tasks.open(0, 16, 1));
    const auto half = [](std::int64_t left) { return left / 2; };
    for (const std::int64_t count : {8, 4, 2, 1, 1}) {
        check(tasks.claim_next(mine, half) && mine.count == count, "half of what is left, one at least");
    }
    check(!tasks.claim_next(mine, half), "nothing is left");
}

void a_late_claim_takes_nothing_of_the_next_epoch() {
    slices tasks;
    slices::claim late = callers(tasks.open(0, 2, 2));
    check(tasks.drop(late.epoch) == 2, "the job is over");
    const std::uint32_t next = tasks.open(0, 9, 3);
    check(!tasks.claim_own(late, one) && !tasks.claim_others(late, one) && tasks.drop(late.epoch) == 0,
          "somebody of the old one comes too late");
    check(tasks.look().tasks == 9, "all nine are still there");
    check(tasks.drop_any() == 9 && tasks.drop(next) == 0, "dropped once");
}

// Jobs of changing sizes in one place, while workers join and steal: the owner goes on when all tasks are
// reported, and whoever has reported its own looks for others' without knowing whether it has.
void every_task_of_every_job_is_taken_once() {
    constexpr int jobs = 4000;
    constexpr std::int64_t most_tasks = 40;
    slices tasks;
    std::atomic<int> ran[most_tasks] = {};
    std::atomic<std::int64_t> reported{0};
    std::atomic<bool> is_over{false};
    const auto work_off = [&](slices::claim mine) {
        const auto third = [](std::int64_t left) { return left / 3; };
        do {
            std::int64_t ended = 0;
            do {
                for (std::int64_t task = mine.first; task < mine.first + mine.count; ++task) {
                    ran[task].fetch_add(1);
                }
                ended += mine.count;
            } while (tasks.claim_own(mine, third));
            reported.fetch_add(ended);
        } while (tasks.claim_others(mine, third));
    };
    std::vector<std::thread> workers;
    for (std::int64_t number = 1; number <= 3; ++number) {
        workers.emplace_back([&, number] {
            slices::claim joined{};
            while (!is_over.load()) {
                if (tasks.join(number, joined)) {
                    work_off(joined);
                } else {
                    std::this_thread::yield();
                }
            }
        });
    }
    for (int job = 0; job < jobs; ++job) {
        const std::int64_t count = 1 + job % most_tasks;
        reported.store(0);
        slices::claim mine = callers(tasks.open(0, count, 1 + job % 4));
        if (tasks.claim_next(mine, one)) {
            work_off(mine);
        }
        testing::await([&] { return reported.load() == count; }, "all tasks of the job are reported");
        for (std::int64_t task = 0; task < most_tasks; ++task) {
            check(ran[task].exchange(0) == (task < count ? 1 : 0), "each once");
        }
    }
    is_over.store(true);
    for (std::thread &each : workers) {
        each.join();
    }
}

} // namespace

int main() {
    return testing::run_all({
        {"a_caller_alone_gets_every_task_in_order", a_caller_alone_gets_every_task_in_order},
        {"a_worker_has_the_same_tasks_in_every_job_of_one_size",
         a_worker_has_the_same_tasks_in_every_job_of_one_size},
        {"seats_have_different_numbers_and_run_out", seats_have_different_numbers_and_run_out},
        {"who_has_used_up_its_own_takes_from_the_fullest", who_has_used_up_its_own_takes_from_the_fullest},
        {"several_are_claimed_at_once_as_the_rule_says", several_are_claimed_at_once_as_the_rule_says},
        {"a_late_claim_takes_nothing_of_the_next_epoch", a_late_claim_takes_nothing_of_the_next_epoch},
        {"every_task_of_every_job_is_taken_once", every_task_of_every_job_is_taken_once},
    });
}

// The ticket: claims under contention, and the late worker that must not take a task of another epoch.
#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "ticket.hpp"

using namespace pyffipar;
using testing::check;

namespace {

void seats_and_tasks_run_out() {
    ticket tickets;
    constexpr std::uint32_t epoch = 7;
    tickets.open(epoch, 2, 3);
    ticket_view before{};
    check(tickets.join(before) && before.seats == 2 && before.tasks == 3, "first seat");
    check(tickets.join(before) && before.seats == 1 && before.tasks == 2, "second seat");
    check(!tickets.join(before), "no third seat");
    check(tickets.claim(epoch, 1, before) == 1 && before.tasks == 1, "last task");
    check(tickets.claim(epoch, 1, before) == 0, "no task left");
}

void several_tasks_are_claimed_at_once() {
    ticket tickets;
    constexpr std::uint32_t epoch = 7;
    tickets.open(epoch, 0, 10);
    ticket_view before{};
    check(tickets.claim(epoch, 4, before) == 4 && before.tasks == 10, "four of ten");
    check(tickets.claim(epoch, 0, before) == 1 && before.tasks == 6, "one at least");
    check(tickets.claim(epoch, 100, before) == 5 && before.tasks == 5, "what is left at most");
    check(tickets.claim(epoch, 100, before) == 0, "which is nothing then");
}

void a_late_claim_takes_nothing_of_the_next_epoch() {
    ticket tickets;
    constexpr std::uint32_t old_epoch = 7;
    constexpr std::uint32_t next_epoch = 8;
    tickets.open(old_epoch, 1, 1);
    ticket_view before{};
    check(tickets.claim(old_epoch, 1, before) == 1, "the only task");
    tickets.open(next_epoch, 1, 5);
    check(tickets.claim(old_epoch, 1, before) == 0, "a worker of the old epoch comes too late");
    check(tickets.drop(old_epoch) == 0, "and drops nothing");
    check(tickets.look().tasks == 5, "all five are still there");
    check(tickets.drop(next_epoch) == 5 && tickets.drop(next_epoch) == 0, "dropped once");
}

// Workers go on claiming under the epoch they joined while the owner opens one epoch after the other.
void every_task_of_every_epoch_is_claimed_once() {
    constexpr std::uint32_t epochs = 4000;
    constexpr int tasks = 7;
    ticket tickets;
    std::vector<std::atomic<int>> claimed(epochs + 1);
    std::atomic<bool> is_over{false};
    const auto worker = [&] {
        ticket_view joined{};
        while (!is_over.load()) {
            if (!tickets.join(joined)) {
                std::this_thread::yield();
                continue;
            }
            ticket_view next{};
            claimed[joined.epoch].fetch_add(1);
            while (const std::int64_t count = tickets.claim(joined.epoch, 2, next)) {
                claimed[joined.epoch].fetch_add(static_cast<int>(count));
            }
        }
    };
    std::vector<std::thread> workers;
    for (int i = 0; i < 3; ++i) {
        workers.emplace_back(worker);
    }
    for (std::uint32_t epoch = 1; epoch <= epochs; ++epoch) {
        tickets.open(epoch, 3, tasks);
        ticket_view before{};
        while (tickets.claim(epoch, 1, before) > 0) {
            claimed[epoch].fetch_add(1);
        }
        testing::await([&] { return claimed[epoch].load() == tasks; }, "all tasks of the epoch are claimed");
    }
    is_over.store(true);
    for (std::thread &each : workers) {
        each.join();
    }
    for (std::size_t epoch = 1; epoch <= epochs; ++epoch) {
        check(claimed[epoch].load() == tasks, "none was claimed twice or under another epoch");
    }
}

} // namespace

int main() {
    return testing::run_all({
        {"seats_and_tasks_run_out", seats_and_tasks_run_out},
        {"several_tasks_are_claimed_at_once", several_tasks_are_claimed_at_once},
        {"a_late_claim_takes_nothing_of_the_next_epoch", a_late_claim_takes_nothing_of_the_next_epoch},
        {"every_task_of_every_epoch_is_claimed_once", every_task_of_every_epoch_is_claimed_once},
    });
}

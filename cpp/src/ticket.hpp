// The one word that hands out tasks and, with them, seats; claims of another epoch cannot succeed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace pyffipar {

// What is left of a slice: high half the epoch (which job of this slot it is), below it seats and tasks.
struct ticket_view {
    static constexpr int task_bits = 22;
    static constexpr int seat_bits = 10;
    static constexpr std::int64_t most_tasks = (std::int64_t{1} << task_bits) - 1;
    static constexpr std::int64_t most_seats = (std::int64_t{1} << seat_bits) - 1;

    std::uint32_t epoch;
    std::int64_t seats; // workers that may still join
    std::int64_t tasks; // tasks nobody has claimed; the one claimed next is number `tasks` from the end

    static ticket_view unpack(std::uint64_t packed) noexcept {
        return ticket_view{static_cast<std::uint32_t>(packed >> 32),
                           static_cast<std::int64_t>(packed >> task_bits) & most_seats,
                           static_cast<std::int64_t>(packed) & most_tasks};
    }

    std::uint64_t pack() const noexcept {
        return (std::uint64_t{epoch} << 32) | (static_cast<std::uint64_t>(seats) << task_bits) |
               static_cast<std::uint64_t>(tasks);
    }
};

class alignas(64) ticket { // each with a cache line of its own
  public:
    ticket_view look() const noexcept { return ticket_view::unpack(word_.load(std::memory_order_relaxed)); }

    // Begin a new epoch. Only for the owner of the slot, and only while no task is left: then no claim can
    // win, so a plain store loses nothing. The release hands over what the owner wrote about the job.
    void open(std::uint32_t epoch, std::int64_t seats, std::int64_t tasks) noexcept {
        word_.store(ticket_view{epoch, seats, tasks}.pack(), std::memory_order_release);
    }

    // Take a seat and the first task with it, in whatever epoch it is now. On success `before` is what was
    // there.
    bool join(ticket_view &before) noexcept {
        return replace(before, [](ticket_view view, ticket_view &then) {
            then = ticket_view{view.epoch, view.seats - 1, view.tasks - 1};
            return view.seats > 0 && view.tasks > 0;
        });
    }

    // Take up to `wanted` more tasks of `epoch`, at least one. Returns how many; 0 if none is left.
    std::int64_t claim(std::uint32_t epoch, std::int64_t wanted, ticket_view &before) noexcept {
        std::int64_t taken = 0;
        const bool any = replace(before, [&](ticket_view view, ticket_view &then) {
            taken = std::min(std::max<std::int64_t>(wanted, 1), view.tasks);
            then = ticket_view{view.epoch, view.seats, view.tasks - taken};
            return view.epoch == epoch && view.tasks > 0;
        });
        return any ? taken : 0;
    }

    // Take all tasks of `epoch` that are left, to leave them undone. Returns how many.
    std::int64_t drop(std::uint32_t epoch) noexcept {
        ticket_view before{};
        const bool any = replace(before, [epoch](ticket_view view, ticket_view &then) {
            then = ticket_view{view.epoch, view.seats, 0};
            return view.epoch == epoch && view.tasks > 0;
        });
        return any ? before.tasks : 0;
    }

  private:
    // Compare and swap, never add or subtract: a thread that was held up between its look and its claim must
    // not take a task from an epoch it has not seen.
    template <typename rule>
    bool replace(ticket_view &before, rule &&next) noexcept {
        std::uint64_t packed = word_.load(std::memory_order_relaxed);
        ticket_view then{};
        do {
            before = ticket_view::unpack(packed);
            if (!next(before, then)) {
                return false;
            }
        } while (!word_.compare_exchange_weak(packed, then.pack(), std::memory_order_acquire,
                                              std::memory_order_relaxed));
        return true;
    }

    std::atomic<std::uint64_t> word_{0};
};

} // namespace pyffipar

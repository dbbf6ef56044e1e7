// A shared job's tasks, laid out in one slice for each thread, and the seats of its workers.
//
// Whoever has used up its own slice takes from the others'. A thread so gets about the same tasks in every
// job of the same size: what they work on is in its core's cache already.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "prefetch.hpp"
#include "ticket.hpp"

namespace pyffipar {

class slices {
  public:
    static constexpr std::int64_t most = 128; // with more threads than that, several share one

    // Tasks that a participant may run, and has to report as ended.
    struct claim {
        std::uint32_t epoch;
        std::int64_t participant; // 0 is the caller, who has no seat
        std::int64_t home;        // its slice
        std::int64_t first;
        std::int64_t count;
    };

    struct rest {
        std::int64_t seats; // free ones, in slices that have tasks
        std::int64_t tasks;
    };

    // Begin a new epoch: hand out the tasks [first, last) to `threads` participants, the caller included.
    // Only for the owner, and only while no task is left. The release of every ticket hands over what the
    // owner wrote before.
    std::uint32_t open(std::int64_t first, std::int64_t last, std::int64_t threads) noexcept {
        const std::int64_t count = std::min(threads, most);
        first_ = first;
        last_ = last;
        count_.store(count, std::memory_order_relaxed);
        ++epoch_;
        for (std::int64_t s = 0; s < count; ++s) {
            tickets_[index(s)].open(epoch_, seats_of(s, threads), end_of(s) - end_of(s - 1));
        }
        return epoch_;
    }

    // Take a seat and a first task with it, in whatever epoch it is now; in the slice `preferred` if that has
    // both.
    bool join(std::int64_t preferred, claim &joined) noexcept {
        const std::int64_t count = count_.load(std::memory_order_relaxed);
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t s = (preferred + i) % count;
            ticket_view before{};
            if (tickets_[index(s)].join(before)) {
                // From here on the job lacks a task, so what its owner wrote stays. The count is read again,
                // for it may have been an earlier job's.
                const std::int64_t row = s > 0 ? before.seats - 1 : before.seats;
                const std::int64_t participant = s + count_.load(std::memory_order_relaxed) * row;
                joined = claim{before.epoch, participant, s, end_of(s) - before.tasks, 1};
                return true;
            }
        }
        return false;
    }

    // What a participant whose last claim this was is to do next: tasks of its own slice; of those that are
    // left so many as `at_once` says. Returns whether there was any.
    template <typename rule>
    bool claim_own(claim &mine, rule &&at_once) noexcept {
        return claim_from(mine.home, mine, at_once);
    }

    // The same, of the slice that has most left.
    template <typename rule>
    bool claim_others(claim &mine, rule &&at_once) noexcept {
        for (std::int64_t s = fullest(mine.epoch); s >= 0; s = fullest(mine.epoch)) {
            if (claim_from(s, mine, at_once)) {
                return true;
            }
        }
        return false;
    }

    // Of its own slice first, then of the others.
    template <typename rule>
    bool claim_next(claim &mine, rule &&at_once) noexcept {
        return claim_own(mine, at_once) || claim_others(mine, at_once);
    }

    // Take all tasks of `epoch` that are left, to leave them undone. Returns how many.
    std::int64_t drop(std::uint32_t epoch) noexcept {
        std::int64_t dropped = 0;
        for (std::int64_t s = 0; s < count_.load(std::memory_order_relaxed); ++s) {
            dropped += tickets_[index(s)].drop(epoch);
        }
        return dropped;
    }

    // The same for whatever epoch it is, of a job that somebody else may own.
    std::int64_t drop_any() noexcept {
        std::int64_t dropped = 0;
        for (std::int64_t s = 0; s < count_.load(std::memory_order_relaxed); ++s) {
            dropped += tickets_[index(s)].drop(tickets_[index(s)].look().epoch);
        }
        return dropped;
    }

    rest look() const noexcept {
        rest found{0, 0};
        for (std::int64_t s = 0; s < count_.load(std::memory_order_relaxed); ++s) {
            const ticket_view view = tickets_[index(s)].look();
            found.tasks += view.tasks;
            found.seats += view.tasks > 0 ? view.seats : 0;
        }
        return found;
    }

    // How many workers have joined. For the owner, of `threads` participants as opened.
    std::int64_t joined(std::int64_t threads) const noexcept {
        std::int64_t free = 0;
        for (std::int64_t s = 0; s < count_.load(std::memory_order_relaxed); ++s) {
            free += tickets_[index(s)].look().seats;
        }
        return threads - 1 - free;
    }

    // Set in motion what join() will look at, if there are slices enough for each worker to have its own.
    void fetch_ahead(std::int64_t preferred) const noexcept {
        fetch_to_read(address_of(&count_), 1);
        fetch_to_write(address_of(&tickets_[index(preferred % most)]));
    }

  private:
    static constexpr std::size_t index(std::int64_t s) noexcept { return static_cast<std::size_t>(s); }

    // Participant p belongs to slice p % count; the caller, 0, needs no seat.
    std::int64_t seats_of(std::int64_t s, std::int64_t threads) const noexcept {
        const std::int64_t count = count_.load(std::memory_order_relaxed);
        return (threads - 1 - s) / count + (s > 0 ? 1 : 0);
    }

    // One past the last task of a slice; slices differ by one task at most.
    std::int64_t end_of(std::int64_t s) const noexcept {
        return first_ + (last_ - first_) * (s + 1) / count_.load(std::memory_order_relaxed);
    }

    template <typename rule>
    bool claim_from(std::int64_t s, claim &mine, rule &&at_once) noexcept {
        ticket &from = tickets_[index(s)];
        const std::int64_t left = from.look().tasks;
        if (left == 0) {
            return false;
        }
        ticket_view before{};
        mine.count = from.claim(mine.epoch, at_once(left), before);
        if (mine.count > 0) {
            mine.first = end_of(s) - before.tasks;
        }
        return mine.count > 0;
    }

    // The slice with most tasks left in this epoch; -1 if none has any.
    std::int64_t fullest(std::uint32_t epoch) const noexcept {
        std::int64_t best = -1;
        std::int64_t most_left = 0;
        for (std::int64_t s = 0; s < count_.load(std::memory_order_relaxed); ++s) {
            const ticket_view view = tickets_[index(s)].look();
            if (view.epoch == epoch && view.tasks > most_left) {
                most_left = view.tasks;
                best = s;
            }
        }
        return best;
    }

    std::atomic<std::int64_t> count_{1}; // a worker in search of a job looks at it before it has joined
    std::uint32_t epoch_ = 0;
    std::int64_t first_ = 0;
    std::int64_t last_ = 0;
    std::array<ticket, static_cast<std::size_t>(most)> tickets_;
};

} // namespace pyffipar

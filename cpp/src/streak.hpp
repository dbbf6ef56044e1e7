// Small jobs in a row: none is worth waking a worker for, all of them may be worth one that stays awake.
#pragma once

#include <algorithm>
#include <atomic>

#include "clock.hpp"

namespace pyffipar {

// All in nanoseconds of serial work. What threads write here at the same time may be lost: it is a guess.
class streak {
  public:
    // `gap` is how long a worker stays awake without a job, `price` what waking one has to be worth at first.
    streak(nanoseconds gap, nanoseconds price) noexcept : gap_(gap), first_price_(price), price_(price) {}

    // A job of so much work begins, alone. True if a worker is to be woken for those that will follow: then
    // it costs twice as much to be asked again, until somebody has been of use.
    bool add(nanoseconds work, nanoseconds when) noexcept {
        const bool goes_on = when < until_.load(std::memory_order_relaxed);
        const nanoseconds sum = (goes_on ? sum_.load(std::memory_order_relaxed) : 0) + work;
        const nanoseconds price = price_.load(std::memory_order_relaxed);
        until_.store(when + work + gap_, std::memory_order_relaxed);
        sum_.store(sum < price ? sum : 0, std::memory_order_relaxed);
        if (sum < price) {
            return false;
        }
        price_.store(std::min(2 * price, dearest * first_price_), std::memory_order_relaxed);
        return true;
    }

    // A worker was awake when a small job came.
    void was_of_use() noexcept {
        if (price_.load(std::memory_order_relaxed) != first_price_) {
            price_.store(first_price_, std::memory_order_relaxed);
        }
    }

  private:
    static constexpr nanoseconds dearest = 64; // times the first price

    const nanoseconds gap_;
    const nanoseconds first_price_;
    std::atomic<nanoseconds> price_;
    std::atomic<nanoseconds> sum_{0};   // of the row so far
    std::atomic<nanoseconds> until_{0}; // a job that begins later is the first of another row
};

} // namespace pyffipar

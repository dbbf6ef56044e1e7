// Counts tasks that have ended, and lets one thread wait until all of them have.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "clock.hpp"

namespace pyffipar {

// Reusable. A thread that arrives late may still touch the latch when its waiter has gone on to the next job:
// so it must live for ever, and its waiter looks at the count again whenever it is woken.
class latch {
  public:
    void reset(std::int64_t expected) noexcept;

    // `count` more tasks have ended, or will never begin. Returns whether they were the last.
    bool arrive(std::int64_t count) noexcept;

    bool is_open() const noexcept { return left_.load(std::memory_order_seq_cst) == 0; }

    // Spin for `spin`, then sleep, until the latch is open or `deadline` has come. Returns whether it is
    // open.
    bool wait_until(nanoseconds deadline, nanoseconds spin);

  private:
    std::atomic<std::int64_t> left_{0};
    std::atomic<bool> is_awaited_{false};
    std::mutex mutex_;
    std::condition_variable opened_;
};

} // namespace pyffipar

// The waiting side of the latch: spin, then sleep, without losing the last arrival.
#include "latch.hpp"

#include <algorithm>

namespace pyffipar {

void latch::reset(std::int64_t expected) noexcept { left_.store(expected, std::memory_order_relaxed); }

bool latch::arrive(std::int64_t count) noexcept {
    // Sequentially consistent, as is the waiter's store to is_awaited_: of "the last one arrives, then looks
    // whether somebody sleeps" and "says that it will sleep, then looks whether all have arrived" one must
    // see the other.
    if (left_.fetch_sub(count, std::memory_order_seq_cst) != count) {
        return false;
    }
    if (is_awaited_.load(std::memory_order_seq_cst)) {
        const std::lock_guard<std::mutex> lock(mutex_);
        opened_.notify_one();
    }
    return true;
}

bool latch::wait_until(nanoseconds deadline, nanoseconds spin) {
    if (is_open()) {
        return true;
    }
    const nanoseconds rest = deadline == never ? never : deadline - now();
    if (spin_until(std::clamp<nanoseconds>(rest, 0, spin), [this] { return is_open(); })) {
        return true;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    is_awaited_.store(true, std::memory_order_seq_cst);
    const auto ready = [this] { return is_open(); };
    if (deadline == never) {
        opened_.wait(lock, ready);
    } else {
        using clock = std::chrono::steady_clock;
        const auto until = clock::time_point(
            std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(deadline)));
        opened_.wait_until(lock, until, ready);
    }
    is_awaited_.store(false, std::memory_order_relaxed);
    return is_open();
}

} // namespace pyffipar

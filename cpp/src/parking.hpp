// Where workers sleep when there is nothing to do, and how one of them is woken.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace pyffipar {

class parking {
  public:
    // Sleep until woken; not at all if `is_wanted` says so once this thread counts as parked. Returns whether
    // it was woken by wake_one().
    template <typename predicate>
    bool park(predicate &&is_wanted) {
        std::unique_lock<std::mutex> lock(mutex_);
        parked_.fetch_add(1, std::memory_order_seq_cst);
        const bool stays = !is_wanted();
        if (stays) {
            woken_.wait(lock, [this] { return permits_ > 0; });
            --permits_;
        }
        parked_.fetch_sub(1, std::memory_order_relaxed);
        return stays;
    }

    // False if nobody sleeps who has not been woken already.
    bool wake_one() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (permits_ >= parked_.load(std::memory_order_relaxed)) {
                return false;
            }
            ++permits_;
        }
        woken_.notify_one();
        return true;
    }

    // Whether somebody sleeps; as a guess.
    bool is_used() const noexcept { return parked_.load(std::memory_order_relaxed) > 0; }

  private:
    std::mutex mutex_;
    std::condition_variable woken_;
    int permits_ = 0;            // guarded by mutex_
    std::atomic<int> parked_{0}; // changed under mutex_
};

} // namespace pyffipar

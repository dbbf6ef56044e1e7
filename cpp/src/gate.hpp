// The way in for threads that work on a job of their own: counted, and closed for good when the process ends.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyffipar::gate {

// No new jobs from now on, and no new tasks of old ones.
void close() noexcept;
bool is_closed() noexcept;

// Threads between entering and leaving.
std::int64_t inside() noexcept;

// In a child just forked: open, and nobody inside.
void reset() noexcept;

// A thread's stay. It enters first and looks whether the gate is closed afterwards, so that close() followed
// by inside() misses nobody who goes on working.
class stay {
  public:
    stay() noexcept;
    ~stay();
    stay(const stay &) = delete;
    stay &operator=(const stay &) = delete;

  private:
    std::atomic<std::int64_t> &counter_;
    const std::uint64_t resets_; // a child that leaves has never entered its own gate
};

} // namespace pyffipar::gate

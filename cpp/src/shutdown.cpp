// Closes the gate, drops what has not begun, and looks now and then whether anything still runs.
#include "shutdown.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "gate.hpp"
#include "pool.hpp"

namespace pyffipar {
namespace {

// 0 only if no foreign call is running or will be. The callers first: who is outside now will not begin
// anything any more, and what he left behind shows in the slots. The other way round he could share a job in
// between.
std::int64_t count_running() noexcept {
    const std::int64_t callers = gate::inside();
    const pool *workers = pool::existing();
    if (workers == nullptr) {
        return callers;
    }
    const pool::shared_jobs shared = workers->count_running();
    return std::max(callers + shared.unattended, shared.running);
}

} // namespace

std::int64_t shut_down(nanoseconds wait) noexcept {
    gate::close();
    if (pool *workers = pool::existing()) {
        workers->drop_tasks(); // whoever shares a job after this sees the closed gate
    }
    const nanoseconds deadline = after(std::max<nanoseconds>(wait, 0));
    // Looking instead of being told: this happens once, and telling would cost every job.
    constexpr auto between_looks = std::chrono::microseconds(100);
    for (;;) {
        const std::int64_t running = count_running();
        if (running == 0 || now() >= deadline) {
            return running;
        }
        std::this_thread::sleep_for(between_looks);
    }
}

} // namespace pyffipar

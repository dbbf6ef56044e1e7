// Counts in several places, so that threads that enter and leave at once do not wait for each other's cache
// line.
#include "gate.hpp"

#include <array>

namespace pyffipar::gate {
namespace {

struct alignas(64) counter {
    std::atomic<std::int64_t> inside{0};
};

constexpr std::uint32_t counter_bits = 4;
std::array<counter, 1 << counter_bits> counters;
std::atomic<bool> closed{false};
std::atomic<std::uint64_t> resets{0};

// A thread's own counter, by the address of something that is its own.
std::atomic<std::int64_t> &own_counter() noexcept {
    thread_local char mark;
    constexpr std::uint64_t spread = 0x9e3779b97f4a7c15; // 2^64 / golden ratio: neighbours end up far apart
    const std::uint64_t hash = reinterpret_cast<std::uintptr_t>(&mark) * spread;
    return counters[hash >> (64 - counter_bits)].inside;
}

} // namespace

void close() noexcept { closed.store(true, std::memory_order_seq_cst); }

bool is_closed() noexcept { return closed.load(std::memory_order_seq_cst); }

std::int64_t inside() noexcept {
    std::int64_t sum = 0;
    for (const counter &each : counters) {
        sum += each.inside.load(std::memory_order_seq_cst);
    }
    return sum;
}

void reset() noexcept {
    for (counter &each : counters) {
        each.inside.store(0, std::memory_order_relaxed);
    }
    resets.fetch_add(1, std::memory_order_relaxed);
    closed.store(false, std::memory_order_relaxed);
}

stay::stay() noexcept : counter_(own_counter()), resets_(resets.load(std::memory_order_relaxed)) {
    counter_.fetch_add(1, std::memory_order_seq_cst);
}

stay::~stay() {
    if (resets_ == resets.load(std::memory_order_relaxed)) {
        counter_.fetch_sub(1, std::memory_order_seq_cst);
    }
}

} // namespace pyffipar::gate

// The arithmetic of cutting work up: chunks of a size, calls of a job, tasks of calls. No threads, no memory.
#pragma once

#include <cstdint>

namespace pyffipar {

// a * b for a, b >= 0; throws `refused`, naming `what`, where it does not fit.
std::int64_t checked_product(std::int64_t a, std::int64_t b, const char *what);

// start * numerator / denominator, rounded towards zero, for start >= 0 and denominator > 0. The product
// itself need not fit; the outcome wraps where it does not.
std::int64_t scaled(std::int64_t start, std::int64_t numerator, std::int64_t denominator) noexcept;

// How one size is cut: every chunk has `chunk` items, the last one what is left.
struct grid {
    std::int64_t length;
    std::int64_t chunk;
    std::int64_t chunks;

    bool is_cut() const noexcept { return chunks > 1; }
    std::int64_t start(std::int64_t index) const noexcept { return is_cut() ? index * chunk : 0; }
    std::int64_t extent(std::int64_t index) const noexcept {
        return index + 1 < chunks ? chunk : length - start(index);
    }
    std::int64_t longest() const noexcept;
};

// Calls handed out together: task t is the calls [first(t), last(t)).
struct task_grid {
    std::int64_t calls;
    std::int64_t grain;

    // `grain`, or the smallest multiple of it that makes no more than `most` tasks.
    static task_grid at_most(std::int64_t calls, std::int64_t grain, std::int64_t most) noexcept;

    std::int64_t count() const noexcept { return calls / grain + (calls % grain != 0 ? 1 : 0); }
    std::int64_t first(std::int64_t task) const noexcept { return task * grain; }
    std::int64_t last(std::int64_t task) const noexcept {
        return calls - first(task) < grain ? calls : first(task) + grain;
    }
};

} // namespace pyffipar

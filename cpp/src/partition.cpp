// Overflow-safe arithmetic on chunks, calls and tasks.
#include "partition.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "status.hpp"

namespace pyffipar {

std::int64_t checked_product(std::int64_t a, std::int64_t b, const char *what) {
    if (b != 0 && a > std::numeric_limits<std::int64_t>::max() / b) {
        throw refused(std::string(what) + ": " + std::to_string(a) + " * " + std::to_string(b) +
                      " does not fit in 64 bits");
    }
    return a * b;
}

std::int64_t scaled(std::int64_t start, std::int64_t numerator, std::int64_t denominator) noexcept {
    // start = whole * denominator + rest: only rest is multiplied before the division. Unsigned, so that a
    // product nobody can use wraps instead of being undefined.
    const auto whole = static_cast<std::uint64_t>(start / denominator);
    const auto rest = static_cast<std::uint64_t>(start % denominator);
    const auto factor = static_cast<std::uint64_t>(numerator);
    const auto part = static_cast<std::int64_t>(rest * factor) / denominator;
    return static_cast<std::int64_t>(whole * factor + static_cast<std::uint64_t>(part));
}

std::int64_t grid::longest() const noexcept {
    return is_cut() ? std::max(chunk, extent(chunks - 1)) : length;
}

task_grid task_grid::at_most(std::int64_t calls, std::int64_t grain, std::int64_t most) noexcept {
    const std::int64_t needed = calls / most + (calls % most != 0 ? 1 : 0);
    return task_grid{calls, needed <= grain ? grain : ((needed - 1) / grain + 1) * grain};
}

} // namespace pyffipar

// How many elements are not zero, whether any is, whether all are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyffipar {
namespace {

// Few enough for a count in one byte: lanes stay as narrow as the elements.
constexpr std::size_t counted_together = 128;

template <typename predicate>
std::int64_t count_if(std::size_t n, predicate &&is_counted) noexcept {
    std::int64_t count = 0;
    std::size_t i = 0;
    for (; i + counted_together <= n; i += counted_together) {
        std::uint8_t some = 0;
        for (std::size_t j = 0; j < counted_together; ++j) {
            some = static_cast<std::uint8_t>(some + (is_counted(i + j) ? 1 : 0));
        }
        count += some;
    }
    for (; i < n; ++i) {
        count += is_counted(i) ? 1 : 0;
    }
    return count;
}

template <typename element>
std::int64_t count_nonzero(std::size_t n, const element *x) noexcept {
    return count_if(n, [x](std::size_t i) { return x[i] != element{0}; });
}

template <typename element>
std::int64_t count_numbers(std::size_t n, const element *x) noexcept {
    return count_if(n, [x](std::size_t i) { return x[i] == x[i]; });
}

// Looks after every stretch whether the answer is known.
template <typename element>
bool any_nonzero(std::size_t n, const element *x) noexcept {
    constexpr std::size_t stretch = 4096 / sizeof(element);
    for (std::size_t start = 0; start < n; start += stretch) {
        const std::size_t count = n - start < stretch ? n - start : stretch;
        if (count_nonzero(count, x + start) != 0) {
            return true;
        }
    }
    return false;
}

template <typename element>
bool all_nonzero(std::size_t n, const element *x) noexcept {
    constexpr std::size_t stretch = 4096 / sizeof(element);
    for (std::size_t start = 0; start < n; start += stretch) {
        const std::size_t count = n - start < stretch ? n - start : stretch;
        if (count_nonzero(count, x + start) != static_cast<std::int64_t>(count)) {
            return false;
        }
    }
    return true;
}

// Pairs of numbers: real and imaginary part.
template <typename element>
std::int64_t count_nonzero_pairs(std::size_t n, const element *x) noexcept {
    return count_if(n, [x](std::size_t i) { return x[2 * i] != element{0} || x[2 * i + 1] != element{0}; });
}

template <typename element>
bool any_where(std::size_t n, const element *x, const std::uint8_t *mask) noexcept {
    return count_if(n, [=](std::size_t i) { return mask[i] != 0 && x[i] != element{0}; }) != 0;
}

template <typename element>
bool all_where(std::size_t n, const element *x, const std::uint8_t *mask) noexcept {
    return count_if(n, [=](std::size_t i) { return mask[i] != 0 && x[i] == element{0}; }) == 0;
}

} // namespace
} // namespace pyffipar

// Counting into bins: equal ones by multiplication, any others by bisection; and non-negative integers.
#pragma once

#include "loaders.hpp"

namespace pyffipar {
namespace {

constexpr std::size_t looked_up_together = 512;

// edges[b] <= x < edges[b + 1], the last bin with its upper edge; elsewhere and for NaN: bins.
inline std::size_t settle_bin(double x, std::size_t guess, std::size_t bins, const double *edges) noexcept {
    if (!(x >= edges[0] && x <= edges[bins])) {
        return bins;
    }
    std::size_t bin = guess < bins ? guess : bins - 1;
    while (x < edges[bin]) {
        --bin;
    }
    while (bin + 1 < bins && x >= edges[bin + 1]) {
        ++bin;
    }
    return bin;
}

// The number of edges up to x, less one: the halving loop has no branch that depends on the data.
inline std::size_t bisect(double x, std::size_t bins, const double *edges) noexcept {
    std::size_t base = 0;
    for (std::size_t length = bins; length > 1;) {
        const std::size_t half = length / 2;
        base = x >= edges[base + half] ? base + half : base;
        length -= half;
    }
    return base;
}

// Bins for a stretch of x, where edges are a straight line but for rounding.
template <typename element>
void look_up_equal(std::size_t n, const element *x, std::size_t bins, const double *edges, double scale,
                   std::uint32_t *found) noexcept {
    const double low = edges[0];
    const double high = edges[bins];
    const auto outside = static_cast<double>(bins);
    // Beyond this distance from a border a guess is right: the rounding of the guess, and of edges that were
    // kept in the elements' precision, is far below.
    constexpr double precision = sizeof(element) < sizeof(double) ? 0x1p-20 : 0x1p-48;
    const double size = -low > high ? -low : high;
    const double unsure = precision * (outside + size * scale);
    constexpr std::size_t lanes = line<double>::lanes;
    using numbers_of_bins __attribute__((vector_size(register_bytes / 2))) = std::int32_t;
    const widened<element> from{x};
    line<std::int64_t> is_unsure = line<std::int64_t>::fill(0);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const line<double> value = from.load(i);
        unrolled<registers>([&](auto r) {
            const pack<double> v = value.part[r];
            const auto is_inside = (v >= low) & (v <= high);
            const pack<double> place = is_inside ? (v - low) * scale : outside - pack<double>{};
            const numbers_of_bins bin = __builtin_convertvector(place, numbers_of_bins);
            const pack<double> above = place - __builtin_convertvector(bin, pack<double>);
            const auto is_sure = (above > unsure) & (above < 1 - unsure);
            is_unsure.part[r] |= __builtin_convertvector(is_inside & ~is_sure, pack<std::int64_t>);
            std::memcpy(found + i + r * (lanes / registers), &bin, sizeof bin);
        });
    }
    for (std::size_t j = any_set(is_unsure) ? 0 : i; j < n; ++j) {
        const double value = from.at(j);
        const double place = value >= low && value <= high ? (value - low) * scale : outside;
        found[j] =
            static_cast<std::uint32_t>(settle_bin(value, static_cast<std::size_t>(place), bins, edges));
    }
}

template <typename element>
void look_up(std::size_t n, const element *x, std::size_t bins, const double *edges, double scale,
             std::uint32_t *found) noexcept {
    if (scale > 0) {
        look_up_equal(n, x, bins, edges, scale, found);
        return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const auto value = static_cast<double>(x[i]);
        found[i] = static_cast<std::uint32_t>(settle_bin(value, bisect(value, bins, edges), bins, edges));
    }
}

// scale: bins per unit where all are equally wide, else 0. counts is not cleared.
template <typename element>
void histogram(std::size_t n, const element *x, std::size_t bins, const double *edges, double scale,
               std::int64_t *counts) noexcept {
    constexpr std::size_t tables = 4; // neighbours that fall into one bin do not wait for each other
    constexpr std::size_t most_bins = 512;
    std::uint32_t found[looked_up_together];
    std::int64_t several[tables][most_bins + 1];
    const bool is_small = bins <= most_bins;
    for (std::size_t t = 0; is_small && t < tables; ++t) {
        for (std::size_t b = 0; b <= bins; ++b) {
            several[t][b] = 0;
        }
    }
    for (std::size_t start = 0; start < n; start += looked_up_together) {
        const std::size_t count = n - start < looked_up_together ? n - start : looked_up_together;
        look_up(count, x + start, bins, edges, scale, found);
        std::size_t i = 0;
        for (; is_small && i + tables <= count; i += tables) {
            ++several[0][found[i]];
            ++several[1][found[i + 1]];
            ++several[2][found[i + 2]];
            ++several[3][found[i + 3]];
        }
        for (; i < count; ++i) {
            if (found[i] < bins) {
                ++counts[found[i]];
            }
        }
    }
    for (std::size_t t = 0; is_small && t < tables; ++t) {
        for (std::size_t b = 0; b < bins; ++b) {
            counts[b] += several[t][b];
        }
    }
}

template <typename element>
void weighted_histogram(std::size_t n, const element *x, const double *weights, std::size_t bins,
                        const double *edges, double scale, double *sums) noexcept {
    std::uint32_t found[looked_up_together];
    for (std::size_t start = 0; start < n; start += looked_up_together) {
        const std::size_t count = n - start < looked_up_together ? n - start : looked_up_together;
        look_up(count, x + start, bins, edges, scale, found);
        for (std::size_t i = 0; i < count; ++i) {
            if (found[i] < bins) {
                sums[found[i]] += weights[start + i];
            }
        }
    }
}

// x[i] < bins, checked before.
inline void bincount(std::size_t n, const std::int64_t *x, std::size_t bins, std::int64_t *counts) noexcept {
    constexpr std::size_t tables = 4;
    constexpr std::size_t most_bins = 512;
    std::int64_t several[tables][most_bins];
    if (bins > most_bins) {
        for (std::size_t i = 0; i < n; ++i) {
            ++counts[x[i]];
        }
        return;
    }
    for (auto &table : several) {
        for (std::size_t b = 0; b < bins; ++b) {
            table[b] = 0;
        }
    }
    for (std::size_t i = 0; i < n; ++i) {
        ++several[i % tables][x[i]];
    }
    for (const auto &table : several) {
        for (std::size_t b = 0; b < bins; ++b) {
            counts[b] += table[b];
        }
    }
}

inline void weighted_bincount(std::size_t n, const std::int64_t *x, const double *weights,
                              double *sums) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        sums[x[i]] += weights[i];
    }
}

} // namespace
} // namespace pyffipar

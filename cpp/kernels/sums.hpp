// Sums of floating-point numbers: short runs added plainly, the runs' totals added without error.
#pragma once

#include "loaders.hpp"

namespace pyffipar {
namespace {

constexpr std::size_t streams = 4; // read side by side: one alone does not reach the memory's speed
constexpr std::size_t run_rows = 16;

// high += x, and what rounding lost into low (Knuth's TwoSum, on numbers and on lines).
template <typename number>
void add_exactly(number &high, number &low, const number &x) noexcept {
    const number sum = high + x;
    const number back = sum - high;
    low = low + ((high - (sum - back)) + (x - back));
    high = sum;
}

// A sum and what rounding lost of it. -0.0, not 0.0, changes nothing when it is added.
template <typename element>
struct carried {
    element high = -element{0};
    element low = 0;

    void add(element x) noexcept { add_exactly(high, low, x); }

    void add(const carried &other) noexcept {
        add(other.high);
        low += other.low;
    }

    // Beyond infinity the lost part is no number.
    element value() const noexcept { return low - low == 0 && low != 0 ? high + low : high; }
};

template <typename element>
struct carried_line {
    line<element> high = line<element>::fill(-element{0});
    line<element> low = line<element>::fill(element{0});

    void add(const line<element> &x) noexcept { add_exactly(high, low, x); }

    void add(const carried_line &other) noexcept {
        add(other.high);
        low = low + other.low;
    }

    // Lanes pairwise: i with i + half, until one is left.
    carried<element> total() const noexcept {
        constexpr std::size_t lanes = line<element>::lanes;
        element highs[lanes];
        element lows[lanes];
        high.store(highs);
        low.store(lows);
        for (std::size_t half = lanes / 2; half > 0; half /= 2) {
            for (std::size_t i = 0; i < half; ++i) {
                add_exactly(highs[i], lows[i], highs[i + half]);
                lows[i] += lows[i + half];
            }
        }
        return {highs[0], lows[0]};
    }
};

// A quarter of the elements that fill whole rows belongs to each stream; what is left is a last row of its
// own.
template <typename loader>
carried<typename loader::element> sum_of(std::size_t n, const loader &from) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    constexpr std::size_t row = streams * lanes;
    carried<element> total;
    if (n == 0) {
        total.high = 0; // only a sum of items can be -0.0
    }
    if (n < row) {
        for (std::size_t i = 0; i < n; ++i) {
            total.add(from.at(i));
        }
        return total;
    }
    carried_line<element> sums[streams];
    const std::size_t quarter = n / row * lanes;
    for (std::size_t start = 0; start < quarter;) {
        const std::size_t left = quarter - start;
        const std::size_t stop = left < run_rows * lanes ? quarter : start + run_rows * lanes;
        line<element> runs[streams];
        unrolled<streams>([&](auto s) { runs[s] = from.load(s * quarter + start); });
        for (std::size_t i = start + lanes; i < stop; i += lanes) {
            unrolled<streams>([&](auto s) { runs[s] = runs[s] + from.load(s * quarter + i); });
        }
        unrolled<streams>([&](auto s) { sums[s].add(runs[s]); });
        start = stop;
    }
    sums[0].add(sums[2]);
    sums[1].add(sums[3]);
    sums[0].add(sums[1]);
    total = sums[0].total();
    for (std::size_t i = streams * quarter; i < n; ++i) {
        total.add(from.at(i));
    }
    return total;
}

// Real and imaginary parts lie in turn: lanes with an even number are real.
template <typename loader>
void complex_sum_of(std::size_t n, const loader &from, typename loader::element result[2]) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    carried_line<element> sums;
    carried<element> real;
    carried<element> imaginary;
    std::size_t i = 0;
    for (; i + lanes <= 2 * n; i += lanes) {
        sums.add(from.load(i));
    }
    element highs[lanes];
    element lows[lanes];
    sums.high.store(highs);
    sums.low.store(lows);
    for (std::size_t lane = 0; lane < lanes; lane += 2) {
        real.add(carried<element>{highs[lane], lows[lane]});
        imaginary.add(carried<element>{highs[lane + 1], lows[lane + 1]});
    }
    for (; i < 2 * n; i += 2) {
        real.add(from.at(i));
        imaginary.add(from.at(i + 1));
    }
    result[0] = real.value();
    result[1] = imaginary.value();
}

// Sums with wraparound, as C's unsigned and NumPy's integers have it: any order gives the same.
template <typename wide, typename element>
wide integer_sum(std::size_t n, const element *x) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += static_cast<std::uint64_t>(static_cast<wide>(x[i]));
    }
    return static_cast<wide>(sum);
}

template <typename wide, typename element>
wide integer_sum_where(std::size_t n, const element *x, const std::uint8_t *mask) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        sum += mask[i] != 0 ? static_cast<std::uint64_t>(static_cast<wide>(x[i])) : 0;
    }
    return static_cast<wide>(sum);
}

// Partial sums of a call, first chunk first.
template <typename element>
element fold_sums(std::size_t k, const element *parts) noexcept {
    carried<element> total;
    for (std::size_t i = 0; i < k; ++i) {
        total.add(parts[i]);
    }
    return total.value();
}

// y[i] = start + x[0] + … + x[i]
template <typename wide, typename element>
void running_sum(std::size_t n, const element *x, wide start, wide *y) noexcept {
    if constexpr (std::is_floating_point_v<wide>) {
        wide sum = start;
        for (std::size_t i = 0; i < n; ++i) {
            sum += x[i];
            y[i] = sum;
        }
    } else {
        auto sum = static_cast<std::uint64_t>(start);
        for (std::size_t i = 0; i < n; ++i) {
            sum += static_cast<std::uint64_t>(static_cast<wide>(x[i]));
            y[i] = static_cast<wide>(sum);
        }
    }
}

} // namespace
} // namespace pyffipar

// Number, mean and sum of squared deviations of a chunk, in one pass over memory; merged as Chan, Golub and
// LeVeque.
#pragma once

#include "sums.hpp"

namespace pyffipar {
namespace {

constexpr std::size_t moments_stretch = 1024; // of every stream: near enough in case it has to be read again

struct moments {
    double count = 0;
    double mean = 0;
    double squares = 0; // of the deviations from the mean

    void add(const moments &other) noexcept {
        if (other.count == 0) {
            return;
        }
        if (count == 0) {
            *this = other;
            return;
        }
        const double total = count + other.count;
        const double apart = other.mean - mean;
        mean += apart * (other.count / total);
        squares += other.squares + apart * apart * (count * (other.count / total));
        count = total;
    }
};

// Sums of x - shift and of its square.
template <typename element>
struct shifted_sums {
    element first;
    element second;
};

// A stretch of every stream: elements first + s * apart … of stream s, in whole lines.
template <typename element>
shifted_sums<element> shifted(std::size_t first, std::size_t apart, std::size_t count, const element *x,
                              element shift) noexcept {
    constexpr std::size_t lanes = line<element>::lanes;
    const deviation<element> from{x + first, shift};
    carried_line<element> total;
    carried_line<element> total_squares;
    for (std::size_t start = 0; start < count;) {
        const std::size_t stop = count - start < run_rows * lanes ? count : start + run_rows * lanes;
        line<element> sums[streams];
        line<element> squares[streams];
        unrolled<streams>([&](auto s) {
            sums[s] = from.load(s * apart + start);
            squares[s] = sums[s] * sums[s];
        });
        for (std::size_t i = start + lanes; i < stop; i += lanes) {
            unrolled<streams>([&](auto s) {
                const line<element> off = from.load(s * apart + i);
                sums[s] = sums[s] + off;
                squares[s] = squares[s] + off * off;
            });
        }
        total.add((sums[0] + sums[1]) + (sums[2] + sums[3]));
        total_squares.add((squares[0] + squares[1]) + (squares[2] + squares[3]));
        start = stop;
    }
    return {total.total().value(), total_squares.total().value()};
}

template <typename element>
moments moments_of_few(std::size_t n, const element *x) noexcept {
    if (n == 0) {
        return {};
    }
    carried<element> sum;
    for (std::size_t i = 0; i < n; ++i) {
        sum.add(x[i]);
    }
    const element mean = sum.value() / static_cast<element>(n);
    carried<element> rest;
    carried<element> squares;
    for (std::size_t i = 0; i < n; ++i) {
        rest.add(x[i] - mean);
        squares.add((x[i] - mean) * (x[i] - mean));
    }
    const double off = static_cast<double>(rest.value()) / static_cast<double>(n);
    return {static_cast<double>(n), static_cast<double>(mean) + off, static_cast<double>(squares.value())};
}

// The mean so far is a good shift for what follows; where it is not, too much would cancel and a better one
// is used.
template <typename element>
moments moments_of(std::size_t n, const element *x) noexcept {
    constexpr std::size_t lanes = line<element>::lanes;
    moments all;
    const std::size_t quarter = n / (streams * lanes) * lanes;
    element shift = n > 0 ? x[0] : element{0};
    for (std::size_t start = 0; start < quarter; start += moments_stretch) {
        const std::size_t count = quarter - start < moments_stretch ? quarter - start : moments_stretch;
        const auto items = static_cast<element>(streams * count);
        shifted_sums<element> sums = shifted(start, quarter, count, x, shift);
        if (!(sums.first * sums.first <= items * sums.second / 16)) {
            const element closer = shift + sums.first / items;
            if (closer - closer == 0) {
                shift = closer;
                sums = shifted(start, quarter, count, x, shift);
            }
        }
        const double first = sums.first;
        const double off = first / static_cast<double>(items);
        const double squares = static_cast<double>(sums.second) - first * off;
        all.add({static_cast<double>(items), static_cast<double>(shift) + off, squares < 0 ? 0 : squares});
        shift = static_cast<element>(all.mean);
        if (!(shift - shift == 0)) {
            shift = 0;
        }
    }
    all.add(moments_of_few(n - streams * quarter, x + streams * quarter));
    return all;
}

} // namespace
} // namespace pyffipar

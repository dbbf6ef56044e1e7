// Reductions over the leading axis of rows: lanes run along the rows.
#pragma once

#include "extrema.hpp"

namespace pyffipar {
namespace {

constexpr std::size_t strip_lines = 4; // lines of a row that are worked on together

// Where elements of rows come from: `load(row, column)` and `at(row, column)`.
template <typename type>
struct plain_rows {
    using element = type;
    const type *x;
    std::ptrdiff_t apart; // elements from one row to the next

    line<type> load(std::size_t row, std::size_t column) const noexcept {
        return line<type>::load(place(row) + column);
    }
    const type *place(std::size_t row) const noexcept { return x + static_cast<std::ptrdiff_t>(row) * apart; }
    type at(std::size_t row, std::size_t column) const noexcept { return place(row)[column]; }
};

// Squares of the deviations from a mean of every column.
template <typename type>
struct squared_deviation_rows {
    using element = type;
    const type *x;
    std::ptrdiff_t apart; // elements from one row to the next
    const type *mean;

    line<type> load(std::size_t row, std::size_t column) const noexcept {
        const line<type> off = line<type>::load(place(row) + column) - line<type>::load(mean + column);
        return off * off;
    }
    type at(std::size_t row, std::size_t column) const noexcept {
        const type off = place(row)[column] - mean[column];
        return off * off;
    }
    const type *place(std::size_t row) const noexcept { return x + static_cast<std::ptrdiff_t>(row) * apart; }
};

// Elements first … first + count of every row, fewer than a line.
template <typename body>
void each_narrow(std::size_t first, std::size_t m, body &&run) noexcept {
    for (std::size_t column = first; column < m; ++column) {
        run(column);
    }
}

template <std::size_t lines, typename loader>
void sum_strip(std::size_t n, const loader &from, std::size_t column,
               typename loader::element *sums) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    carried_line<element> totals[lines];
    for (std::size_t start = 0; start < n; start += run_rows) {
        const std::size_t stop = n - start < run_rows ? n : start + run_rows;
        line<element> runs[lines];
        unrolled<lines>([&](auto k) { runs[k] = from.load(start, column + k * lanes); });
        for (std::size_t i = start + 1; i < stop; ++i) {
            unrolled<lines>([&](auto k) { runs[k] = runs[k] + from.load(i, column + k * lanes); });
        }
        unrolled<lines>([&](auto k) { totals[k].add(runs[k]); });
    }
    unrolled<lines>([&](auto k) {
        element highs[lanes];
        element lows[lanes];
        totals[k].high.store(highs);
        totals[k].low.store(lows);
        for (std::size_t i = 0; i < lanes; ++i) {
            sums[column + k * lanes + i] = carried<element>{highs[i], lows[i]}.value();
        }
    });
}

// sums[k] = x[0][k] + x[1][k] + …
template <typename loader>
void sum_rows(std::size_t n, std::size_t m, const loader &from, typename loader::element *sums) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    std::size_t column = 0;
    for (; column + strip_lines * lanes <= m; column += strip_lines * lanes) {
        sum_strip<strip_lines>(n, from, column, sums);
    }
    for (; column + lanes <= m; column += lanes) {
        sum_strip<1>(n, from, column, sums);
    }
    each_narrow(column, m, [&](std::size_t k) {
        carried<element> total;
        for (std::size_t start = 0; start < n; start += run_rows) {
            const std::size_t stop = n - start < run_rows ? n : start + run_rows;
            element run = -element{0};
            for (std::size_t i = start; i < stop; ++i) {
                run += from.at(i, k);
            }
            total.add(run);
        }
        sums[k] = total.value();
    });
}

template <typename rule, std::size_t lines, typename loader>
void merge_strip(std::size_t n, const loader &from, std::size_t column,
                 typename loader::element *merged) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    line<element> values[lines];
    line<signed_of<element>> nans[lines];
    unrolled<lines>([&](auto k) {
        values[k] = line<element>::fill(rule::neutral());
        nans[k] = line<signed_of<element>>::fill(0);
    });
    for (std::size_t i = 0; i < n; ++i) {
        unrolled<lines>([&](auto k) {
            const line<element> x = from.load(i, column + k * lanes);
            values[k] = rule::merge(x, values[k]);
            if constexpr (rule::keeps_nan) {
                nans[k] = nans[k] | is_nan(x);
            }
        });
    }
    unrolled<lines>([&](auto k) {
        if constexpr (rule::keeps_nan) {
            values[k] =
                choose(nans[k], line<element>::fill(std::numeric_limits<element>::quiet_NaN()), values[k]);
        }
        values[k].store(merged + column + k * lanes);
    });
}

// merged[k]: smallest, largest or product of x[0][k], x[1][k], …
template <typename rule, typename loader>
void merge_rows(std::size_t n, std::size_t m, const loader &from, typename loader::element *merged) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    std::size_t column = 0;
    for (; column + strip_lines * lanes <= m; column += strip_lines * lanes) {
        merge_strip<rule, strip_lines>(n, from, column, merged);
    }
    for (; column + lanes <= m; column += lanes) {
        merge_strip<rule, 1>(n, from, column, merged);
    }
    each_narrow(column, m, [&](std::size_t k) {
        element value = rule::neutral();
        for (std::size_t i = 0; i < n; ++i) {
            const element x = from.at(i, k);
            if (rule::keeps_nan && x != x) {
                value = x;
                break;
            }
            value = rule::merge(x, value);
        }
        merged[k] = value;
    });
}

// Sums and products of integers wrap around.
template <typename wide, typename element>
void integer_sum_rows(std::size_t n, std::size_t m, const plain_rows<element> &from, wide *sums) noexcept {
    for (std::size_t k = 0; k < m; ++k) {
        sums[k] = 0;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const element *x = from.place(i);
        for (std::size_t k = 0; k < m; ++k) {
            sums[k] = static_cast<wide>(static_cast<std::uint64_t>(sums[k]) +
                                        static_cast<std::uint64_t>(static_cast<wide>(x[k])));
        }
    }
}

} // namespace
} // namespace pyffipar

// Smallest and largest elements, products, and where the smallest and largest lie.
#pragma once

#include "loaders.hpp"
#include "sums.hpp"

namespace pyffipar {
namespace {

template <typename element>
struct smallest {
    static constexpr bool keeps_nan = std::is_floating_point_v<element>;
    static constexpr element neutral() noexcept {
        return keeps_nan ? std::numeric_limits<element>::infinity() : std::numeric_limits<element>::max();
    }
    static line<element> merge(const line<element> &a, const line<element> &b) noexcept {
        return lesser(a, b);
    }
    static element merge(element a, element b) noexcept { return a < b ? a : b; }
};

template <typename element>
struct largest {
    static constexpr bool keeps_nan = std::is_floating_point_v<element>;
    static constexpr element neutral() noexcept {
        return keeps_nan ? -std::numeric_limits<element>::infinity() : std::numeric_limits<element>::lowest();
    }
    static line<element> merge(const line<element> &a, const line<element> &b) noexcept {
        return greater(a, b);
    }
    static element merge(element a, element b) noexcept { return a > b ? a : b; }
};

template <typename element>
struct multiplied {
    static constexpr bool keeps_nan = false; // multiplication keeps it by itself
    static constexpr element neutral() noexcept { return 1; }
    static line<element> merge(const line<element> &a, const line<element> &b) noexcept { return a * b; }
    static element merge(element a, element b) noexcept { return a * b; }
};

// The lanes of `value` merged pairwise, NaN in front of everything.
template <typename rule, typename element>
element merged_lanes(const line<element> &value, const line<signed_of<element>> &nan) noexcept {
    constexpr std::size_t lanes = line<element>::lanes;
    if (rule::keeps_nan && any_set(nan)) {
        return std::numeric_limits<element>::quiet_NaN();
    }
    element values[lanes];
    value.store(values);
    for (std::size_t half = lanes / 2; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) {
            values[i] = rule::merge(values[i + half], values[i]);
        }
    }
    return values[0];
}

template <typename rule, typename loader>
typename loader::element merged_tail(std::size_t first, std::size_t n, const loader &from,
                                     typename loader::element value) noexcept {
    for (std::size_t i = first; i < n; ++i) {
        const auto x = from.at(i);
        if (rule::keeps_nan && x != x) {
            return x;
        }
        value = rule::merge(x, value);
    }
    return value;
}

// Streams as in sum_of; `rule` merges.
template <typename rule, typename loader>
typename loader::element merge_of(std::size_t n, const loader &from) noexcept {
    using element = typename loader::element;
    constexpr std::size_t lanes = line<element>::lanes;
    const std::size_t quarter = n / (streams * lanes) * lanes;
    if (quarter == 0) {
        return merged_tail<rule>(0, n, from, rule::neutral());
    }
    line<element> values[streams];
    line<signed_of<element>> nans[streams];
    unrolled<streams>([&](auto s) {
        values[s] = line<element>::fill(rule::neutral());
        nans[s] = line<signed_of<element>>::fill(0);
    });
    for (std::size_t i = 0; i < quarter; i += lanes) {
        unrolled<streams>([&](auto s) {
            const line<element> x = from.load(s * quarter + i);
            values[s] = rule::merge(x, values[s]);
            if constexpr (rule::keeps_nan) {
                nans[s] = nans[s] | is_nan(x);
            }
        });
    }
    const line<element> value =
        rule::merge(rule::merge(values[3], values[1]), rule::merge(values[2], values[0]));
    const element whole = merged_lanes<rule>(value, (nans[0] | nans[1]) | (nans[2] | nans[3]));
    if (rule::keeps_nan && whole != whole) {
        return whole;
    }
    return merged_tail<rule>(streams * quarter, n, from, whole);
}

// Smallest or largest of the numbers among x; NaN if there are none.
template <typename rule, typename element>
element merge_of_numbers(std::size_t n, const element *x) noexcept {
    const element found = merge_of<rule>(n, numbers<element>{x, rule::neutral()});
    if (found != rule::neutral()) {
        return found;
    }
    for (std::size_t i = 0; i < n; ++i) {
        if (x[i] == x[i]) {
            return found;
        }
    }
    return std::numeric_limits<element>::quiet_NaN();
}

// Products with wraparound.
template <typename wide, typename element>
wide integer_product(std::size_t n, const element *x) noexcept {
    std::uint64_t value = 1;
    for (std::size_t i = 0; i < n; ++i) {
        value *= static_cast<std::uint64_t>(static_cast<wide>(x[i]));
    }
    return static_cast<wide>(value);
}

template <typename wide, typename element>
wide integer_product_where(std::size_t n, const element *x, const std::uint8_t *mask) noexcept {
    std::uint64_t value = 1;
    for (std::size_t i = 0; i < n; ++i) {
        value *= mask[i] != 0 ? static_cast<std::uint64_t>(static_cast<wide>(x[i])) : 1;
    }
    return static_cast<wide>(value);
}

// The first pair of numbers with -0.0 or NaN decides as in a comparison from left to right.
template <typename rule, typename element>
element fold_merge(std::size_t k, const element *parts) noexcept {
    return merged_tail<rule>(0, k, plain<element>{parts}, rule::neutral());
}

// As above, but NaN stands for a part without numbers.
template <typename rule, typename element>
element fold_numbers(std::size_t k, const element *parts) noexcept {
    return merge_of_numbers<rule>(k, parts);
}

// Index of the first smallest or largest element, or of the first NaN.
template <typename rule, typename element>
std::int64_t locate(std::size_t n, const element *x) noexcept {
    constexpr std::size_t stretch =
        16384 / sizeof(element); // searched again while it is in the nearest cache
    element best = rule::neutral();
    std::size_t where = 0;
    bool is_first = true;
    for (std::size_t start = 0; start < n; start += stretch) {
        const std::size_t count = n - start < stretch ? n - start : stretch;
        const element found = merge_of<rule>(count, plain<element>{x + start});
        const bool is_better = rule::merge(found, best) != best || found != found;
        if (is_better || is_first) {
            best = found;
            where = start;
            is_first = false;
        }
        if (found != found) {
            break;
        }
    }
    while (x[where] != best && (best == best || x[where] == x[where])) {
        ++where;
    }
    return static_cast<std::int64_t>(where);
}

} // namespace
} // namespace pyffipar

// Where a reduction's elements come from: plain, masked, without NaN, squared, multiplied, less a mean.
#pragma once

#include "lanes.hpp"

namespace pyffipar {
namespace {

// Each has `element`, `load(i)`: the line from element i on, and `at(i)`: one element.

template <typename type>
struct plain {
    using element = type;
    const type *x;

    line<type> load(std::size_t i) const noexcept { return line<type>::load(x + i); }
    type at(std::size_t i) const noexcept { return x[i]; }
};

template <typename type>
struct product {
    using element = type;
    const type *x;
    const type *y;

    line<type> load(std::size_t i) const noexcept {
        return line<type>::load(x + i) * line<type>::load(y + i);
    }
    type at(std::size_t i) const noexcept { return x[i] * y[i]; }
};

// (x * scale)^2: a power of two as scale keeps squares from overflowing.
template <typename type>
struct scaled_square {
    using element = type;
    const type *x;
    type scale;

    line<type> load(std::size_t i) const noexcept {
        const line<type> scaled = line<type>::load(x + i) * line<type>::fill(scale);
        return scaled * scaled;
    }
    type at(std::size_t i) const noexcept { return (x[i] * scale) * (x[i] * scale); }
};

template <typename type>
struct deviation {
    using element = type;
    const type *x;
    type mean;

    line<type> load(std::size_t i) const noexcept { return line<type>::load(x + i) - line<type>::fill(mean); }
    type at(std::size_t i) const noexcept { return x[i] - mean; }
};

template <typename inner>
struct squared {
    using element = typename inner::element;
    inner from;

    line<element> load(std::size_t i) const noexcept {
        const line<element> value = from.load(i);
        return value * value;
    }
    element at(std::size_t i) const noexcept { return from.at(i) * from.at(i); }
};

// NaN counts as `instead`.
template <typename type>
struct numbers {
    using element = type;
    const type *x;
    type instead;

    line<type> load(std::size_t i) const noexcept {
        const line<type> loaded = line<type>::load(x + i);
        return choose(is_nan(loaded), line<type>::fill(instead), loaded);
    }
    type at(std::size_t i) const noexcept { return x[i] != x[i] ? instead : x[i]; }
};

// Elements as doubles.
template <typename type>
struct widened {
    using element = double;
    const type *x;

    line<double> load(std::size_t i) const noexcept {
        if constexpr (sizeof(type) == sizeof(double)) {
            return line<double>::load(x + i);
        } else {
            constexpr std::size_t lanes = line<double>::lanes / registers;
            using narrow __attribute__((vector_size(lanes * sizeof(type)))) = type;
            fetch_ahead(x + i);
            line<double> loaded;
            unrolled<registers>([&](auto r) {
                narrow values;
                std::memcpy(&values, x + i + r * lanes, sizeof values);
                loaded.part[r] = __builtin_convertvector(values, pack<double>);
            });
            return loaded;
        }
    }
    double at(std::size_t i) const noexcept { return static_cast<double>(x[i]); }
};

// Elements whose mask is 0 count as `instead`.
template <typename inner>
struct masked {
    using element = typename inner::element;
    inner from;
    const std::uint8_t *mask;
    element instead;

    line<element> load(std::size_t i) const noexcept {
        constexpr std::size_t lanes = line<element>::lanes / registers;
        using narrow __attribute__((vector_size(lanes))) = std::int8_t;
        line<signed_of<element>> wanted;
        unrolled<registers>([&](auto r) {
            narrow bytes;
            std::memcpy(&bytes, mask + i + r * lanes, lanes);
            wanted.part[r] = __builtin_convertvector(bytes != 0, pack<signed_of<element>>);
        });
        return choose(wanted, from.load(i), line<element>::fill(instead));
    }
    element at(std::size_t i) const noexcept { return mask[i] != 0 ? from.at(i) : instead; }
};

} // namespace
} // namespace pyffipar

// IEEE 754 binary16, which C++17 has no type for: to and from double, rounding to nearest even.
#pragma once

#include <cstdint>

namespace pyffipar {

struct half {
    std::uint16_t bits;
};

double to_double(half value) noexcept;

// From double and not from float: two roundings in a row would not be one.
half to_half(double value) noexcept;

} // namespace pyffipar

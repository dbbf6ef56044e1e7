// Conversion of half-precision numbers, by their bits and so without regard to the rounding mode in force.
#include "half.hpp"

#include <cmath>
#include <cstring>

namespace pyffipar {
namespace {

constexpr int half_fraction_bits = 10;
constexpr int half_bias = 15;
constexpr int double_fraction_bits = 52;
constexpr int double_bias = 1023;
constexpr std::uint32_t half_infinity = 0x7c00;
constexpr std::uint32_t half_quiet = 0x0200;

// value / 2**shift, to nearest, ties to even.
std::uint64_t shift_to_nearest(std::uint64_t value, int shift) noexcept {
    const std::uint64_t kept = value >> shift;
    const std::uint64_t lost = value & ((std::uint64_t{1} << shift) - 1);
    const std::uint64_t tie = std::uint64_t{1} << (shift - 1);
    const bool up = lost > tie || (lost == tie && (kept & 1) != 0);
    return kept + (up ? 1 : 0);
}

std::uint32_t magnitude_to_half(std::uint64_t magnitude) noexcept {
    const int exponent = static_cast<int>(magnitude >> double_fraction_bits) - double_bias;
    const std::uint64_t fraction = magnitude & ((std::uint64_t{1} << double_fraction_bits) - 1);
    constexpr int surplus = double_fraction_bits - half_fraction_bits;
    if (exponent == double_bias + 1) {
        const auto payload = static_cast<std::uint32_t>(fraction >> surplus);
        return half_infinity | (fraction != 0 ? (payload | half_quiet) : 0u);
    }
    if (exponent > half_bias) {
        return half_infinity;
    }
    const std::uint64_t significand = fraction | (std::uint64_t{1} << double_fraction_bits);
    if (exponent >= 1 - half_bias) {
        // A carry out of the fraction raises the exponent, up to infinity: the bits lie that way on purpose.
        const auto biased = static_cast<std::uint64_t>(exponent + half_bias - 1) << half_fraction_bits;
        return static_cast<std::uint32_t>(biased + shift_to_nearest(significand, surplus));
    }
    const int shift = surplus + (1 - half_bias - exponent);
    return shift > double_fraction_bits + 1
               ? 0u
               : static_cast<std::uint32_t>(shift_to_nearest(significand, shift));
}

} // namespace

double to_double(half value) noexcept {
    const int exponent = (value.bits >> half_fraction_bits) & 0x1f;
    const int fraction = value.bits & 0x3ff;
    double magnitude = 0;
    if (exponent == 0x1f) {
        magnitude = fraction != 0 ? std::nan("") : HUGE_VAL;
    } else if (exponent == 0) {
        magnitude = std::ldexp(fraction, 1 - half_bias - half_fraction_bits);
    } else {
        magnitude = std::ldexp(fraction + 1024, exponent - half_bias - half_fraction_bits);
    }
    return (value.bits & 0x8000) != 0 ? -magnitude : magnitude;
}

half to_half(double value) noexcept {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const auto sign = static_cast<std::uint32_t>(bits >> 48) & 0x8000u;
    const std::uint32_t magnitude = magnitude_to_half(bits & ~(std::uint64_t{1} << 63));
    return half{static_cast<std::uint16_t>(sign | magnitude)};
}

} // namespace pyffipar

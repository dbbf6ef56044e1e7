// A fixed-point number wide enough for every sum of doubles, or of products of two doubles; and its rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <math.h>

namespace pyffipar {
namespace {

constexpr int mantissa_bits = 52;
constexpr int smallest_exponent = -1074; // of the lowest bit of a double
constexpr std::uint64_t digit_mask = 0xffffffffU;

struct unpacked {
    std::uint64_t mantissa;
    int position; // of its lowest bit, above that of the smallest double
    bool is_negative;
    bool is_finite;
};

inline unpacked unpack(double x) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, &x, sizeof word);
    const auto exponent = static_cast<int>(word >> mantissa_bits & 0x7ff);
    const std::uint64_t explicit_bits = word & ((std::uint64_t{1} << mantissa_bits) - 1);
    return {exponent == 0 ? explicit_bits : explicit_bits | std::uint64_t{1} << mantissa_bits,
            exponent == 0 ? 0 : exponent - 1, word >> 63 != 0, exponent != 0x7ff};
}

// Laid out as an array of int64, so that partial results are merged by adding them: digits of 32 bits in
// limbs with room for 2^30 carries, then counts.
template <int lowest_exponent, std::size_t digits>
struct wide_sum {
    static constexpr int lowest = lowest_exponent;
    std::int64_t digit[digits];
    std::int64_t plus_infinities;
    std::int64_t minus_infinities;
    std::int64_t nans;
    std::int64_t items;
    std::int64_t others; // not 0 unless every item is -0.0

    // value * 2^(lowest + position), value below 2^63 in magnitude.
    void add_at(std::int64_t value, std::size_t position) noexcept {
        const bool is_negative = value < 0;
        const std::uint64_t size =
            is_negative ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
        const std::size_t first = position / 32;
        const unsigned shift = static_cast<unsigned>(position % 32);
        const std::uint64_t low = (size & digit_mask) << shift;
        const std::uint64_t high = (size >> 32) << shift;
        const std::int64_t sign = is_negative ? -1 : 1;
        digit[first] += sign * static_cast<std::int64_t>(low & digit_mask);
        digit[first + 1] += sign * static_cast<std::int64_t>((low >> 32) + (high & digit_mask));
        digit[first + 2] += sign * static_cast<std::int64_t>(high >> 32);
    }

    void add_special(double x) noexcept {
        nans += x != x ? 1 : 0;
        plus_infinities += x > 0 ? 1 : 0;
        minus_infinities += x < 0 ? 1 : 0;
    }

    void add(double x) noexcept {
        const unpacked parts = unpack(x);
        if (!parts.is_finite) {
            add_special(x);
            return;
        }
        const auto value = static_cast<std::int64_t>(parts.mantissa);
        add_at(parts.is_negative ? -value : value,
               static_cast<std::size_t>(parts.position + smallest_exponent - lowest_exponent));
    }

    void add_product(double x, double y) noexcept {
        const unpacked a = unpack(x);
        const unpacked b = unpack(y);
        if (!a.is_finite || !b.is_finite) {
            add_special(x * y);
            return;
        }
        constexpr unsigned half = 27;
        constexpr std::uint64_t low_half = (std::uint64_t{1} << half) - 1;
        const std::uint64_t as[] = {a.mantissa & low_half, a.mantissa >> half};
        const std::uint64_t bs[] = {b.mantissa & low_half, b.mantissa >> half};
        const auto position =
            static_cast<std::size_t>(a.position + b.position + 2 * smallest_exponent - lowest_exponent);
        for (std::size_t i = 0; i < 2; ++i) {
            for (std::size_t j = 0; j < 2; ++j) {
                const auto value = static_cast<std::int64_t>(as[i] * bs[j]);
                add_at(a.is_negative != b.is_negative ? -value : value, position + half * (i + j));
            }
        }
    }

    // Every digit but the highest into 0 … 2^32 - 1; the highest keeps the sign.
    void carry() noexcept {
        std::int64_t carried = 0;
        for (std::size_t i = 0; i + 1 < digits; ++i) {
            const std::int64_t value = digit[i] + carried;
            digit[i] = value & static_cast<std::int64_t>(digit_mask);
            carried = (value - digit[i]) / (std::int64_t{1} << 32);
        }
        digit[digits - 1] += carried;
    }

    bool is_zero() const noexcept {
        std::uint64_t all = 0;
        for (const std::int64_t each : digit) {
            all |= static_cast<std::uint64_t>(each);
        }
        return all == 0 && plus_infinities == 0 && minus_infinities == 0 && nans == 0;
    }

    // The nearest number of `precision` bits, ties to even, no bit below 2^least.
    double rounded(int precision, int least) noexcept {
        if (nans != 0 || (plus_infinities != 0 && minus_infinities != 0)) {
            return std::numeric_limits<double>::quiet_NaN();
        }
        if (plus_infinities != 0 || minus_infinities != 0) {
            return plus_infinities != 0 ? std::numeric_limits<double>::infinity()
                                        : -std::numeric_limits<double>::infinity();
        }
        carry();
        const bool is_negative = digit[digits - 1] < 0;
        if (is_negative) {
            for (std::int64_t &each : digit) {
                each = -each;
            }
            carry();
        }
        const double size = magnitude(precision, least);
        if (size == 0) {
            return items != 0 && others == 0 ? -0.0 : 0.0;
        }
        return is_negative ? -size : size;
    }

  private:
    bool bit(int position) const noexcept { return (digit[position / 32] >> (position % 32) & 1) != 0; }

    bool any_below(int position) const noexcept {
        for (int i = 0; i < position / 32; ++i) {
            if (digit[i] != 0) {
                return true;
            }
        }
        return (digit[position / 32] & ((std::int64_t{1} << (position % 32)) - 1)) != 0;
    }

    double magnitude(int precision, int least) const noexcept {
        int top = static_cast<int>(digits) - 1;
        while (top >= 0 && digit[top] == 0) {
            --top;
        }
        if (top < 0) {
            return 0;
        }
        int highest = top * 32;
        while (digit[top] >> (highest - top * 32 + 1) != 0) {
            ++highest;
        }
        int cut = highest - precision + 1; // the lowest bit that is kept
        cut = cut < least - lowest ? least - lowest : cut;
        cut = cut < 0 ? 0 : cut;
        std::uint64_t kept = 0;
        for (int i = highest; i >= cut; --i) {
            kept = kept << 1 | (bit(i) ? 1U : 0U);
        }
        if (cut > 0 && bit(cut - 1) && ((kept & 1) != 0 || any_below(cut - 1))) {
            ++kept;
        }
        return ::ldexp(static_cast<double>(kept), cut + lowest);
    }
};

using sum_accumulator = wide_sum<smallest_exponent, 69>;
using product_accumulator = wide_sum<2 * smallest_exponent, 136>;

} // namespace
} // namespace pyffipar

// Sums and dot products without any rounding, at nearly the speed of memory on ordinary data.
//
// A stretch of the data is cut into two slices of bits, each so narrow that sums of its lanes are exact.
// Whether that was true shows afterwards; where it was not, the stretch goes into sums per exponent. The way
// taken never shows in the result, because every way is exact.
#pragma once

#include "extrema.hpp"
#include "wide_sum.hpp"

namespace pyffipar {
namespace {

constexpr std::size_t slice_lanes = streams * line<double>::lanes;
constexpr std::size_t slice_rows = 64;
// Lanes grow by log2(slice_rows) bits, and the running sums stay within half a binade around their anchor.
constexpr int anchor_above = 7;
// A rounding error at the first anchor is below 2^(anchor - 53); its anchor lies anchor_above higher.
constexpr int anchor_apart = 53 - anchor_above;
constexpr int lowest_anchor = -1022 + anchor_apart;
constexpr int highest_anchor = 1022;

struct sliced {
    std::int64_t upper; // in units of 2^(anchor - 52)
    std::int64_t lower; // in units of 2^(anchor - anchor_apart - 52)
    bool is_exact;
};

inline double anchor_at(int exponent) noexcept {
    const std::uint64_t word = static_cast<std::uint64_t>(exponent + 1023) << mantissa_bits |
                               std::uint64_t{1} << (mantissa_bits - 1); // 1.5 * 2^exponent
    double anchor = 0;
    std::memcpy(&anchor, &word, sizeof anchor);
    return anchor;
}

// Lanes are differences and may be negative: sums of unsigned numbers wrap around to the same bits.
inline std::int64_t lane_sum(const line<std::uint64_t> &values) noexcept {
    std::uint64_t lanes[line<std::uint64_t>::lanes];
    values.store(lanes);
    std::uint64_t sum = 0;
    for (const std::uint64_t lane : lanes) {
        sum += lane;
    }
    return static_cast<std::int64_t>(sum);
}

// Elements first + s * apart … of every stream s, rows of a line each.
template <typename loader>
sliced slice(std::size_t first, std::size_t apart, std::size_t rows, const loader &from,
             int anchor) noexcept {
    constexpr std::size_t lanes = line<double>::lanes;
    const line<double> upper_anchor = line<double>::fill(anchor_at(anchor));
    const line<double> lower_anchor = line<double>::fill(anchor_at(anchor - anchor_apart));
    line<double> upper[streams];
    line<double> lower[streams];
    line<std::uint64_t> strayed[streams]; // exponent bits that differ from the anchor's
    line<std::uint64_t> left[streams];    // bits below both slices
    unrolled<streams>([&](auto s) {
        upper[s] = upper_anchor;
        lower[s] = lower_anchor;
        strayed[s] = line<std::uint64_t>::fill(0);
        left[s] = line<std::uint64_t>::fill(0);
    });
    for (std::size_t i = 0; i < rows * lanes; i += lanes) {
        unrolled<streams>([&](auto s) {
            const line<double> x = from.load(first + s * apart + i);
            const line<double> sum = upper[s] + x;
            const line<double> rest = x - (sum - upper[s]);
            const line<double> lower_sum = lower[s] + rest;
            left[s] = left[s] | bits(rest - (lower_sum - lower[s]));
            strayed[s] = strayed[s] | (bits(sum) ^ bits(upper_anchor));
            upper[s] = sum;
            lower[s] = lower_sum;
        });
    }
    line<std::uint64_t> upper_total = line<std::uint64_t>::fill(0);
    line<std::uint64_t> lower_total = line<std::uint64_t>::fill(0);
    line<std::uint64_t> all_strayed = line<std::uint64_t>::fill(0);
    line<std::uint64_t> all_left = line<std::uint64_t>::fill(0);
    unrolled<streams>([&](auto s) {
        upper_total = upper_total + (bits(upper[s]) - bits(upper_anchor));
        lower_total = lower_total + (bits(lower[s]) - bits(lower_anchor));
        all_strayed = all_strayed | strayed[s];
        all_left = all_left | left[s];
    });
    std::uint64_t words[line<std::uint64_t>::lanes];
    all_strayed.store(words);
    std::uint64_t differing = 0;
    for (const std::uint64_t word : words) {
        differing |= word;
    }
    return {lane_sum(upper_total), lane_sum(lower_total),
            differing >> mantissa_bits == 0 && !any_set(all_left)};
}

// Mantissas summed per sign and exponent: no shifts, and no carry for a long time.
class exponent_sums {
  public:
    template <typename accumulator>
    void flush(accumulator &into) noexcept {
        for (std::size_t index = 0; is_used_ && index < bins; ++index) {
            if (sums_[index][0] == 0) {
                continue;
            }
            flush_bin(index, into);
        }
        is_used_ = false;
        added_ = 0;
    }

    template <typename loader, typename accumulator>
    void add(std::size_t first, std::size_t count, const loader &from, accumulator &into) noexcept {
        if (added_ + count > most_added) {
            flush(into);
        }
        if (!is_used_) {
            std::memset(sums_, 0, sizeof sums_);
            is_used_ = true;
        }
        added_ += count;
        for (std::size_t i = first; i < first + count; ++i) {
            const double x = from.at(i);
            std::uint64_t word = 0;
            std::memcpy(&word, &x, sizeof word);
            const std::size_t index = word >> mantissa_bits;
            sums_[index] += (halves{word, word} >> halves{0, part_bits} & part_mask) + halves{one_item, 0};
        }
    }

  private:
    using halves __attribute__((vector_size(16))) = std::uint64_t; // one addition serves both

    static constexpr std::size_t bins = 4096;
    static constexpr int part_bits = mantissa_bits / 2;
    static constexpr std::uint64_t part_mask = (std::uint64_t{1} << part_bits) - 1;
    static constexpr int count_at = 45; // above the sum of 2^19 parts
    static constexpr std::uint64_t one_item = std::uint64_t{1} << count_at;
    static constexpr std::size_t most_added = (std::size_t{1} << 19) - 1;

    template <typename accumulator>
    void flush_bin(std::size_t index, accumulator &into) noexcept {
        const auto count = static_cast<std::int64_t>(sums_[index][0] >> count_at);
        const auto low = static_cast<std::int64_t>(sums_[index][0] & (one_item - 1));
        const auto high = static_cast<std::int64_t>(sums_[index][1]);
        const auto exponent = static_cast<int>(index & 0x7ff);
        const std::int64_t sign = index >> 11 != 0 ? -1 : 1;
        if (exponent == 0x7ff) {
            const bool is_nan = low != 0 || high != 0;
            into.nans += is_nan ? count : 0;
            (sign > 0 ? into.plus_infinities : into.minus_infinities) += is_nan ? 0 : count;
            return;
        }
        const auto position = static_cast<std::size_t>((exponent == 0 ? 0 : exponent - 1) +
                                                       smallest_exponent - accumulator::lowest);
        into.add_at(sign * low, position);
        into.add_at(sign * high, position + part_bits);
        if (exponent != 0) {
            into.add_at(sign * count, position + mantissa_bits);
        }
    }

    halves sums_[bins]; // of the lower bits of the mantissas and, above them, their number; of the upper ones
    std::size_t added_ = 0;
    bool is_used_ = false;
};

// Largest exponent of the elements as an anchor; beyond highest_anchor for infinities and NaN.
template <typename loader>
int needed_anchor(std::size_t first, std::size_t apart, std::size_t count, const loader &from) noexcept {
    std::uint64_t largest_word = 0;
    for (std::size_t k = 0; k < streams * count; ++k) {
        const std::size_t i = first + k / count * apart + k % count;
        const double x = from.at(i);
        std::uint64_t word = 0;
        std::memcpy(&word, &x, sizeof word);
        word &= ~(std::uint64_t{1} << 63);
        largest_word = word > largest_word ? word : largest_word;
    }
    const int anchor = static_cast<int>(largest_word >> mantissa_bits) - 1022 + anchor_above;
    return anchor < lowest_anchor ? lowest_anchor : anchor;
}

template <typename accumulator>
class exact_adder {
  public:
    explicit exact_adder(accumulator &into) noexcept : into_(into) {}

    // Streams as in sum_of, so that memory is read as fast.
    template <typename loader>
    void add(std::size_t n, const loader &from) noexcept {
        constexpr std::size_t lanes = line<double>::lanes;
        const std::size_t quarter = n / slice_lanes * lanes;
        for (std::size_t i = 0; i < quarter; i += slice_rows * lanes) {
            const std::size_t rows = quarter - i < slice_rows * lanes ? (quarter - i) / lanes : slice_rows;
            add_stretch(i, quarter, rows, from);
        }
        for (std::size_t i = streams * quarter; i < n; ++i) {
            into_.add(from.at(i));
        }
    }

    void finish() noexcept { sums_.flush(into_); }

  private:
    template <typename loader>
    void add_stretch(std::size_t first, std::size_t apart, std::size_t rows, const loader &from) noexcept {
        if (patience_ > 0) {
            --patience_;
        } else if (add_slices(first, apart, rows, from)) {
            failures_ = 0;
            return;
        } else {
            failures_ = failures_ < 6 ? failures_ + 1 : failures_;
            patience_ = (1 << failures_) - 1; // such data seldom changes: try again later and later
        }
        for (std::size_t s = 0; s < streams; ++s) {
            sums_.add(first + s * apart, rows * line<double>::lanes, from, into_);
        }
    }

    template <typename loader>
    bool add_slices(std::size_t first, std::size_t apart, std::size_t rows, const loader &from) noexcept {
        sliced found = slice(first, apart, rows, from, anchor_);
        if (!found.is_exact) {
            const int needed = needed_anchor(first, apart, rows * line<double>::lanes, from);
            if (needed == anchor_ || needed > highest_anchor) {
                return false;
            }
            anchor_ = needed;
            found = slice(first, apart, rows, from, anchor_);
            if (!found.is_exact) {
                return false;
            }
        }
        const auto position = static_cast<std::size_t>(anchor_ - mantissa_bits - accumulator::lowest);
        into_.add_at(found.upper, position);
        into_.add_at(found.lower, position - anchor_apart);
        return true;
    }

    accumulator &into_;
    int anchor_ = anchor_above + 1;
    int failures_ = 0;
    int patience_ = 0;
    exponent_sums sums_;
};

inline bool is_minus(double x) noexcept { return unpack(x).is_negative; }

// Every element -0.0, so that the sum is, too.
template <typename loader>
bool all_minus_zero(std::size_t n, const loader &from) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        const double x = from.at(i);
        if (x != 0 || !is_minus(x)) {
            return false;
        }
    }
    return true;
}

template <typename loader>
void exact_sum(std::size_t n, const loader &from, sum_accumulator &into) noexcept {
    std::memset(&into, 0, sizeof into);
    if (n < slice_lanes) {
        for (std::size_t i = 0; i < n; ++i) {
            into.add(from.at(i));
        }
    } else {
        exact_adder<sum_accumulator> adder(into);
        adder.add(n, from);
        adder.finish();
    }
    into.carry();
    into.items = static_cast<std::int64_t>(n);
    into.others = into.is_zero() && all_minus_zero(n, from) ? 0 : 1;
}

// Products of floats are exact as doubles.
struct widened_product {
    using element = double;
    const float *x;
    const float *y;

    line<double> load(std::size_t i) const noexcept {
        return widened<float>{x}.load(i) * widened<float>{y}.load(i);
    }
    double at(std::size_t i) const noexcept { return static_cast<double>(x[i]) * static_cast<double>(y[i]); }
};

// x[i] * y[i] = products[i] + errors[i], unless a product comes near the ends of the range; then false.
inline bool split_products(std::size_t n, const double *x, const double *y, double *products,
                           double *errors) noexcept {
    constexpr double least = 0x1p-960; // below it the error could have bits that no double has
    constexpr double most = 0x1p+1020;
    std::uint64_t bad = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double p = x[i] * y[i];
        products[i] = p;
        errors[i] = ::fma(x[i], y[i], -p);
        const double size = ::fabs(p);
        const bool is_zero = x[i] == 0 || y[i] == 0;
        bad |= static_cast<std::uint64_t>(!((size >= least && size <= most) || (is_zero && size == 0)));
    }
    return bad == 0;
}

inline void exact_dot(std::size_t n, const double *x, const double *y, product_accumulator &into) noexcept {
    std::memset(&into, 0, sizeof into);
    exact_adder<product_accumulator> high(into);
    exact_adder<product_accumulator> low(into);
    constexpr std::size_t together = slice_rows * slice_lanes / 2; // both buffers fit in the nearest cache
    double products[together];
    double errors[together];
    bool only_minus_zeros = true;
    for (std::size_t start = 0; start < n; start += together) {
        const std::size_t count = n - start < together ? n - start : together;
        if (split_products(count, x + start, y + start, products, errors)) {
            high.add(count, plain<double>{products});
            low.add(count, plain<double>{errors});
        } else {
            for (std::size_t i = start; i < start + count; ++i) {
                into.add_product(x[i], y[i]);
            }
        }
    }
    high.finish();
    low.finish();
    into.carry();
    for (std::size_t i = 0; only_minus_zeros && i < n; ++i) {
        const bool is_zero = x[i] == 0 || y[i] == 0;
        only_minus_zeros = is_zero && is_minus(x[i]) != is_minus(y[i]);
    }
    into.items = static_cast<std::int64_t>(n);
    into.others = only_minus_zeros && into.is_zero() ? 0 : 1;
}

} // namespace
} // namespace pyffipar

// Half precision: every value there is, and rounding between all neighbours.
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.hpp"
#include "half.hpp"

using pyffipar::half;
using pyffipar::to_double;
using pyffipar::to_half;
using testing::check;

namespace {

half of_bits(unsigned bits) { return half{static_cast<std::uint16_t>(bits)}; }

void every_half_survives_the_round_trip() {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
        const half value = of_bits(bits);
        const bool is_nan = (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0;
        check(std::isnan(to_double(value)) == is_nan, "NaN and only NaN is NaN");
        check(is_nan || to_half(to_double(value)).bits == bits, "there and back");
    }
}

void between_neighbours_the_nearer_or_even_one_wins() {
    for (unsigned bits = 0; bits < 0x7bff; ++bits) {
        const double low = to_double(of_bits(bits));
        const double high = to_double(of_bits(bits + 1));
        const double middle = (low + high) / 2; // exact
        check(to_half(middle).bits == ((bits & 1) != 0 ? bits + 1 : bits), "ties to even");
        check(to_half(std::nextafter(middle, low)).bits == bits, "just below the tie");
        check(to_half(std::nextafter(middle, high)).bits == bits + 1, "just above the tie");
        check(to_half(-high).bits == (0x8000u | (bits + 1)), "the sign is kept");
    }
}

void the_ends_of_the_range() {
    check(to_half(65504).bits == 0x7bff, "largest");
    check(to_half(65519.999).bits == 0x7bff, "rounds down to the largest");
    check(to_half(65520).bits == 0x7c00, "rounds up to infinity");
    check(to_half(std::numeric_limits<double>::max()).bits == 0x7c00, "far too large");
    check(to_half(-HUGE_VAL).bits == 0xfc00, "infinity");
    check(to_half(std::numeric_limits<double>::denorm_min()).bits == 0, "far too small");
    check(to_half(-0.0).bits == 0x8000, "negative zero");
}

} // namespace

int main() {
    return testing::run_all({
        {"every_half_survives_the_round_trip", every_half_survives_the_round_trip},
        {"between_neighbours_the_nearer_or_even_one_wins", between_neighbours_the_nearer_or_even_one_wins},
        {"the_ends_of_the_range", the_ends_of_the_range},
    });
}

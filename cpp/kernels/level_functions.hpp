// All kernels compiled for the CPU level of the translation unit that includes this, and the table of them.
#pragma once

#include "counting.hpp"
#include "exact.hpp"
#include "extrema.hpp"
#include "histogram.hpp"
#include "level.hpp"
#include "moments.hpp"
#include "rows.hpp"
#include "sums.hpp"

namespace pyffipar {
namespace {

inline void write(const moments &found, double *m) noexcept {
    m[0] = found.count;
    m[1] = found.mean;
    m[2] = found.squares;
}

inline void fold_moments(std::size_t k, const double *parts, double *m) noexcept {
    moments all;
    for (std::size_t i = 0; i < k; ++i) {
        all.add({parts[3 * i], parts[3 * i + 1], parts[3 * i + 2]});
    }
    write(all, m);
}

template <typename accumulator>
double rounded(const std::int64_t *acc, int precision, int least) noexcept {
    accumulator copy;
    std::memcpy(&copy, acc, sizeof copy);
    return copy.rounded(precision, least);
}

template <typename element>
void complex_product(std::size_t n, const element *x, element *r) noexcept {
    element real = 1;
    element imaginary = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const element next = real * x[2 * i] - imaginary * x[2 * i + 1];
        imaginary = real * x[2 * i + 1] + imaginary * x[2 * i];
        real = next;
    }
    r[0] = real;
    r[1] = imaginary;
}

template <typename element>
void complex_dot(std::size_t n, const element *x, const element *y, element *r) noexcept {
    carried<element> real;
    carried<element> imaginary;
    for (std::size_t i = 0; i < n; ++i) {
        real.add(x[2 * i] * y[2 * i] - x[2 * i + 1] * y[2 * i + 1]);
        imaginary.add(x[2 * i] * y[2 * i + 1] + x[2 * i + 1] * y[2 * i]);
    }
    r[0] = real.value();
    r[1] = imaginary.value();
}

// Products of floats are doubles, so their sums need no more than those of doubles.
template <typename element>
using accumulator_of =
    std::conditional_t<sizeof(element) == sizeof(double), product_accumulator, sum_accumulator>;

inline void exact_dot(std::size_t n, const float *x, const float *y, sum_accumulator &into) noexcept {
    exact_sum(n, widened_product{x, y}, into);
}

#define PYFFIPAR_FUNCTION(result, name, parameters, arguments, ...)                                          \
    result level_##name parameters noexcept { __VA_ARGS__ }
PYFFIPAR_KERNELS(PYFFIPAR_FUNCTION)
#undef PYFFIPAR_FUNCTION

#define PYFFIPAR_ENTRY(result, name, parameters, arguments, ...) level_##name,
constexpr kernel_table level_kernels{PYFFIPAR_KERNELS(PYFFIPAR_ENTRY)};
#undef PYFFIPAR_ENTRY

} // namespace
} // namespace pyffipar

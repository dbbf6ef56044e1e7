// Every kernel of the library, once: K(result, name, (parameters), (arguments), body).
//
// Names of C functions cannot be made by templates, and three places need them all: the table of one CPU
// level, its functions, and what is exported. So this list is the one use of macros here besides the export
// mark.
#pragma once

#include <cstddef>
#include <cstdint>

// T: element, S: its suffix
#define PYFFIPAR_ORDERED_KERNELS(K, T, S)                                                                    \
    K(T, min_##S, (std::size_t n, const T *x), (n, x), return merge_of<smallest<T>>(n, plain<T>{x});)        \
    K(T, max_##S, (std::size_t n, const T *x), (n, x), return merge_of<largest<T>>(n, plain<T>{x});)         \
    K(T, min_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                 \
      return merge_of<smallest<T>>(n, masked<plain<T>>{{x}, mask, smallest<T>::neutral()});)                 \
    K(T, max_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                 \
      return merge_of<largest<T>>(n, masked<plain<T>>{{x}, mask, largest<T>::neutral()});)                   \
    K(void, min_rows_##S, (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, T *r),            \
      (n, m, apart, x, r), merge_rows<smallest<T>>(n, m, plain_rows<T>{x, apart}, r);)                       \
    K(void, max_rows_##S, (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, T *r),            \
      (n, m, apart, x, r), merge_rows<largest<T>>(n, m, plain_rows<T>{x, apart}, r);)                        \
    K(std::int64_t, argmin_##S, (std::size_t n, const T *x), (n, x), return locate<smallest<T>>(n, x);)      \
    K(std::int64_t, argmax_##S, (std::size_t n, const T *x), (n, x), return locate<largest<T>>(n, x);)       \
    K(std::int64_t, count_nonzero_##S, (std::size_t n, const T *x), (n, x), return count_nonzero(n, x);)     \
    K(bool, any_##S, (std::size_t n, const T *x), (n, x), return any_nonzero(n, x);)                         \
    K(bool, all_##S, (std::size_t n, const T *x), (n, x), return all_nonzero(n, x);)                         \
    K(bool, any_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),              \
      return any_where(n, x, mask);)                                                                         \
    K(bool, all_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),              \
      return all_where(n, x, mask);)

// W: the type of sums
#define PYFFIPAR_INTEGER_KERNELS(K, T, S, W)                                                                 \
    PYFFIPAR_ORDERED_KERNELS(K, T, S)                                                                        \
    K(W, sum_##S, (std::size_t n, const T *x), (n, x), return integer_sum<W>(n, x);)                         \
    K(W, prod_##S, (std::size_t n, const T *x), (n, x), return integer_product<W>(n, x);)                    \
    K(W, sum_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                 \
      return integer_sum_where<W>(n, x, mask);)                                                              \
    K(W, prod_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                \
      return integer_product_where<W>(n, x, mask);)                                                          \
    K(void, sum_rows_##S, (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, W *r),            \
      (n, m, apart, x, r), integer_sum_rows(n, m, plain_rows<T>{x, apart}, r);)                              \
    K(void, cumsum_##S, (std::size_t n, const T *x, W start, W *y), (n, x, start, y),                        \
      running_sum(n, x, start, y);)

#define PYFFIPAR_FLOAT_KERNELS(K, T, S)                                                                      \
    PYFFIPAR_ORDERED_KERNELS(K, T, S)                                                                        \
    K(T, sum_##S, (std::size_t n, const T *x), (n, x), return sum_of(n, plain<T>{x}).value();)               \
    K(T, prod_##S, (std::size_t n, const T *x), (n, x), return merge_of<multiplied<T>>(n, plain<T>{x});)     \
    K(T, sum_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                 \
      return sum_of(n, masked<plain<T>>{{x}, mask, -T{0}}).value();)                                         \
    K(T, prod_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask), (n, x, mask),                \
      return merge_of<multiplied<T>>(n, masked<plain<T>>{{x}, mask, T{1}});)                                 \
    K(T, dot_##S, (std::size_t n, const T *x, const T *y), (n, x, y),                                        \
      return sum_of(n, product<T>{x, y}).value();)                                                           \
    K(T, sumsq_##S, (std::size_t n, const T *x, T scale), (n, x, scale),                                     \
      return sum_of(n, scaled_square<T>{x, scale}).value();)                                                 \
    K(T, sqdev_##S, (std::size_t n, const T *x, T mean), (n, x, mean),                                       \
      return sum_of(n, squared<deviation<T>>{{x, mean}}).value();)                                           \
    K(T, sqdev_where_##S, (std::size_t n, const T *x, const std::uint8_t *mask, T mean), (n, x, mask, mean), \
      return sum_of(n, masked<squared<deviation<T>>>{{{x, mean}}, mask, T{0}}).value();)                     \
    K(void, moments_##S, (std::size_t n, const T *x, double *m), (n, x, m), write(moments_of(n, x), m);)     \
    K(void, sum_rows_##S, (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, T *r),            \
      (n, m, apart, x, r), sum_rows(n, m, plain_rows<T>{x, apart}, r);)                                      \
    K(void, sqdev_rows_##S,                                                                                  \
      (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, const T *mean, T *r),                 \
      (n, m, apart, x, mean, r), sum_rows(n, m, squared_deviation_rows<T>{x, apart, mean}, r);)              \
    K(void, prod_rows_##S, (std::size_t n, std::size_t m, std::ptrdiff_t apart, const T *x, T *r),           \
      (n, m, apart, x, r), merge_rows<multiplied<T>>(n, m, plain_rows<T>{x, apart}, r);)                     \
    K(T, nansum_##S, (std::size_t n, const T *x), (n, x), return sum_of(n, numbers<T>{x, -T{0}}).value();)   \
    K(T, nanmin_##S, (std::size_t n, const T *x), (n, x), return merge_of_numbers<smallest<T>>(n, x);)       \
    K(T, nanmax_##S, (std::size_t n, const T *x), (n, x), return merge_of_numbers<largest<T>>(n, x);)        \
    K(std::int64_t, count_numbers_##S, (std::size_t n, const T *x), (n, x), return count_numbers(n, x);)     \
    K(void, cumsum_##S, (std::size_t n, const T *x, T start, T *y), (n, x, start, y),                        \
      running_sum(n, x, start, y);)                                                                          \
    K(void, exact_sum_##S, (std::size_t n, const T *x, std::int64_t *acc), (n, x, acc),                      \
      exact_sum(n, widened<T>{x}, *reinterpret_cast<sum_accumulator *>(acc));)                               \
    K(void, exact_dot_##S, (std::size_t n, const T *x, const T *y, std::int64_t *acc), (n, x, y, acc),       \
      exact_dot(n, x, y, *reinterpret_cast<accumulator_of<T> *>(acc));)                                      \
    K(void, histogram_##S,                                                                                   \
      (std::size_t n, const T *x, std::size_t bins, const double *edges, double scale,                       \
       std::int64_t *counts),                                                                                \
      (n, x, bins, edges, scale, counts), histogram(n, x, bins, edges, scale, counts);)                      \
    K(T, fold_sum_##S, (std::size_t k, const T *parts), (k, parts), return fold_sums(k, parts);)             \
    K(T, fold_min_##S, (std::size_t k, const T *parts), (k, parts),                                          \
      return fold_merge<smallest<T>>(k, parts);)                                                             \
    K(T, fold_max_##S, (std::size_t k, const T *parts), (k, parts),                                          \
      return fold_merge<largest<T>>(k, parts);)                                                              \
    K(T, fold_nanmin_##S, (std::size_t k, const T *parts), (k, parts),                                       \
      return fold_numbers<smallest<T>>(k, parts);)                                                           \
    K(T, fold_nanmax_##S, (std::size_t k, const T *parts), (k, parts),                                       \
      return fold_numbers<largest<T>>(k, parts);)

// Complex numbers are pairs of T.
#define PYFFIPAR_COMPLEX_KERNELS(K, T, S)                                                                    \
    K(void, sum_##S, (std::size_t n, const T *x, T *r), (n, x, r), complex_sum_of(n, plain<T>{x}, r);)       \
    K(void, prod_##S, (std::size_t n, const T *x, T *r), (n, x, r), complex_product(n, x, r);)               \
    K(void, dot_##S, (std::size_t n, const T *x, const T *y, T *r), (n, x, y, r), complex_dot(n, x, y, r);)  \
    K(std::int64_t, count_nonzero_##S, (std::size_t n, const T *x), (n, x), return count_nonzero_pairs(n, x);)

#define PYFFIPAR_OTHER_KERNELS(K)                                                                            \
    K(void, fold_moments, (std::size_t k, const double *parts, double *m), (k, parts, m),                    \
      fold_moments(k, parts, m);)                                                                            \
    K(double, round_sum, (const std::int64_t *acc, std::int32_t precision, std::int32_t least),              \
      (acc, precision, least), return rounded<sum_accumulator>(acc, precision, least);)                      \
    K(double, round_dot, (const std::int64_t *acc, std::int32_t precision, std::int32_t least),              \
      (acc, precision, least), return rounded<product_accumulator>(acc, precision, least);)                  \
    K(void, bincount, (std::size_t n, const std::int64_t *x, std::size_t bins, std::int64_t *counts),        \
      (n, x, bins, counts), bincount(n, x, bins, counts);)                                                   \
    K(void, weighted_bincount,                                                                               \
      (std::size_t n, const std::int64_t *x, const double *weights, std::size_t bins, double *sums),         \
      (n, x, weights, bins, sums), static_cast<void>(bins);                                                  \
      weighted_bincount(n, x, weights, sums);)                                                               \
    K(void, weighted_histogram,                                                                              \
      (std::size_t n, const double *x, const double *weights, std::size_t bins, const double *edges,         \
       double scale, double *sums),                                                                          \
      (n, x, weights, bins, edges, scale, sums),                                                             \
      weighted_histogram(n, x, weights, bins, edges, scale, sums);)

#define PYFFIPAR_KERNELS(K)                                                                                  \
    PYFFIPAR_INTEGER_KERNELS(K, std::int8_t, i8, std::int64_t)                                               \
    PYFFIPAR_INTEGER_KERNELS(K, std::int16_t, i16, std::int64_t)                                             \
    PYFFIPAR_INTEGER_KERNELS(K, std::int32_t, i32, std::int64_t)                                             \
    PYFFIPAR_INTEGER_KERNELS(K, std::int64_t, i64, std::int64_t)                                             \
    PYFFIPAR_INTEGER_KERNELS(K, std::uint8_t, u8, std::uint64_t)                                             \
    PYFFIPAR_INTEGER_KERNELS(K, std::uint16_t, u16, std::uint64_t)                                           \
    PYFFIPAR_INTEGER_KERNELS(K, std::uint32_t, u32, std::uint64_t)                                           \
    PYFFIPAR_INTEGER_KERNELS(K, std::uint64_t, u64, std::uint64_t)                                           \
    PYFFIPAR_FLOAT_KERNELS(K, float, f32)                                                                    \
    PYFFIPAR_FLOAT_KERNELS(K, double, f64)                                                                   \
    PYFFIPAR_COMPLEX_KERNELS(K, float, c64)                                                                  \
    PYFFIPAR_COMPLEX_KERNELS(K, double, c128)                                                                \
    PYFFIPAR_OTHER_KERNELS(K)

/* Foreign functions for the tests: plain loops, so that what they compute can be checked by eye. */
#include <complex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

double scale_one(double a, double x, int b) { return a * x + b; }

void scale(size_t n, double a, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = a * x[i] + 1;
}

double dot(size_t n, const double *x, const double *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* Every element tells how many the call got: the output shows the grid. */
void chunk_lengths(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] + n;
}
void chunk_lengths_u8(uint8_t n, const double *x, double *y) { chunk_lengths(n, x, y); }
void chunk_lengths_i32(int n, const double *x, double *y) { chunk_lengths((size_t)n, x, y); }

/* Overlap and affine extents. */
void blur(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = (x[i] + x[i + 1] + x[i + 2]) / 3;
}
void rows_difference(size_t rows, size_t cols, const double *x, double *y) {
    for (size_t i = 0; i < rows * cols; i++) y[i] = x[i + cols] - x[i];
}
void interleave(size_t n, const double *re, const double *im, double *z) {
    for (size_t i = 0; i < n; i++) z[2 * i] = re[i], z[2 * i + 1] = im[i];
}
double abs2_sum(size_t n, const double *z) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1];
    return sum;
}
void csr_matvec(size_t rows, const int64_t *begin, size_t entries, const int *col, const double *val, size_t cols,
                const double *x, double *y) {
    (void)entries, (void)cols;
    for (size_t i = 0; i < rows; i++) {
        y[i] = 0;
        for (int64_t k = begin[i]; k < begin[i + 1]; k++) y[i] += val[k] * x[col[k]];
    }
}

/* n-dimensional cores. */
void gemm(size_t m, size_t k, size_t n, const double *a, const double *b, double *c) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++) sum += a[i * k + l] * b[l * n + j];
            c[i * n + j] = sum;
        }
}
void rotate(size_t n, const double r[3][3], const double (*p)[3], double (*q)[3]) {
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < 3; j++) q[i][j] = r[j][0] * p[i][0] + r[j][1] * p[i][1] + r[j][2] * p[i][2];
}
double trace(size_t n, const double *a) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i * n + i];
    return sum;
}

/* Private copies. */
void byte_histogram(size_t n, const unsigned char *x, long *counts) {
    for (size_t i = 0; i < n; i++) counts[x[i]]++;
}
void hist(size_t n, const double *x, size_t bins, double lo, double hi, long *counts) {
    for (size_t i = 0; i < n; i++) {
        double place = (x[i] - lo) / (hi - lo) * (double)bins;
        if (place >= 0 && place < (double)bins) counts[(size_t)place]++;
    }
}
void weigh(size_t n, const int *bin, const double *weight, size_t bins, double *sums) {
    (void)bins;
    for (size_t i = 0; i < n; i++) sums[bin[i]] += weight[i];
}
void extremes(size_t n, const double *x, double *lo, double *hi) {
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= *lo)) *lo = x[i] != x[i] || *lo == *lo ? x[i] : *lo; /* a NaN stays */
        if (!(x[i] <= *hi)) *hi = x[i] != x[i] || *hi == *hi ? x[i] : *hi;
    }
}
void moments(size_t n, const double *x, double *sum, double _Complex *turned, unsigned *bits) {
    for (size_t i = 0; i < n; i++) {
        *sum += x[i];
        *turned += x[i] * (i % 2 ? I : 1);
        *bits ^= (unsigned)(int)x[i];
    }
}

/* In place, and several outputs. */
void add_to(size_t n, double *x, double a) {
    for (size_t i = 0; i < n; i++) x[i] += a;
}
int divide(size_t n, const int *a, const int *b, int *quotient, int *rest) {
    int exact = 0;
    for (size_t i = 0; i < n; i++) quotient[i] = a[i] / b[i], rest[i] = a[i] % b[i], exact += rest[i] == 0;
    return exact;
}
void square_of(double x, double *y) { *y = x * x; }

/* First element of each call, as it is: shows what merging does to NaN, infinities and -0.0. */
double first(size_t n, const double *x) { return n ? x[0] : 0; }
float first_float(size_t n, const float *x) { return n ? x[0] : 0; }

/* One of each type: elements in and out, by value, returned, summed. */
#define FOR_TYPE(name, type)                                                                                           \
    void copy_##name(size_t n, const type *x, type *y) { for (size_t i = 0; i < n; i++) y[i] = x[i]; }                 \
    type same_##name(type x) { return x; }                                                                             \
    void fill_##name(size_t n, type value, type *y) { for (size_t i = 0; i < n; i++) y[i] = value; }                   \
    type first_##name##_of(size_t n, const type *x) { return n ? x[0] : (type)0; }
FOR_TYPE(bool, bool)
FOR_TYPE(char, char)
FOR_TYPE(int8, int8_t)
FOR_TYPE(uint8, uint8_t)
FOR_TYPE(int16, int16_t)
FOR_TYPE(uint16, uint16_t)
FOR_TYPE(int32, int32_t)
FOR_TYPE(uint32, uint32_t)
FOR_TYPE(int64, int64_t)
FOR_TYPE(uint64, uint64_t)
FOR_TYPE(float, float)
FOR_TYPE(double, double)
FOR_TYPE(cfloat, float _Complex)
FOR_TYPE(cdouble, double _Complex)

/* More arguments than registers, narrow ones among them. */
double many(int8_t a, double b, uint16_t c, float d, int64_t e, double f, uint32_t g, float h, int16_t i, double j,
            uint8_t k, double l, int64_t m, double o, double p, double q, bool r, float s, uint64_t t) {
    return a + 2 * b + 3 * c + 4 * d + 5 * (double)e + 6 * f + 7 * (double)g + 8 * h + 9 * i + 10 * j + 11 * k +
           12 * l + 13 * (double)m + 14 * o + 15 * p + 16 * q + 17 * r + 18 * s + 19 * (double)t;
}

/* A handle: what it points to is none of the caller's business. */
struct shift { double by; };
void shift_all(const struct shift *how, size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] + how->by;
}

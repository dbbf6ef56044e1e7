/* A function that does without one of its arrays. */
#include <stddef.h>

double dot_or_sum(size_t n, const double *x, const double *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += y ? x[i] * y[i] : x[i];
    return sum;
}

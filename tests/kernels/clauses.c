/* Foreign functions whose contracts need more than brackets: carried values, indices, statuses, handles, strides. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A checksum that can be continued, and how two of them join. */
uint64_t checksum(uint64_t seed, const unsigned char *data, unsigned length) {
    for (unsigned i = 0; i < length; i++) seed = seed * 31 + data[i];
    return seed;
}
uint64_t checksum_join(uint64_t earlier, uint64_t later, long length) {
    uint64_t power = 1;
    while (length-- > 0) power *= 31;
    return earlier * power + later;
}

/* Everything a call is told about its place. */
void places(int start, double where, size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * 0 + start + 1000 * where + (double)i;
}
void carried(double value, size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] + value;
}

long smallest_at(size_t n, const double *x) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] < x[best] || (x[i] != x[i] && x[best] == x[best])) best = i;
    return (long)best;
}
unsigned char largest_at(size_t n, const int *x) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (unsigned char)best;
}

size_t positive(size_t n, const double *x, double *y) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i] > 0) y[used++] = x[i];
    return used;
}
size_t too_many(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i];
    return x[0] > 0 ? n + 1 : n;
}

double mean_of(const double *data, size_t stride, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += data[i * stride];
    return sum / (double)n;
}
void add_columns(const double *a, ptrdiff_t by, size_t n, double *out) {
    for (size_t i = 0; i < n; i++) out[i] = a[(ptrdiff_t)i * by] + 1;
}

/* Reads one element before and one behind its own. */
void between(size_t n, const double *x, double *y) {
    const double *p = x;
    for (size_t i = 0; i < n; i++, p++) y[i] = p[-1] + 100 * p[0] + 10000 * p[1];
}

/* Fails where an element is negative. */
int checked_root(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        if (x[i] < 0) {
            errno = EDOM;
            return -(int)x[i];
        }
        y[i] = x[i] / 2;
    }
    return 0;
}
const char *explain_code(int code) { return code == 7 ? "seven is not good" : "something else"; }
size_t all_or_less(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i];
    return n && x[0] < 0 ? n - 1 : n;
}

/* A handle with state that two threads must not share. */
struct counter { long calls; double scale; };
static long made, ended;
void *counter_new(double *unused) { (void)unused; return NULL; }
void *counter_clone(const struct counter *from) {
    struct counter *copy = malloc(sizeof *copy);
    __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
    copy->calls = 0;
    copy->scale = from->scale;
    return copy;
}
void *counter_none(const struct counter *from) { (void)from; return NULL; }
void counter_free(void *counter) {
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    free(counter);
}
long counters_made(int which) { return which ? ended : made; }
void counter_use(struct counter *counter, size_t n, const double *x, double *y) {
    long before = counter->calls;
    for (size_t i = 0; i < n; i++) y[i] = x[i] * counter->scale;
    counter->calls = before + 1; /* loses counts if shared */
}
void counter_add(struct counter *counter, size_t n, const double *x) {
    for (size_t i = 0; i < n; i++) counter->calls += x[i] > 0;
}
void counter_merge(struct counter *into, const struct counter *from) { into->calls += from->calls; }

/* Structs as elements. */
struct point { char tag; double x, y; };
void swap_points(size_t n, const struct point *p, struct point *q) {
    for (size_t i = 0; i < n; i++) q[i] = (struct point){(char)(p[i].tag + 1), p[i].y, p[i].x};
}

/* Calls back. */
double apply(double (*f)(double, long), size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += f(x[i], (long)i);
    return sum;
}

/* A function behind a variable. */
static double twice_(double x) { return 2 * x; }
double (*twice)(double) = twice_;

static int ready;
void set_up(void) { ready++; }
int is_ready(int unused) { return ready + 0 * unused; }

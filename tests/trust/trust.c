/* Functions whose calls can be held, counted and let go from outside: a test waits for what happens, not for time. */
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Lies in an array of the test. */
struct gate {
    _Atomic int64_t entered, left; /* calls */
    _Atomic int64_t released;      /* set by the test */
    _Atomic int64_t arrived;       /* calls at their meeting point */
    _Atomic int64_t gave_up;       /* of waiting: a test that sees it has failed */
};

static void nap(long microseconds) {
    struct timespec time = {0, microseconds * 1000};
    nanosleep(&time, NULL);
}

/* Far longer than any machine takes; without a limit a mistake would hang the suite. */
static void wait_for(struct gate *gate, const _Atomic int64_t *counter, int64_t value) {
    for (int rounds = 0; *counter < value; rounds++) {
        if (rounds > 300000) {
            gate->gave_up = 1;
            return;
        }
        nap(100);
    }
}

static void copy(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i];
    }
}

/* Until as many calls as that are inside at the same time. Dear, so that help is called for; but ask for no more than a few
 * calls: of many, the pool makes one alone at first to see what they cost. */
static void meet_others(struct gate *gate, int64_t parties) {
    nap(1000);
    gate->arrived++;
    wait_for(gate, &gate->arrived, parties);
}

static int64_t thread_id(void) { return (int64_t)syscall(SYS_gettid); }

/* Stays until it is released. */
void held(struct gate *gate, size_t n, const double *x, double *y) {
    gate->entered++;
    wait_for(gate, &gate->released, 1);
    copy(n, x, y);
    gate->left++;
}

/* As held; the process's first thread does not wait. */
void held_elsewhere(struct gate *gate, size_t n, const double *x, double *y) {
    gate->entered++;
    if (thread_id() != getpid()) {
        wait_for(gate, &gate->released, 1);
    }
    nap(1000);
    copy(n, x, y);
    gate->left++;
}

/* Takes a millisecond at least. */
void slow(struct gate *gate, size_t n, const double *x, double *y) {
    gate->entered++;
    nap(1000);
    copy(n, x, y);
    gate->left++;
}

/* Tells its thread, once as many calls as that are inside at the same time. */
void meet(struct gate *gate, int64_t parties, size_t n, const double *x, int64_t *thread) {
    meet_others(gate, parties);
    for (size_t i = 0; i < n; i++) {
        thread[i] = thread_id() + 0 * (int64_t)x[i];
    }
}

void who(size_t n, const double *x, int64_t *thread) {
    for (size_t i = 0; i < n; i++) {
        thread[i] = thread_id() + 0 * (int64_t)x[i];
    }
    nap(100);
}

/* Fails, with errno, where x is not 0. */
int fail(struct gate *gate, size_t n, const int *x, double *y) {
    gate->entered++;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i];
        if (x[i] != 0) {
            errno = x[i];
            return 100 + x[i];
        }
    }
    errno = 0;
    return 0;
}

/* Once as many calls as that are inside. */
int fail_together(struct gate *gate, int64_t parties, size_t n, const int *x, double *y) {
    meet_others(gate, parties);
    return fail(gate, n, x, y);
}

const char *words(int status) { return status == 105 ? "no light" : "no idea"; }

/* Calls back for every element. */
void apply(double (*f)(double), size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = f(x[i]);
    }
}

int apply_checked(double (*f)(double), size_t n, const double *x) {
    for (size_t i = 0; i < n; i++) {
        if (f(x[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

void apply_together(struct gate *gate, int64_t parties, double (*f)(double), size_t n, const double *x, double *y) {
    meet_others(gate, parties);
    apply(f, n, x, y);
}

double total(size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

int join(double earlier, double later, double *joined) {
    *joined = earlier + later;
    return *joined > 10 ? 7 : 0;
}

void histogram(size_t n, const int *x, size_t bins, int64_t *counts) {
    for (size_t i = 0; i < n; i++) {
        counts[(size_t)x[i] % bins]++;
    }
}

/* What the thread computes like: rounding mode, and whether it flushes denormals. */
void habits(struct gate *gate, int64_t parties, size_t n, const double *x, int *rounding, int *flushes) {
    meet_others(gate, parties);
    for (size_t i = 0; i < n; i++) {
        volatile double tiny = 1e-310 + 0 * x[i];
        rounding[i] = fegetround();
        flushes[i] = tiny * 1.0 == 0;
    }
}

void flush_denormals(int on) {
#if defined(__x86_64__)
    _mm_setcsr(on ? _mm_getcsr() | 0x8040 : _mm_getcsr() & ~0x8040u);
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(control));
    control = on ? control | (1u << 24) : control & ~(uint64_t)(1u << 24);
    __asm__ __volatile__("msr fpcr, %0" : : "r"(control));
#endif
}

static int dig(int64_t kibibytes) {
    volatile char used[1024];
    used[0] = used[1023] = 1;
    return kibibytes <= 1 ? used[0] : dig(kibibytes - 1) + used[1023];
}

/* Uses that much stack. */
void deep(struct gate *gate, int64_t parties, int64_t kibibytes, size_t n, const double *x, int64_t *depth) {
    meet_others(gate, parties);
    for (size_t i = 0; i < n; i++) {
        depth[i] = dig(kibibytes) + 0 * (int64_t)x[i];
    }
}

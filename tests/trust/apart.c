/* For workers that share no memory with the test but arrays: what they do shows in what they write. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void nap(void) {
    struct timespec time = {0, 1000000};
    nanosleep(&time, NULL);
}

/* Does to its process what the items say. */
void trip(size_t n, const int *what, double *y) {
    for (size_t i = 0; i < n; i++) {
        switch (what[i]) {
        case 1: *(volatile int *)8 = 1; break;
        case 2: abort();
        case 3: exit(3);
        case 4: kill(getpid(), SIGKILL); break;
        case 5: _exit(0);
        case 6: raise(SIGTERM); break;
        case 7: for (int file = 3; file < 64; file++) close(file); break;
        case 8: nap(); break;
        }
        y[i] = (double)i;
    }
}
double trip_one(double x) {
    if (x == 77) abort();
    return x;
}

/* Notes that it is inside, and stays there until the gate is opened. */
void held(size_t n, const double *x, size_t g, const int64_t *gate, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = -2;
        while (((const volatile int64_t *)gate)[g - 1] == 0) nap();
        y[i] = x[i];
    }
}
void slow(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        nap();
        y[i] = x[i];
    }
}
void who(size_t n, const double *x, int64_t *process) {
    for (size_t i = 0; i < n; i++) {
        nap();
        process[i] = getpid() + 0 * (int64_t)x[i];
    }
}
double total(size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

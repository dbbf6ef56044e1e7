/* What passes between two cores, seen from C: an atomic word to and fro, and the ends of the pool's jobs.
 *
 *     handoff ROUNDS
 *
 * Prints medians in nanoseconds: of a round trip of one word between two pinned threads; and, for jobs of two chunks of
 * which a worker that is awake takes one, from the caller's first step into its chunk to the worker's into the other
 * one, and from the worker's last step to the return of pyffipar_run(); and what a job takes beyond the worker's chunk,
 * from the call on: a caller that is slow to begin does not make that look better. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pyffipar.h"

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static cpu_set_t allowed;

/* This thread to one of the CPUs of this process: that is what makes two threads two cores. */
static void pin(int place) {
    cpu_set_t one;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && place-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
            return;
        }
    }
}

enum { TRIPS = 1000 };
static _Alignas(64) atomic_int word;

static void *answer(void *rounds) {
    pin(1);
    for (long i = 0; i < *(long *)rounds * TRIPS; i++) {
        while (atomic_load_explicit(&word, memory_order_acquire) != 2 * i + 1) {}
        atomic_store_explicit(&word, (int)(2 * i + 2), memory_order_release);
    }
    return NULL;
}

static double round_trip(long rounds) {
    pthread_t other;
    int64_t *taken = malloc((size_t)rounds * sizeof *taken);
    sched_getaffinity(0, sizeof allowed, &allowed);
    pthread_create(&other, NULL, answer, &rounds);
    pin(0);
    for (long i = 0; i < rounds; i++) {
        const int64_t begin = now();
        for (long trip = i * TRIPS; trip < (i + 1) * TRIPS; trip++) {
            atomic_store_explicit(&word, (int)(2 * trip + 1), memory_order_release);
            while (atomic_load_explicit(&word, memory_order_acquire) != 2 * trip + 2) {}
        }
        taken[i] = now() - begin;
    }
    pthread_join(other, NULL);
    pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
    const double found = (double)median(taken, (int)rounds) / TRIPS;
    free(taken);
    return found;
}

static pthread_t caller;
static int64_t begun[2], ended[2]; /* the caller's, the worker's */
static _Alignas(64) atomic_int inside;

/* Some 20 us, so that sharing is worth it; the worker's takes longer, so that the caller waits for it. */
static void chunk(void) {
    const int64_t begin = now();
    const int is_worker = !pthread_equal(pthread_self(), caller);
    begun[is_worker] = begin;
    atomic_fetch_or(&inside, 1 << is_worker);
    int64_t at = begin;
    while (at - begin < (is_worker ? 30000 : 15000)) {
        at = now();
    }
    ended[is_worker] = now();
}

static int jobs(long rounds, int64_t *in, int64_t *out, int64_t *beyond) {
    pyffipar_function *function;
    int count = 0;
    if (pyffipar_function_create((void *)chunk, PYFFIPAR_VOID, NULL, 0, 0, &function) != PYFFIPAR_DONE) {
        return 0;
    }
    pyffipar_argument none = {0};
    for (long i = -20; i < rounds; i++) {
        const int64_t shape[] = {2};
        pyffipar_job job = {0};
        job.function = function;
        job.arguments = &none;
        job.loop_ndim = 1;
        job.loop_shape = shape;
        job.chunks = job.grain = 1;
        job.threads = 2;
        atomic_store(&inside, 0);
        const int64_t called = now();
        if (pyffipar_run(&job, INT64_MAX) != PYFFIPAR_DONE) {
            return 0;
        }
        const int64_t back = now();
        /* The caller may have done both, or the worker been the first: then there was no waiting to measure. */
        if (i >= 0 && atomic_load(&inside) == 3 && begun[1] >= begun[0] && ended[1] >= ended[0]) {
            in[count] = begun[1] - begun[0];
            out[count] = back - ended[1];
            beyond[count] = begun[1] - called + back - ended[1];
            count++;
        }
    }
    return count;
}

static double clock_cost(void) {
    const int64_t begin = now();
    for (int i = 0; i < 100000; i++) {
        now();
    }
    return (double)(now() - begin) / 100000;
}

int main(int argc, char **argv) {
    const long rounds = argc > 1 ? atol(argv[1]) : 2000;
    int64_t *in = malloc((size_t)rounds * sizeof *in), *out = malloc((size_t)rounds * sizeof *out);
    int64_t *beyond = malloc((size_t)rounds * sizeof *beyond);
    caller = pthread_self();
    const double trip = round_trip(rounds / 10 + 1);
    const int seen = jobs(rounds, in, out, beyond);
    if (seen == 0) {
        fprintf(stderr, "no worker ever came: %s\n", pyffipar_last_error());
        return 1;
    }
    printf("{\"round_trip\": %.1f, \"in\": %lld, \"out\": %lld, \"beyond\": %lld, \"clock\": %.1f, \"seen\": %d, \"of\": %ld}\n", trip,
           (long long)median(in, seen), (long long)median(out, seen), (long long)median(beyond, seen), clock_cost(), seen, rounds);
    return 0;
}

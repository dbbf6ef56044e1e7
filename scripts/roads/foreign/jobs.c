/* The jobs and the native proof in plain C. Nothing here knows of Python: whether two calls overlap is decided by who calls. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Job "cpu": a pure computation, as naive as can be. */
long fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/* Job "sum": one chunk. */
double total(size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

/* Job "io": one GET from a server on loopback; the bytes that came, or -1. */
long get(int port) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_in where = {.sin_family = AF_INET};
    struct timeval limit = {.tv_sec = 30};
    char answer[512];
    long bytes = 0, part = -1;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    where.sin_port = htons((unsigned short)port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s < 0) return -1;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(s, (struct sockaddr *)&where, sizeof where) == 0 && send(s, request, strlen(request), 0) > 0)
        while ((part = recv(s, answer, sizeof answer, 0)) > 0) bytes += part;
    close(s);
    return part < 0 ? -1 : bytes;
}

/* The native rendezvous: returns 1 as soon as `wanted` callers are inside at once, 0 after `patience` milliseconds.
   Who has given up is never met: from then on every call returns 0 at once, so a process proves one thing once. */
int meet(int wanted, int patience) {
    static atomic_int arrived, gone;
    int last = (atomic_fetch_add(&arrived, 1) / wanted + 1) * wanted;
    double deadline = now() + 1e-3 * patience;
    struct timespec pause = {.tv_nsec = 200000};
    while (!atomic_load(&gone)) {
        if (atomic_load(&arrived) >= last) return 1;
        if (now() > deadline) atomic_store(&gone, 1);
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Spans: fib, and when which thread was inside. */
enum { MOST_SPANS = 4096 };
static double spans[MOST_SPANS][3];
static atomic_size_t used;

long timed_fib(int n) {
    static _Thread_local char here; /* its address tells threads apart */
    double start = now();
    long value = fib(n);
    size_t slot = atomic_fetch_add(&used, 1);
    if (slot < MOST_SPANS) {
        spans[slot][0] = start;
        spans[slot][1] = now();
        spans[slot][2] = (double)(size_t)&here;
    }
    return value;
}

/* Copies at most `most` spans of (start, end, thread) and forgets them; returns how many there were. */
size_t take_spans(size_t most, double *out) {
    size_t count = atomic_exchange(&used, 0);
    if (count > most) count = most;
    memcpy(out, spans, count * sizeof spans[0]);
    return count;
}

# cython: language_level=3, boundscheck=False, wraparound=False
"""The jobs through Cython: plain, without the GIL, and in parallel loops."""
from cython.parallel import prange

cdef extern from "jobs.c":
    long c_fib "fib"(int n) nogil
    long c_timed_fib "timed_fib"(int n) nogil
    double c_total "total"(size_t n, const double *x) nogil
    int c_meet "meet"(int wanted, int patience) nogil


def hold_fib(int n):
    return c_fib(n)


def hold_timed_fib(int n):
    return c_timed_fib(n)


def hold_total(const double[::1] data, Py_ssize_t start, Py_ssize_t stop):
    return c_total(stop - start, &data[start])


def hold_meet(int wanted, int patience):
    return c_meet(wanted, patience)


def nogil_fib(int n):
    cdef long value
    with nogil:
        value = c_fib(n)
    return value


def nogil_timed_fib(int n):
    cdef long value
    with nogil:
        value = c_timed_fib(n)
    return value


def nogil_total(const double[::1] data, Py_ssize_t start, Py_ssize_t stop):
    cdef double value
    with nogil:
        value = c_total(stop - start, &data[start])
    return value


def nogil_meet(int wanted, int patience):
    cdef int met
    with nogil:
        met = c_meet(wanted, patience)
    return met


def prange_fib(int n, int count, int workers):
    cdef long value = 0
    cdef int i
    for i in prange(count, nogil=True, num_threads=workers, schedule="static", chunksize=1):
        value += c_fib(n)
    return value // count


def prange_total(const double[::1] data, int chunks, int workers):
    cdef double value = 0
    cdef Py_ssize_t n = data.shape[0]
    cdef int i
    for i in prange(chunks, nogil=True, num_threads=workers, schedule="static", chunksize=1):
        value += c_total((i + 1) * n // chunks - i * n // chunks, &data[i * n // chunks])
    return value


def prange_meet(int wanted, int patience):
    cdef int met = 0
    cdef int i
    for i in prange(wanted, nogil=True, num_threads=wanted, schedule="static", chunksize=1):
        met += c_meet(wanted, patience)
    return met

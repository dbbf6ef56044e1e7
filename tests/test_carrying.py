"""Calls that nobody looks after until a slice of time is over: what becomes of them when they fail, or take long."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pyffipar as pf

SOURCE = r"""
    #include <stddef.h>
    #include <time.h>
    static int calls;
    int made(void) { return calls; }
    int fail(int x) { calls++; return x; }
    void nap(size_t n, const double *x, double *y) {
        struct timespec time = {0, 30000000};
        for (size_t i = 0; i < n; i++) { nanosleep(&time, NULL); calls++; y[i] = 2 * x[i]; }
    }
"""
DECLARATIONS = """
    int made(void);
    int fail(int x) status(0);
    void nap(size_t n, const double x[n], double y[n]) chunk(max = 1);
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


def test_a_call_that_fails_at_once_is_not_made_again_to_see_why(library: pf.Library) -> None:
    fail = library.fail.options(threads=1)
    again = fail.prepare([0, 0, 7])
    calls: list[Callable[[], object]] = [lambda: fail([0, 0, 7]), again, again]
    for call in calls:
        before = library.made()
        with pytest.raises(pf.ChunkError, match=r"^fail at \(2,\) returned 7$"):
            call()
        assert library.made() == before + 3


def test_what_is_left_after_the_first_slice_of_time_is_taken_up_and_not_begun_anew(library: pf.Library) -> None:
    x = np.arange(8.0)  # a quarter of a second for one thread
    nap = library.nap.options(threads=1)
    again = nap.prepare(x)
    calls: list[Callable[[], object]] = [lambda: nap(x), again, again]
    for call in calls:
        before = library.made()
        assert np.array_equal(np.asarray(call()), 2 * x)
        assert library.made() == before + 8


def test_a_prepared_call_that_has_failed_can_be_made_again(library: pf.Library) -> None:
    x = np.array([0, 0, 7], np.intc)
    again = library.fail.options(threads=1).prepare(x)
    with pytest.raises(pf.ChunkError):
        again()
    x[2] = 0
    again()
    with pf.trace() as trace:
        again()
    assert [(call.executor, call.chunks) for call in trace.calls] == [("native", 3)]

"""Prepared calls that the native library makes by itself: who makes them, in turn, and what they keep alive."""

from __future__ import annotations

import gc
import inspect
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.preparing import Prepared, Repeated

SOURCE = r"""
    #include <stddef.h>
    #include <time.h>
    double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
    double nap(size_t n, const double *x) {
        struct timespec time = {0, 20000000};
        nanosleep(&time, NULL);
        return x[0];
    }
"""
DECLARATIONS = """
    double total(size_t n, const double x[n]) reduction(+) chunk(max = 10);
    double nap(size_t n, const double x[n]) reduction(+) chunk(max = 1);
"""
HUNDRED = np.arange(100.0)


@pytest.fixture
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


def merged_by(function: Any) -> pf.Function:
    declared = "double total(size_t n, const double x[n]) reduction(merge(_, _)) chunk(max = 10);"
    return pf.compile(SOURCE, declared, callables={"merge": function}).total


def test_python_has_no_part_in_them(library: pf.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    again = library.total.prepare(HUNDRED)
    assert isinstance(again, Repeated)
    monkeypatch.setattr(Repeated, "_in_turn", None)
    assert again() == again() == HUNDRED.sum()


WISHES: dict[str, Any] = {"timeout": 60.0, "progress": lambda *_: None, "executor": "threads"}


@pytest.mark.parametrize("wish", WISHES)
def test_python_makes_those_that_want_more_than_to_be_made(library: pf.Library, wish: str) -> None:
    again = library.total.options(**{wish: WISHES[wish]}).prepare(HUNDRED)
    assert isinstance(again, Prepared)
    assert again() == again() == HUNDRED.sum()


def test_where_python_cannot_make_them_by_itself_they_are_the_same(
    library: pf.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyffipar.carrying.is_had", lambda: False)
    again = library.total.prepare(HUNDRED)
    assert isinstance(again, Prepared)
    assert again() == again() == HUNDRED.sum()


def test_they_take_no_arguments(library: pf.Library) -> None:
    with pytest.raises(TypeError, match=r"takes no arguments \(1 given\)"):
        library.total.prepare(HUNDRED)(1)  # type: ignore[call-arg]


@pytest.mark.parametrize("executor", ["native", "serial"])
def test_they_say_what_they_are(library: pf.Library, executor: str) -> None:
    again = library.total.options(executor=executor).prepare(HUNDRED)
    assert repr(again) == "<prepared call of total>"
    assert not inspect.signature(again).parameters


def test_a_result_is_a_numpy_scalar_and_the_sum_of_the_chunks_in_their_order(library: pf.Library) -> None:
    x = np.zeros(40)
    x[::10] = 1e100, 1, -1e100, 0.5
    again = library.total.prepare(x)
    assert type(again()) is np.float64
    assert again() == library.total(x) == library.total.options(executor="serial")(x) == 0.5


def test_one_that_is_made_by_its_own_merging_function_is_refused() -> None:
    made: list[Any] = []
    made.append(merged_by(lambda *_: made[0]()).prepare(HUNDRED))
    with pytest.raises(
        pf.ChunkError, match=r"RuntimeError: total: this prepared call is being made; it cannot be made"
    ):
        made[0]()


def test_one_can_be_made_inside_another(library: pf.Library) -> None:
    inner = library.total.prepare(HUNDRED)
    outer = merged_by(lambda one, other: one + other + 0 * inner()).prepare(HUNDRED)
    assert outer() == HUNDRED.sum()


def test_one_that_is_made_by_a_signal_handler_inside_itself_is_refused(library: pf.Library) -> None:
    again = library.nap.options(threads=1).prepare(np.ones(10))  # a fifth of a second
    before = signal.signal(signal.SIGALRM, lambda *_: again())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(RuntimeError, match="nap: this prepared call is being made"):
            again()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert again() == 10


def test_threads_wait_for_one_that_takes_long(library: pf.Library) -> None:
    again = library.nap.options(threads=1).prepare(np.ones(5))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: again(), range(3))) == [5, 5, 5]


def test_threads_that_make_a_small_one_all_the_time_get_what_it_gives(library: pf.Library) -> None:
    again = library.total.options(threads=2).prepare(HUNDRED)
    wrong: list[float] = []

    def work() -> None:
        wrong.extend(value for _ in range(2000) if (value := again()) != HUNDRED.sum())

    team = [threading.Thread(target=work) for _ in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert not wrong


def test_traces_that_begin_and_end_meanwhile_see_whole_calls(library: pf.Library) -> None:
    again = library.total.options(threads=2).prepare(HUNDRED)
    stop, wrong = threading.Event(), list[float]()

    def work() -> None:
        while not stop.is_set():
            wrong.extend(value for _ in range(100) if (value := again()) != HUNDRED.sum())

    team = [threading.Thread(target=work) for _ in range(2)]
    for thread in team:
        thread.start()
    try:
        for _ in range(20):
            with pf.trace() as traced:
                assert again() == HUNDRED.sum()
            assert sum(call.thread == threading.get_native_id() for call in traced.calls) == 1
    finally:
        stop.set()
        for thread in team:
            thread.join()
    assert not wrong


def test_what_they_hold_is_let_go_with_them(library: pf.Library) -> None:
    x = HUNDRED.copy()
    dies = weakref.ref(x)
    again = library.total.prepare(x)
    again()
    gc.disable()
    try:
        del x, again
        assert dies() is None
    finally:
        gc.enable()

"""Calls that Python makes without ctypes in between: what is known by heart, and that nobody else has to be asked."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import _native
from pyffipar._native import built_ins
from pyffipar.executors import native, repertoire
from pyffipar.recall import Template

Array = np.ndarray[Any, np.dtype[Any]]

pytestmark = pytest.mark.skipif(not built_ins.are_here(), reason="this Python cannot be given built-in functions")

DECLARED = """
    void scale(size_t n, double a, const double x[n], double y[n]);
    double dot(size_t n, const double x[n], const double y[n]) reduction(+);
    void add_to(size_t n, double x[n], double a) inout(x);
    void extremes(size_t n, const double x[n], double lo[1], double hi[1]) reduction(min: lo) reduction(max: hi);
    int divide(size_t n, const int a[n], const int b[n], int quotient[n], int rest[n]) reduction(+);
    double scale_one(double a, double x, int b);
"""


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(Path(__file__).with_name("kernels").joinpath("basics.c").read_text(), DECLARED)


@pytest.fixture
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, no call may be planned, bound or looked after."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("this call was to be known by heart")

    return lambda: monkeypatch.setattr(pf.Function, "_call", refuse)


x, y = np.linspace(1, 2, 100), np.linspace(3, 4, 100)
out = np.empty(100)
whole = np.arange(1, 101, dtype=np.intc)
CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "an output that is made": ("scale", (2.0, x), {}),
    "an output that is given": ("scale", (2.0, x), {"out": out}),
    "everything by name": ("scale", (), {"y": out, "x": x, "a": 2.0}),
    "an int for a double": ("scale", (2, x), {}),
    "NumPy's double": ("scale", (np.float64(2), x), {}),
    "rows": ("scale", (2.0, x.reshape(4, 25)), {}),
    "every second element": ("scale", (2.0, x[::2]), {}),
    "lifted over numbers": ("scale", (y[:3], x[:50]), {}),
    "a returned value": ("dot", (x, y), {}),
    "returned values": ("dot", (x.reshape(4, 25), y[:25]), {}),
    "outputs without dimensions": ("extremes", (x,), {}),
    "several outputs": ("divide", (whole, whole[::-1].copy()), {}),
    "no arrays": ("scale_one", (2.0, 3.0, 4), {}),
    "a size": ("dot", (x, y), {"n": 100}),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_like_an_earlier_one_asks_nobody(
    library: pf.Library, nothing_else: Callable[[], None], call: str
) -> None:
    name, arguments, keywords = CALLS[call]
    function = getattr(library, name).options(threads=2)
    expected = function.options(executor="serial")(*arguments, **keywords)
    wanted = [np.array(one) for one in (expected if isinstance(expected, tuple) else (expected,))]
    function(*arguments, **keywords)
    nothing_else()
    for _ in range(3):
        made = function(*arguments, **keywords)
        assert type(made) is type(expected)
        found = made if isinstance(made, tuple) else (made,)
        assert [np.array(one).tobytes() for one in found] == [one.tobytes() for one in wanted]
        if expected is out:
            assert made is out


def test_in_place_asks_nobody(library: pf.Library, nothing_else: Callable[[], None]) -> None:
    add_to = library.add_to.options(threads=2)
    one, other = np.zeros(10), np.ones(10)
    add_to(one, 1.0)
    nothing_else()
    add_to(one, 2.0)
    add_to(other, 2.5)
    assert (one.tolist(), other.tolist()) == ([3.0] * 10, [3.5] * 10)


@pytest.mark.parametrize(
    "arguments",
    [
        (2.0, x[:99]),
        (2.0, x.astype(np.float32)),
        (2.0, x.astype(">f8")),
        (2.0, list(x)),
        (2.0, x.reshape(1, 100)),
        (2.0, np.repeat(x, 2)[::2]),
        (np.float32(2), x),
        (True, x),
        (2, x),
        (np.array(2.0), x),
        (2.0, x.view(np.recarray)),
        (2.0, np.ascontiguousarray(x[::-1])[::-1]),
    ],
    ids=lambda arguments: f"{type(arguments[0]).__name__}, {type(arguments[1]).__name__}",
)
def test_what_is_not_known_takes_the_long_way(library: pf.Library, arguments: tuple[Any, ...]) -> None:
    scale = library.scale.options(threads=2)
    scale(2.0, x)
    np.testing.assert_array_equal(scale(*arguments), scale.options(executor="serial")(*arguments))


def test_a_name_that_is_equal_but_not_the_same_is_as_good(library: pf.Library) -> None:
    scale = library.scale.options(threads=2)
    name = "".join(["o", "ut"])
    for _ in range(3):
        assert scale(2.0, x, **{name: out}) is out


# Nothing leaks, nothing is touched too late


def test_neither_arguments_nor_results_are_leaked(library: pf.Library) -> None:
    scale, dot, divide = (getattr(library, name).options(threads=2) for name in ("scale", "dot", "divide"))
    watched = [x, y, out, whole, x.dtype, np.dtype(np.intc), None, Ellipsis, NotImplemented, 2.5]

    def calls() -> None:
        scale(watched[-1], x, out=out), scale(2.5, x), dot(x, y), divide(whole, whole)
        with pytest.raises(ValueError, match="overlaps"):
            scale(2.5, out[:50], out=out[25:75])

    for _ in range(3):
        calls()
    gc.collect()
    before = [sys.getrefcount(one) for one in watched]
    objects = len(gc.get_objects())
    for _ in range(100):
        calls()
    gc.collect()
    after = [sys.getrefcount(one) for one in watched]
    assert all(abs(late - early) < 20 for early, late in zip(before, after, strict=True)), (before, after)
    assert len(gc.get_objects()) < objects + 100


def test_an_array_cannot_be_resized_under_a_call() -> None:
    """NumPy asks for weak references only, once it is told not to count others."""
    meeting = pf.compile(
        """
        #include <stddef.h>
        #include <stdatomic.h>
        #include <time.h>
        static atomic_int state;
        void enter(void) { atomic_store(&state, 0); }
        int is_inside(void) { return atomic_load(&state) == 1; }
        void leave(void) { atomic_store(&state, 2); }
        double wait_for(size_t n, const double *x) {
            struct timespec nap = {0, 1000000};
            atomic_store(&state, 1);
            for (int i = 0; i < 20000 && atomic_load(&state) != 2; i++) nanosleep(&nap, NULL);
            return n ? x[n - 1] : 0;
        }
        """,
        """
        double wait_for(size_t n, const double x[n]) split();
        void enter(void); void leave(void); int is_inside(void);
        """,
    )
    own = np.arange(50.0)
    view = own[:]
    meeting.leave()
    waiting = meeting.wait_for.options(threads=1)

    def call() -> float:
        return float(waiting(view))

    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):  # the long way first, then by heart
            meeting.enter()
            future = pool.submit(call)
            while not meeting.is_inside():
                pass
            with pytest.raises(ValueError, match="resize"):
                own.resize(10**6, refcheck=False)
            meeting.leave()
            assert future.result(30) == 49.0


# What goes wrong, and what takes long


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learnt now is never over at once."""
    monkeypatch.setattr(repertoire, "AT_ONCE", 0)


@pytest.mark.usefixtures("impatient")
def test_a_call_that_is_not_over_at_once_is_taken_up(library: pf.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_up: list[int] = []
    take_up = native.Job.take_up

    def noted(self: native.Job, status: int, *rest: Any) -> None:
        taken_up.append(status)
        take_up(self, status, *rest)

    monkeypatch.setattr(native.Job, "take_up", noted)
    dot = library.dot.options(threads=2)
    many = np.random.default_rng(1).standard_normal(3_000_000)
    expected = dot(many, many)
    assert [dot(many, many) for _ in range(5)] == [expected] * 5
    assert set(taken_up) == {_native.Status.PENDING}


@pytest.mark.usefixtures("impatient")
def test_nobody_is_in_the_arrays_after_an_interruption(library: pf.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    dot = library.dot.options(threads=2)
    many = np.ones(8_000_000)
    dot(many, many)
    jobs: list[native.Job] = []

    def interrupted(self: native.Job, *_: Any) -> None:
        jobs.append(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(native.Job, "_look_after", interrupted)
        with pytest.raises(KeyboardInterrupt):  # a worker may have done all of it before the caller looks at the clock
            [dot(many, many) for _ in range(1000)]
    assert jobs
    assert not jobs[0].record.contents.state
    assert dot(many, many) == 8e6


@pytest.mark.usefixtures("impatient")
def test_nobody_is_in_the_arrays_after_an_interruption_before_python_is_there(
    library: pf.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C within the first slice of time is raised by the first step of Python behind it."""
    dot = library.dot.options(threads=2)
    many = np.ones(8_000_000)
    dot(many, many)
    jobs: list[Any] = []

    def interrupted(self: Template, *_: Any) -> None:
        jobs.append(self._job)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Template, "_take_up", interrupted)
        with pytest.raises(KeyboardInterrupt):  # as above
            [dot(many, many) for _ in range(1000)]
    assert not jobs[0].record.contents.state
    assert dot(many, many) == 8e6


def test_a_failure_of_a_known_call_says_what_failed() -> None:
    failing = pf.compile(
        """
        int check(unsigned long n, const double *x) {
            for (unsigned long i = 0; i < n; i++) if (x[i] < 0) return 7;
            return 0;
        }
        """,
        "int check(size_t n, const double x[n]) status(0) chunk(min = 10, max = 10);",
    ).check.options(threads=2)
    data = np.ones(100)
    for _ in range(3):
        data[55] = 1
        assert failing(data) is None
        data[55] = -1
        with pytest.raises(pf.ChunkError, match=r"^check on n = 50 … 60 returned 7") as caught:
            failing(data)
        assert [failure.value for failure in caught.value.failures] == [7]


# Several threads, several options


def test_the_same_call_is_learnt_for_every_thread_that_makes_it_at_once(library: pf.Library) -> None:
    dot = library.dot.options(threads=2)
    arrays = [np.full(3000, float(number)) for number in range(16)]
    together = threading.Barrier(4)

    def add(number: int) -> None:
        together.wait()
        for _ in range(200):
            assert dot(arrays[number], arrays[number]) == 3000.0 * number**2

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(16)))
    assert 1 <= len(dot._memory) <= 16


def test_calls_make_room_for_each_other_while_threads_make_them(library: pf.Library) -> None:
    """More layouts than there are places, so that templates go while others are looked at and in use."""
    scale = library.scale.options(threads=2)

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(500):
            length = draw.randint(1, 40)
            given = np.empty(length) if draw.random() < 0.5 else None
            made = scale(2.0, np.full(length, float(seed)), **({} if given is None else {"out": given}))
            assert given is None or made is given
            assert made.tolist() == [2.0 * seed + 1] * length

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(scale._memory) == _native.Most.MOST_TEMPLATES


def test_options_that_want_more_take_the_long_way(library: pf.Library) -> None:
    dot = library.dot
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        assert dot(x, x) == dot.options(timeout=5)(x, x)
        with pf.options(progress=lambda *done: seen.append(done)):
            dot(x, x)
        with pf.options(executor="threads", threads=3):
            dot(x, x)
    assert len(seen) >= 3


def test_a_trace_sees_known_calls(library: pf.Library) -> None:
    dot = library.dot.options(threads=2)
    for _ in range(2):
        dot(x, x)
    with pf.trace() as trace:
        dot(x, x)
    assert "dot" in str(trace)


def test_the_oldest_call_makes_room(library: pf.Library) -> None:
    scale = library.scale.options(threads=1)
    for length in [*range(1, 60), 3, 4]:
        np.testing.assert_array_equal(scale(1.0, np.ones(length)), np.full(length, 2.0))
    assert len(scale._memory) == _native.Most.MOST_TEMPLATES


def test_more_arguments_than_the_library_keeps_take_the_long_way() -> None:
    count = _native.Most.MOST_OPERANDS + 1
    parameters = ", ".join(f"double a{i}" for i in range(count))
    total = " + ".join(f"a{i}" for i in range(count))
    many = pf.compile(f"double many({parameters}) {{ return {total}; }}", f"double many({parameters});").many
    for _ in range(3):
        assert many(*map(float, range(count))) == sum(range(count))

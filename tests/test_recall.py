"""A call like an earlier one takes a short cut; nothing may tell: same bits, same checks, and no memory in common."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar import Function, memory
from pyffipar._native import Most

Array = np.ndarray[Any, np.dtype[Any]]

DECLARED = {
    "basics.c": """
        void scale(size_t n, double a, const double x[n], double y[n]);
        double dot(size_t n, const double x[n], const double y[n]) reduction(+);
        void blur(size_t n, const double x[n + 2], double y[n]);
        void byte_histogram(size_t n, const unsigned char x[n], long counts[256]) reduction(+: counts);
        void add_to(size_t n, double x[n], double a) inout(x);
        void extremes(size_t n, const double x[n], double lo[1], double hi[1]) reduction(min: lo) reduction(max: hi);
        int divide(size_t n, const int a[n], const int b[n], int quotient[n], int rest[n]) reduction(+);
        double scale_one(double a, double x, int b);
        void gemm(size_t m, size_t k, size_t n, const double a[m][k], const double b[k][n], double c[m][n]);
    """,
    "clauses.c": """
        uint64_t checksum_join(uint64_t a, uint64_t b, long length);
        uint64_t checksum(uint64_t seed, const unsigned char data[len], unsigned len)
            carry(seed = 0) reduction(checksum_join(_, _, len));
        long smallest_at(size_t n, const double x[n]) reduction(argmin(x));
        void between(size_t n, const double x[-1 : n + 2], double y[n]) boundary(reflect) chunk(max = 10);
        void carried(double value, size_t n, const double x[n], double y[n]) carry(value = 1) chunk(max = 10);
        double mean_of(const double data[0 : n : stride], size_t stride, size_t n) reduction(mean);
        size_t positive(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(max = 10);
        int checked_root(size_t n, const double x[n], double y[n]) status(0, explain_code) chunk(max = 10);
    """,
}

# The same functions with values of the declaration.
BOUND = """
    void scale(size_t n, double a, const double x[n], double y[n]) default(a = 2.5);
    double scale_one(double a, double x, int b) default(b = 7) fixed(a = 0.5);
    double dot(size_t n, const double x[n], const double y[n]) reduction(+) default(y = NULL) default(n = 3);
"""


@pytest.fixture(scope="module", params=["the library", "Python"])
def functions(request: pytest.FixtureRequest) -> Iterator[dict[str, Function]]:
    """Functions whose calls are repeated by the native library, or, as where that cannot be called so, by Python."""
    folder = Path(__file__).with_name("kernels")
    libraries = [pf.compile((folder / name).read_text(), text) for name, text in DECLARED.items()]
    bound = pf.compile((folder / "basics.c").read_text(), BOUND)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Python":
            patch.setattr(memory, "is_had", lambda: False)
        found = {function.__name__: function for library in libraries for function in library}
        yield found | {f"bound {function.__name__}": function for function in bound}


def numbers(seed: int, shape: Any = 300) -> Array:
    made: Array = np.random.default_rng(seed).standard_normal(shape)
    return made


def whole(seed: int, dtype: str, count: int = 300) -> Array:
    made: Array = np.random.default_rng(seed).integers(1, 100, count).astype(dtype)
    return made


# For every function how to make arguments of one layout with other contents.
CALLS: dict[str, Callable[[int], tuple[str, tuple[Any, ...]]]] = {
    "scale": lambda seed: ("scale", (seed / 7, numbers(seed))),
    "scale, whole number": lambda seed: ("scale", (seed, numbers(seed))),
    "scale, an array without dimensions": lambda seed: ("scale", (np.array(seed / 7), numbers(seed))),
    "scale, a number of NumPy's": lambda seed: ("scale", (np.float64(seed / 7), numbers(seed))),
    "scale, lifted": lambda seed: ("scale", (numbers(seed, (4, 1)), numbers(seed, (3, 50)))),
    "scale, strided": lambda seed: ("scale", (0.5, numbers(seed, 600)[::-2])),
    "scale, float32": lambda seed: ("scale", (0.5, numbers(seed).astype(np.float32))),
    "scale, swapped": lambda seed: ("scale", (0.5, numbers(seed).astype(">f8"))),
    "scale, one row for many": lambda seed: ("scale", (0.5, np.broadcast_to(numbers(seed, 40), (9, 40)))),
    "dot": lambda seed: ("dot", (numbers(seed), numbers(seed + 1))),
    "dot, rows": lambda seed: ("dot", (numbers(seed, (5, 200)), numbers(seed + 1, 200))),
    "dot, with itself": lambda seed: ("dot", (numbers(seed),) * 2),
    "bound scale, given": lambda seed: ("bound scale", (seed / 7, numbers(seed))),
    "bound scale_one": lambda seed: ("bound scale_one", (numbers(seed),)),
    "bound scale_one, given": lambda seed: ("bound scale_one", (numbers(seed), seed)),
    "bound dot, given": lambda seed: ("bound dot", (numbers(seed), numbers(seed + 1))),
    "blur": lambda seed: ("blur", (numbers(seed),)),
    "byte_histogram": lambda seed: ("byte_histogram", (whole(seed, "u1", 9000),)),
    "extremes": lambda seed: ("extremes", (numbers(seed, 3000),)),
    "divide": lambda seed: ("divide", (whole(seed, "i4"), whole(seed + 1, "i4"))),
    "scale_one": lambda seed: ("scale_one", (numbers(seed), numbers(seed + 1), seed)),
    "scale_one, no arrays": lambda seed: ("scale_one", (seed / 3, seed * 2.0, seed)),
    "gemm": lambda seed: ("gemm", (numbers(seed, (70, 3)), numbers(seed + 1, (3, 4)))),
    "gemm, transposed": lambda seed: ("gemm", (numbers(seed, (3, 70)).T, numbers(seed + 1, (4, 3)).T)),
    "checksum": lambda seed: ("checksum", (seed, whole(seed, "u1", 9000))),
    "smallest_at": lambda seed: ("smallest_at", (numbers(seed, 3000),)),
    "between": lambda seed: ("between", (numbers(seed),)),
    "between, rows": lambda seed: ("between", (numbers(seed, (3, 40)),)),
    "carried": lambda seed: ("carried", (seed * 1.0, numbers(seed))),
    "mean_of": lambda seed: ("mean_of", (numbers(seed, (300, 3))[:, 1],)),
    "positive": lambda seed: ("positive", (numbers(seed),)),
    "checked_root": lambda seed: ("checked_root", (np.abs(numbers(seed)),)),
}


def copied(result: Any) -> Any:
    return tuple(map(copied, result)) if isinstance(result, tuple) else np.array(result)


def same(one: Any, other: Any) -> None:
    if isinstance(one, tuple):
        for left, right in zip(one, other, strict=True):
            same(left, right)
        return
    assert type(one) is type(other) or np.ndim(one)
    assert (np.asarray(one).dtype, np.shape(one)) == (np.asarray(other).dtype, np.shape(other))
    assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize("call", CALLS)
@given(seeds=st.lists(st.integers(0, 9), min_size=2, max_size=5), threads=st.sampled_from((1, 3)))
@settings(deadline=None, max_examples=15)
def test_repeated_calls_give_what_first_calls_give(
    functions: dict[str, Function], call: str, seeds: list[int], threads: int
) -> None:
    made = [CALLS[call](seed) for seed in seeds]
    function = functions[made[0][0]].options(threads=threads)
    serial = function.options(executor="serial")
    results, copies = [], []
    for _, arguments in made:
        results.append(function(*arguments))
        copies.append(copied(results[-1]))
        same(results[-1], serial(*arguments))
    for result, copy in zip(results, copies, strict=True):  # a later call must not write into an earlier result
        same(copied(result), copy)


@given(seeds=st.lists(st.integers(0, 9), min_size=2, max_size=4), step=st.sampled_from((1, -1, 2)))
@settings(deadline=None, max_examples=20)
def test_results_go_where_each_call_says(functions: dict[str, Function], seeds: list[int], step: int) -> None:
    scale = functions["scale"].options(threads=2)
    made = []
    for seed in seeds:
        x, y = numbers(seed, 100), np.zeros(100 * abs(step))[::step]
        assert scale(2.0, x, out=y) is y
        made.append((x, y))
    for x, y in made:
        np.testing.assert_array_equal(y, 2 * x + 1)


def test_in_place_works_on_each_calls_own_array(functions: dict[str, Function]) -> None:
    add_to = functions["add_to"].options(threads=2)
    arrays = [np.full(50, float(number)) for number in range(5)]
    for number, array in enumerate(arrays):
        add_to(array, number + 0.5)
    assert [array.tolist() for array in arrays] == [[2 * number + 0.5] * 50 for number in range(5)]


def test_a_mergers_total_starts_anew_in_every_call(functions: dict[str, Function]) -> None:
    histogram = functions["byte_histogram"].options(threads=2)
    counts = np.full(256, 99, np.int64)
    for _ in range(3):
        histogram(np.full(5000, 7, np.uint8), counts=counts)
        assert counts[7] == counts.sum() == 5000


# What is refused the first time is refused the second time


def test_overlap_in_a_later_call_is_refused(functions: dict[str, Function]) -> None:
    scale = functions["scale"].options(threads=2)
    memory = np.arange(300.0)
    scale(2.0, memory[:100], out=memory[100:200])
    scale(2.0, memory[:100], out=memory[200:])
    with pytest.raises(ValueError, match=r"^scale: y overlaps x in memory"):
        scale(2.0, memory[:100], out=memory[50:150])


def test_read_only_memory_in_a_later_call_is_refused(functions: dict[str, Function]) -> None:
    scale = functions["scale"].options(threads=2)
    y = np.zeros(100)
    scale(2.0, numbers(1, 100), out=y)
    before = y.copy()
    y.flags.writeable = False
    with pytest.raises(ValueError, match=r"^scale: y is read-only"):
        scale(3.0, numbers(2, 100), out=y)
    np.testing.assert_array_equal(y, before)


def test_a_misaligned_array_in_a_later_call_is_copied(functions: dict[str, Function]) -> None:
    scale = functions["scale"].options(threads=2)
    x = numbers(1, 100)
    raw = np.zeros(801, np.uint8)
    odd = raw[1:].view(np.float64)
    odd[...] = x
    for array in (x, odd, x, odd):
        np.testing.assert_array_equal(scale(2.0, array), 2 * x + 1)


def test_a_number_that_does_not_fit_is_refused_in_a_later_call(functions: dict[str, Function]) -> None:
    scale_one = functions["scale_one"].options(threads=2)
    x = numbers(1, 100)
    for _ in range(2):
        scale_one(1.0, x, 3)
    for _ in range(2):
        with pytest.raises(OverflowError, match=r"^scale_one: b = 2147483648 does not fit int"):
            scale_one(1.0, x, 2**31)
    np.testing.assert_array_equal(scale_one(1.0, x, -5), x - 5)


def test_other_lengths_and_dtypes_are_not_mistaken_for_the_earlier_one(functions: dict[str, Function]) -> None:
    dot = functions["dot"].options(threads=2)
    for length in (100, 101, 100, 5000, 1, 100):
        for dtype in ("f8", "f4", ">f8", "i2"):
            x = whole(length, dtype, length)
            assert dot(x, x) == (x.astype(np.int64) ** 2).sum()
    with pytest.raises(ValueError, match=r"^dot: y has shape \(99,\)"):
        dot(np.zeros(100), np.zeros(99))


def test_a_bad_status_in_a_later_call_is_an_error(functions: dict[str, Function]) -> None:
    checked_root = functions["checked_root"].options(threads=2)
    good, bad = np.ones(100), np.ones(100)
    bad[55] = -7
    for _ in range(3):
        np.testing.assert_array_equal(checked_root(good), good / 2)
        with pytest.raises(pf.ChunkError, match="seven is not good"):
            checked_root(bad)


# What the short cut keeps


def test_earlier_arguments_and_results_are_not_kept_alive(functions: dict[str, Function]) -> None:
    scale, dot = functions["scale"].options(threads=2), functions["dot"].options(threads=2)
    dead = []
    for seed in range(3):
        x = numbers(seed)
        y = scale(2.0, x)
        dot(x, y)
        dead += [weakref.ref(x), weakref.ref(y)]
        del x, y
    gc.collect()
    assert [reference() for reference in dead] == [None] * 6


def test_layouts_without_end_do_not_fill_memory(functions: dict[str, Function]) -> None:
    scale = functions["scale"].options(threads=1)
    for length in range(1, 3 * memory.MOST_TEMPLATES):
        np.testing.assert_array_equal(scale(1.0, np.ones(length)), np.full(length, 2.0))
    assert 0 < len(scale._memory) <= max(memory.MOST_TEMPLATES, Most.MOST_TEMPLATES)


def test_threads_may_make_the_same_call_at_once(functions: dict[str, Function]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    extremes = functions["extremes"].options(threads=2)
    arrays = [numbers(seed, 4000) for seed in range(30)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(extremes, arrays * 4))
    assert found == [(array.min(), array.max()) for array in arrays * 4]


def test_a_call_within_its_own_callback_does_not_disturb_the_outer_one(functions: dict[str, Function]) -> None:
    """The outer call is in progress while the progress callback makes the same call on other data."""
    dot = functions["dot"].options(threads=1)
    x, ones = numbers(1, 5000), np.ones(5000)
    expected = dot(x, x)
    inner: list[float] = []
    watched = dot.options(progress=lambda *_: inner.append(float(dot(ones, ones))))
    for _ in range(3):
        assert watched(x, x) == expected
    assert set(inner) == {5000.0}

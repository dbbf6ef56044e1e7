"""What clauses promise, kept by every executor alike: carried values, indices, statuses, handles, borders, strides."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar import Function, Library
from pyffipar.options import EXECUTORS

Array = np.ndarray[Any, np.dtype[Any]]
Declare = Callable[..., Any]

every_executor = pytest.mark.parametrize("executor", EXECUTORS)
# What has a meaning in one process only: what workers say about it stands in test_parcels.
in_this_process = pytest.mark.parametrize("executor", [name for name in EXECUTORS if name != "processes"])
unhurried = settings(deadline=None, max_examples=30)  # a thread's start takes as long as the machine's load wants
LENGTHS = st.integers(1, 2000)
TEAMS = st.integers(1, 8)


def spans(function: Function, *arguments: Any) -> list[tuple[int, int]]:
    grid = function._plan(arguments, {}).grid
    return [grid.span(number) for number in range(grid.chunks)]


@pytest.fixture(scope="module")
def path() -> str:
    return pf.compile(Path(__file__).with_name("kernels").joinpath("clauses.c").read_text()).path


@pytest.fixture(scope="module")
def library(path: str) -> Callable[..., Library]:
    """The kernels with some declarations; each text is read once."""
    known: dict[str, Library] = {}

    def declared(text: str, **keywords: Any) -> Library:
        if text not in known or keywords:
            known[text] = pf.load(path, text, **keywords)
        return known[text]

    return declared


CHECKSUM = """
    uint64_t checksum_join(uint64_t a, uint64_t b, long length);
    uint64_t checksum(uint64_t seed, const unsigned char data[len], unsigned len)
        carry(seed = 0) reduction(checksum_join(_, _, len)) chunk(max = {});
"""


@every_executor
@given(data=st.binary(max_size=700), seed=st.integers(0, 2**64 - 1), largest=st.integers(1, 300), threads=TEAMS)
@unhurried
def test_a_carried_checksum_is_the_one_of_the_whole(
    library: Declare, executor: str, data: bytes, seed: int, largest: int, threads: int
) -> None:
    expected = seed
    for byte in data:
        expected = (expected * 31 + byte) % 2**64
    checksum = library(CHECKSUM.format(largest)).checksum.options(executor=executor, threads=threads)
    assert checksum(seed, data) == expected


@every_executor
def test_checksums_of_rows_are_merged_row_by_row(library: Declare, executor: str) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (5, 700), np.uint8)
    checksum = library(CHECKSUM.format(100)).checksum.options(executor=executor, threads=3)
    alone = [checksum(seed, row) for seed, row in enumerate(rows)]
    np.testing.assert_array_equal(checksum(np.arange(5, dtype=np.uint64), rows), alone)


@every_executor
def test_a_python_function_may_merge(library: Declare, executor: str) -> None:
    text = """uint64_t checksum(uint64_t s, const unsigned char d[n], unsigned n)
              carry(s = 0) reduction(later(_, n, _)) chunk(min = 4, max = 4);"""
    calls: list[tuple[int, int, int]] = []

    def later(earlier: int, length: int, partial: int) -> int:
        calls.append((int(earlier), length, int(partial)))
        return int(partial)

    function = library(text, callables={"later": later}).checksum.options(executor=executor, threads=3)
    assert function(0, bytes([0, 0, 0, 1, 0, 0, 0, 2, 3])) == 3
    assert calls == [(1, 4, 2), (2, 1, 3)]


@every_executor
@given(length=LENGTHS, threads=TEAMS, largest=st.integers(1, 50))
@unhurried
def test_linear_parameters_advance_from_chunk_to_chunk(
    library: Declare, executor: str, length: int, threads: int, largest: int
) -> None:
    text = f"""void places(int start, double where, size_t n, const double x[n], double y[n])
               linear(start : 1) linear(where : 1/4) chunk(min = {largest}, max = {largest});"""
    places = library(text).places.options(executor=executor, threads=threads)
    x = np.zeros(length)
    expected = np.concatenate([5 + np.arange(a, b) + 1000 * (0.5 + a / 4) for a, b in spans(places, 5, 0.5, x)])
    np.testing.assert_array_equal(places(5, 0.5, x), expected)
    lifted = places([5, -5], 0.5, x)
    np.testing.assert_array_equal(lifted, [expected, expected - 10])


@every_executor
def test_a_fraction_advances_by_whole_steps(library: Declare, executor: str) -> None:
    text = """void places(int start, double where, size_t n, const double x[n], double y[n])
              linear(start : -1/16) chunk(step = 16, max = 16);"""
    found = library(text).places.options(executor=executor, threads=3)(3, 0.0, np.zeros(64))
    np.testing.assert_array_equal(found, np.repeat([3, 2, 1, 0], 16) + np.tile(np.arange(16), 4))


def test_a_parameter_that_would_leave_its_type_is_refused_before_anything_runs(library: Declare) -> None:
    text = """void places(int start, double where, size_t n, const double x[n], double y[n])
              linear(start : 1) chunk(min = 10, max = 10);"""
    with pytest.raises(OverflowError) as caught:
        library(text).places(2**31 - 50, 0.0, np.zeros(100))
    assert str(caught.value) == "places: start advances by 90 until the last chunk and does not fit int then"


@every_executor
@given(length=LENGTHS, threads=TEAMS)
@unhurried
def test_carried_values_hold_in_the_first_chunk_alone(
    library: Declare, executor: str, length: int, threads: int
) -> None:
    text = """void carried(double value, size_t n, const double x[n], double y[n])
              carry(value = -1.5) chunk(min = 7, max = 7);"""
    carried = library(text).carried.options(executor=executor, threads=threads)
    expected = np.full((2, length), -1.5)
    expected[:, :7] = [[3.0], [4.0]]
    np.testing.assert_array_equal(carried(3.0, np.zeros(length)), expected[0])
    np.testing.assert_array_equal(carried([3.0, 4.0], np.zeros(length)), expected)


SMALLEST = "long smallest_at(size_t n, const double x[n]) reduction(argmin(x)) chunk(max = {});"


@every_executor
@given(
    values=st.lists(
        st.sampled_from((1.0, 2.0, 0.0, -0.0, np.nan, np.inf, -np.inf)) | st.floats(), min_size=1, max_size=90
    ),
    largest=st.integers(1, 40),
    threads=TEAMS,
)
@unhurried
def test_the_first_of_the_smallest_is_found_and_nan_before_all(
    library: Declare, executor: str, values: list[float], largest: int, threads: int
) -> None:
    x = np.array(values)
    function = library(SMALLEST.format(largest)).smallest_at.options(executor=executor, threads=threads)
    found = function(x)
    assert found == np.argmin(x)
    assert found.dtype == np.int64
    rows = np.stack([x, x[::-1]])
    np.testing.assert_array_equal(function(rows), np.argmin(rows, axis=-1))


@every_executor
def test_an_index_that_does_not_fit_its_type_is_an_error(library: Declare, executor: str) -> None:
    """Chunks of 200 keep each index below 256; the merged one is 900."""
    text = "unsigned char largest_at(size_t n, const int x[n]) reduction(argmax(x)) chunk(min = 200, max = 200);"
    x = np.zeros(1000, np.int32)
    function = library(text).largest_at.options(executor=executor)
    x[150] = 5
    assert function(x) == 150
    x[900] = 9
    with pytest.raises(OverflowError, match=r"^largest_at: .*900"):
        function(x)


POSITIVE = "size_t positive(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(max = {});"


@every_executor
@given(values=st.lists(st.floats(-9, 9), max_size=120), largest=st.integers(1, 50), threads=TEAMS)
@unhurried
def test_used_parts_are_pushed_together(
    library: Declare, executor: str, values: list[float], largest: int, threads: int
) -> None:
    x = np.array(values, np.float64)
    found = library(POSITIVE.format(largest)).positive.options(executor=executor, threads=threads)(x)
    np.testing.assert_array_equal(found, x[x > 0])


@every_executor
def test_a_used_length_beyond_the_chunk_is_an_error(library: Declare, executor: str) -> None:
    text = "size_t too_many(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(min = 10, max = 10);"
    x = np.zeros(35)
    x[20] = 1
    with pytest.raises(pf.ChunkError) as caught:
        library(text).too_many.options(executor=executor)(x)
    assert str(caught.value) == "too_many on n = 20 … 30 returned 11, but its chunk of y has 10 elements"
    assert caught.value.failures[0].start == 20


MEAN = "double mean_of(const double data[0 : n : stride], size_t stride, size_t n) reduction(mean) {};"


@every_executor
@given(length=LENGTHS, columns=st.integers(1, 5), threads=TEAMS, largest=st.integers(1, 400))
@unhurried
def test_columns_are_read_with_their_stride_and_means_weighed(
    library: Declare, executor: str, length: int, columns: int, threads: int, largest: int
) -> None:
    data = np.random.default_rng(2).integers(-99, 99, (length, columns)).astype(np.float64)
    mean_of = library(MEAN.format(f"chunk(max = {largest})")).mean_of.options(executor=executor, threads=threads)
    expected = data.mean(axis=0)
    np.testing.assert_allclose(mean_of(data.T), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([mean_of(column) for column in data.T], expected, rtol=1e-12, atol=1e-12)


@every_executor
@pytest.mark.parametrize("view", ["forward", "backward", "every third", "misaligned", "one element"])
def test_signed_strides_go_both_ways(library: Declare, executor: str, view: str) -> None:
    text = "void add_columns(const double a[0 : n : by], ptrdiff_t by, size_t n, double out[n]) chunk(max = 8);"
    base = np.arange(100.0)
    raw = np.zeros(801, np.uint8)
    raw[1:].view(np.float64)[...] = base
    a = {
        "forward": base, "backward": base[::-1], "every third": base[::3], "misaligned": raw[1:].view(np.float64),
        "one element": base[5:6],
    }[view]  # fmt: skip
    np.testing.assert_array_equal(library(text).add_columns.options(executor=executor, threads=3)(a), a + 1)


@every_executor
def test_unsigned_strides_do_not_go_backwards(library: Declare, executor: str) -> None:
    """A negative stride does not fit size_t: the array passes through a buffer instead."""
    data = np.arange(50.0)
    assert library(MEAN.format("")).mean_of.options(executor=executor)(data[::-1]) == 24.5


BETWEEN = "void between(size_t n, const double x[-1 : n + 2], double y[n]) {} chunk(max = {});"


@every_executor
@given(length=LENGTHS, threads=TEAMS, largest=st.integers(1, 60))
@unhurried
def test_a_section_hands_over_the_items_own_pointer(
    library: Declare, executor: str, length: int, threads: int, largest: int
) -> None:
    x = np.arange(length + 2.0)
    between = library(BETWEEN.format("", largest)).between.options(executor=executor, threads=threads)
    np.testing.assert_array_equal(between(x), x[:-2] + 100 * x[1:-1] + 10000 * x[2:])
    np.testing.assert_array_equal(between(x[::-1]), x[::-1][:-2] + 100 * x[::-1][1:-1] + 10000 * x[::-1][2:])


PADS: dict[str, Any] = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


@every_executor
@pytest.mark.parametrize("mode", [*PADS, "constant(7)"])
@given(length=LENGTHS | st.integers(1, 3), threads=TEAMS, largest=st.integers(1, 60), swapped=st.booleans())
@unhurried
def test_borders_are_made_up_as_numpys_pad_does(
    library: Declare, executor: str, mode: str, length: int, threads: int, largest: int, *, swapped: bool
) -> None:
    x = np.arange(1.0, length + 1)
    pad = np.pad(x, 1, PADS[mode]) if mode in PADS else np.pad(x, 1, constant_values=7.0)
    between = library(BETWEEN.format(f"boundary({mode})", largest)).between.options(executor=executor, threads=threads)
    found = between(x.astype(">f8") if swapped else x)
    np.testing.assert_array_equal(found, pad[:-2] + 100 * pad[1:-1] + 10000 * pad[2:])
    rows = np.stack([x, -x])
    np.testing.assert_array_equal(between(rows), [found, -found] if mode in PADS else [found, between(-x)])


STATUS = (
    """int checked_root(size_t n, const double x[n], double y[n]) status(0, explain_code) chunk(min = 10, max = 10);"""
)


@every_executor
def test_a_good_status_is_not_a_result(library: Declare, executor: str) -> None:
    x = np.arange(100.0)
    found = library(STATUS).checked_root.options(executor=executor, threads=3)(x)
    np.testing.assert_array_equal(found, x / 2)


@every_executor
@given(place=st.integers(0, 99), threads=TEAMS)
@unhurried
def test_a_bad_status_says_where_and_why(library: Declare, executor: str, place: int, threads: int) -> None:
    x = np.ones(100)
    x[place] = -7
    with pytest.raises(pf.ChunkError) as caught:
        library(STATUS).checked_root.options(executor=executor, threads=threads)(x)
    (failure,) = caught.value.failures
    start = place // 10 * 10
    assert (failure.item, failure.start, failure.stop) == ((), start, start + 10)
    assert failure.value == 7
    assert caught.value.function == "checked_root"
    message = str(caught.value)
    assert message.startswith(f"checked_root on n = {start} … {start + 10} returned 7")
    assert "seven is not good" in message


@every_executor
def test_the_first_failure_in_call_order_stands_first(library: Declare, executor: str) -> None:
    x = np.full((4, 100), -3.0)
    with pytest.raises(pf.ChunkError) as caught:
        library(STATUS).checked_root.options(executor=executor, threads=4)(x)
    order = [(failure.item, failure.start) for failure in caught.value.failures]
    assert order == sorted(order)
    assert order
    assert "something else" in str(caught.value)


@every_executor
def test_a_status_may_be_the_length(library: Declare, executor: str) -> None:
    text = "size_t all_or_less(size_t n, const double x[n], double y[n]) status(n) chunk(min = 10, max = 10);"
    function = library(text).all_or_less.options(executor=executor, threads=2)
    x = np.ones(95)
    np.testing.assert_array_equal(function(x), x)
    x[90] = -1
    with pytest.raises(pf.ChunkError, match="all_or_less on n = 90 … 95 returned 4"):
        function(x)


class Counter(ctypes.Structure):
    _fields_ = (("calls", ctypes.c_long), ("scale", ctypes.c_double))


COUNTER = """
    struct counter_state;
    long counters_made(int which);
    void counter_use(counter *c, size_t n, const double x[n], double y[n])
        private(c = counter_clone, counter_free) chunk(max = 5);
    void counter_add(counter *c, size_t n, const double x[n])
        private(c = counter_clone(_), counter_free) reduction(merge(_, _): c) chunk(max = 5);
"""


@pytest.fixture(scope="module")
def counters(path: str) -> Library:
    plain = ctypes.CDLL(path)

    def merge(into: int, copy: int) -> None:
        plain.counter_merge(ctypes.c_void_p(into), ctypes.c_void_p(copy))

    return pf.load(path, COUNTER.replace("struct counter_state;", ""), callables={"merge": merge})


@in_this_process
@given(length=LENGTHS, threads=TEAMS)
@unhurried
def test_every_worker_has_a_handle_of_its_own_and_all_are_freed(
    counters: Library, executor: str, length: int, threads: int
) -> None:
    counter = Counter(0, 3.0)
    made, ended = counters.counters_made([0, 1])
    x = np.arange(float(length))
    found = counters.counter_use.options(executor=executor, threads=threads)(counter, x)
    np.testing.assert_array_equal(found, 3 * x)
    assert counter.calls == 0
    made_now, ended_now = counters.counters_made([0, 1])
    assert 1 <= made_now - made <= threads
    assert made_now - made == ended_now - ended


@in_this_process
@given(length=LENGTHS, threads=TEAMS)
@unhurried
def test_private_handles_merge_into_the_callers(counters: Library, executor: str, length: int, threads: int) -> None:
    counter = Counter(1000, 1.0)
    x = np.random.default_rng(3).standard_normal(length)
    counters.counter_add.options(executor=executor, threads=threads)(counter, x)
    assert counter.calls == 1000 + (x > 0).sum()


def test_a_copy_that_could_not_be_made_is_an_error(library: Declare) -> None:
    text = """void counter_use(counter *c, size_t n, const double x[n], double y[n])
              private(c = counter_none, counter_free);"""
    with pytest.raises(pf.PyffiparError) as caught:
        library(text).counter_use(Counter(0, 1.0), np.ones(5))
    assert str(caught.value) == "counter_use: counter_none returned NULL instead of a copy of c"


POINTS = """
    struct point { char tag; double x, y; };
    void swap_points(size_t n, const struct point p[n], struct point q[n]) chunk(max = 6);
"""


@every_executor
@pytest.mark.parametrize("step", [1, -1, 3])
def test_structs_are_elements(library: Declare, executor: str, step: int) -> None:
    dtype = np.dtype([("tag", "i1"), ("x", "f8"), ("y", "f8")], align=True)
    points = np.zeros(50, dtype)
    points["tag"], points["x"], points["y"] = range(50), np.arange(50.0), -np.arange(50.0)
    points = points[::step]
    found = library(POINTS).swap_points.options(executor=executor, threads=3)(points)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found["tag"], points["tag"] + 1)
    np.testing.assert_array_equal(found["x"], points["y"])
    np.testing.assert_array_equal(found["y"], points["x"])


APPLY = "double apply(double (*f)(double, long), size_t n, const double x[n]) reduction(+) chunk(min = 10, max = 10);"


@in_this_process
def test_c_may_call_python_back(library: Declare, executor: str) -> None:
    apply = library(APPLY).apply.options(executor=executor, threads=3)
    x = np.arange(95.0)
    assert apply(lambda value, index: value * 2 + index, x) == 2 * x.sum() + (np.arange(95) % 10).sum()


@in_this_process
def test_what_a_callback_raises_reaches_the_caller(library: Declare, executor: str) -> None:
    def fails(value: float, index: int) -> float:
        if value == 33:
            raise LookupError("thirty-three")
        return value

    apply = library(APPLY).apply.options(executor=executor, threads=3)
    with pytest.raises(LookupError, match="thirty-three"):
        apply(fails, np.arange(95.0))
    assert apply(lambda value, _: value, np.arange(95.0)) == np.arange(95.0).sum()


@every_executor
def test_a_function_behind_a_variable_is_called(library: Declare, executor: str) -> None:
    twice = library("double (*twice)(double x);").twice.options(executor=executor)
    np.testing.assert_array_equal(twice(np.arange(5.0)), np.arange(5.0) * 2)


def test_setting_up_happens_once(path: str) -> None:
    libraries = [pf.load(path, "int is_ready(int unused) init(set_up);") for _ in range(3)]
    assert [one.is_ready(0) for one in libraries] == [1, 1, 1]

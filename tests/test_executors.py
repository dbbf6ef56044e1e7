"""The contract every executor keeps: the bits of a plain loop, whatever the sizes, the layout and the threads."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pyffipar as pf
from pyffipar import Function
from pyffipar.options import EXECUTORS

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = (1, 2, 3, 7)
EVERYWHERE = [(executor, threads) for executor in EXECUTORS for threads in THREADS]
every_executor = pytest.mark.parametrize("executor", EXECUTORS)
# What has a meaning in one process only: what workers say about it stands in test_parcels.
in_this_process = pytest.mark.parametrize("executor", [name for name in EXECUTORS if name != "processes"])

# A thread's start takes as long as the machine's load wants: no deadline can be given.
unhurried = settings(deadline=None, max_examples=40)

# Sizes that divide nothing, next to powers of two, and the ends.
LENGTHS = st.one_of(st.sampled_from((0, 1, 2, 63, 64, 65, 127, 509, 1024, 4099)), st.integers(0, 3000))
TEAMS = st.integers(1, 8)


@st.composite
def chunk_clauses(draw: st.DrawFn) -> str:
    """A ``chunk`` clause that fits short arrays, or none."""
    step = draw(st.sampled_from((1, 1, 2, 3, 16)))
    smallest = draw(st.none() | st.integers(1, 200))
    largest = draw(st.none() | st.integers(max(step, smallest or 1), 400))
    parts = [f"step = {step}", *([f"min = {smallest}"] if smallest else []), *([f"max = {largest}"] if largest else [])]
    return draw(st.sampled_from(("", f"chunk({', '.join(parts)})")))


# How an array can lie in memory: each gives the same values and the same shape.
def _strided(array: Array) -> Array:
    wide = np.full([2 * extent + 1 for extent in array.shape], 77, array.dtype)
    inner: Any = (*(slice(1, None, 2) for _ in array.shape), ...)  # ... keeps one without dimensions an array
    view: Array = wide[inner]
    view[...] = array
    return view


def _backwards(array: Array) -> Array:
    reverse: Any = (*(slice(None, None, -1) for _ in array.shape), ...)
    view: Array = array[reverse].copy()[reverse]
    return view


def _misaligned(array: Array) -> Array:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _inside_records(array: Array) -> Array:
    records = np.zeros(array.shape, np.dtype([("flag", "u1"), ("value", array.dtype), ("rest", "u2")]))
    records["value"] = array
    view: Array = records["value"]
    return view


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda array: array.copy(),
    "strided": _strided,
    "backwards": _backwards,
    "Fortran": lambda array: np.array(array, order="F"),
    "byte-swapped": lambda array: array.astype(array.dtype.newbyteorder("S")),
    "misaligned": _misaligned,
    "inside records": _inside_records,
    "strided, byte-swapped": lambda array: _strided(array.astype(array.dtype.newbyteorder("S"))),
}
# What only an input can be.
INPUT_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    **LAYOUTS,
    "float32": lambda array: array.astype(np.float32),
    "float16, backwards": lambda array: _backwards(array.astype(np.float16)),
    "int16, strided": lambda array: _strided(array.astype(np.int16)),
}
layouts = st.sampled_from(sorted(LAYOUTS))
input_layouts = st.sampled_from(sorted(INPUT_LAYOUTS))


def whole_numbers(shape: Any, seed: int = 1) -> Array:
    """Doubles that float16 and int16 hold too, so every layout has the same values; sums of them are exact."""
    return np.asarray(np.random.default_rng(seed).integers(-99, 99, shape), np.float64)


def real_numbers(shape: Any, seed: int = 1) -> Array:
    """Doubles whose sum depends on the order of the summands."""
    random = np.random.default_rng(seed)
    values: Array = random.standard_normal(shape) * 10.0 ** random.integers(-8, 8, shape)
    return values


def same_bits(one: Any, other: Any) -> None:
    """Fail unless two results have the same types, shapes and bytes."""
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            same_bits(left, right)
        return
    left, right = np.asarray(one), np.asarray(other)
    assert left.dtype.newbyteorder("=") == right.dtype.newbyteorder("=")
    assert left.shape == right.shape
    native = left.dtype.newbyteorder("=")
    if left.astype(native).tobytes() != right.astype(native).tobytes():
        np.testing.assert_array_equal(left, right)  # says where
        pytest.fail(f"equal values, other bits: {left!r} and {right!r}")


def spans(function: Function, *arguments: Any, **keywords: Any) -> list[tuple[int, int]]:
    """The grid of a call."""
    grid = function._plan(arguments, keywords).grid
    return [grid.span(number) for number in range(grid.chunks)]


def pointer(array: Array) -> int:
    assert array.flags.c_contiguous
    return int(array.ctypes.data)


@pytest.fixture(scope="module")
def path() -> str:
    """The compiled kernels."""
    return pf.compile(Path(__file__).with_name("kernels").joinpath("basics.c").read_text()).path


@pytest.fixture(scope="module")
def plain(path: str) -> ctypes.CDLL:
    """The same functions through ctypes alone: the road without pyffipar."""
    return ctypes.CDLL(path)


@pytest.fixture(scope="module")
def declare(path: str) -> Callable[..., Function]:
    """One function of the kernels by its declaration, with the options it is to run with."""
    known: dict[str, Function] = {}

    def one(declaration: str, **options: Any) -> Function:
        if declaration not in known:
            (known[declaration],) = pf.load(path, declaration)
        return known[declaration].options(**options)

    return one


Declare = Callable[..., Function]

SCALE = "void scale(size_t n, double a, const double x[n], double y[n]) {};"
DOT = "double dot(size_t n, const double x[n], const double y[n]) reduction(+) {};"
BLUR = "void blur(size_t n, const double x[n + 2], double y[n]) {};"
HIST = "void byte_histogram(size_t n, const unsigned char x[n], long counts[256]) reduction(+: counts) {};"
GEMM = "void gemm(size_t m, size_t k, size_t n, const double a[m][k], const double b[k][n], double c[m][n]) {};"
EXTREMES = (
    "void extremes(size_t n, const double x[n], double lo[1], double hi[1]) reduction(min: lo) reduction(max: hi) {};"
)
DIVIDE = "int divide(size_t n, const int a[n], const int b[n], int quotient[n], int rest[n]) reduction(+) {};"
ADD_TO = "void add_to(size_t n, double x[n], double a) inout(x) {};"
LENGTHS_OF = "void chunk_lengths(size_t n, const double x[n], double y[n]) {};"


# The grid


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_every_item_is_worked_on_once_in_the_chunk_the_plan_says(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    function = declare(LENGTHS_OF.format(clause), executor=executor, threads=threads)
    x = np.arange(length) * 1e6
    expected = np.empty(length)
    for start, stop in spans(function, x):
        expected[start:stop] = x[start:stop] + (stop - start)
    same_bits(function(x), expected)


@every_executor
def test_a_narrow_size_caps_the_chunks(declare: Declare, executor: str) -> None:
    function = declare("void chunk_lengths_u8(uint8_t n, const double x[n], double y[n]);", executor=executor)
    lengths = function(np.zeros(100_000))
    assert lengths.max() <= 255
    same_bits(lengths.sum(), np.float64(sum((stop - start) ** 2 for start, stop in spans(function, np.zeros(100_000)))))


# Arrays in, arrays out


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, ways=st.tuples(input_layouts, layouts))
@unhurried
def test_any_layout_of_input_and_output_gives_what_one_call_gives(
    declare: Declare,
    plain: ctypes.CDLL,
    executor: str,
    length: int,
    clause: str,
    threads: int,
    ways: tuple[str, str],
) -> None:
    how, into = ways
    values = whole_numbers(length)
    expected = np.empty(length)
    plain.scale(
        ctypes.c_size_t(length),
        ctypes.c_double(2.5),
        ctypes.c_void_p(pointer(values)),
        ctypes.c_void_p(pointer(expected)),
    )
    function = declare(SCALE.format(clause), executor=executor, threads=threads)
    x = INPUT_LAYOUTS[how](values)
    same_bits(function(2.5, x), expected)
    out = LAYOUTS[into](np.full(length, 99.0))
    assert function(2.5, x, out=out) is out
    same_bits(out, expected)
    np.testing.assert_array_equal(x, values)


@every_executor
@given(length=st.integers(1, 1200), threads=TEAMS)
@unhurried
def test_writing_into_a_strided_array_leaves_what_lies_between(
    declare: Declare, executor: str, length: int, threads: int
) -> None:
    wide = np.full(3 * length, 7.0)
    x = real_numbers(length)
    function = declare(SCALE.format("chunk(max = 50)"), executor=executor, threads=threads)
    function(2.0, x, out=wide[1::3])
    same_bits(wide[1::3].copy(), 2.0 * x + 1)
    assert (wide[0::3] == 7.0).all()
    assert (wide[2::3] == 7.0).all()


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=input_layouts)
@unhurried
def test_neighbours_share_the_halo(
    declare: Declare, plain: ctypes.CDLL, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    values = whole_numbers(length + 2)
    expected = np.empty(length)
    plain.blur(ctypes.c_size_t(length), ctypes.c_void_p(pointer(values)), ctypes.c_void_p(pointer(expected)))
    function = declare(BLUR.format(clause), executor=executor, threads=threads)
    same_bits(function(INPUT_LAYOUTS[how](values)), expected)


@every_executor
@given(rows=st.integers(0, 90), cols=st.integers(1, 20), threads=TEAMS, how=input_layouts)
@unhurried
def test_halo_of_whole_rows(declare: Declare, executor: str, rows: int, cols: int, threads: int, how: str) -> None:
    declaration = (
        "void rows_difference(size_t rows, size_t cols, const double x[rows + 1][cols], double y[rows][cols]);"
    )
    values = whole_numbers((rows + 1, cols))
    function = declare(declaration, executor=executor, threads=threads)
    same_bits(function(INPUT_LAYOUTS[how](values)), np.diff(values, axis=0))


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_several_elements_per_item(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    declaration = f"void interleave(size_t n, const double re[n], const double im[n], double z[2*n]) {clause};"
    function = declare(declaration, executor=executor, threads=threads)
    z = whole_numbers(2 * length)
    same_bits(function(LAYOUTS[how](z[::2]), z[1::2]), z)
    out = LAYOUTS[how](np.zeros(2 * length))
    function(z[::2], z[1::2], out=out)
    same_bits(out, z)
    total = declare("double abs2_sum(size_t n, const double z[2*n]) reduction(+);", executor=executor, threads=threads)
    assert total(LAYOUTS[how](z)) == (z * z).sum()  # of whole numbers, so exact


@every_executor
@given(data=st.data(), rows=st.integers(0, 300), threads=TEAMS)
@unhurried
def test_sparse_rows_find_their_entries(
    declare: Declare, executor: str, data: st.DataObject, rows: int, threads: int
) -> None:
    """``ptr[rows + 1]`` is cut with an overlap of one; its numbers point into arrays that are handed over whole."""
    cols = data.draw(st.integers(1, 20))
    counts = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 4)))
    begin = np.concatenate([[0], np.cumsum(counts)])
    entries = int(begin[-1])
    col = data.draw(hnp.arrays(np.int32, entries, elements=st.integers(0, cols - 1)))
    val, x = whole_numbers(entries), whole_numbers(cols, seed=2)
    function = declare(
        """void csr_matvec(size_t rows, const int64_t begin[rows + 1], size_t entries, const int col[entries],
                           const double val[entries], size_t cols, const double x[cols], double y[rows]);""",
        executor=executor,
        threads=threads,
    )
    expected = np.array([(val[b:e] * x[col[b:e]]).sum() for b, e in itertools.pairwise(begin)], np.float64)
    same_bits(function(begin, col, val, x), expected + 0.0)  # 0 + -0.0 is 0.0


@every_executor
@given(
    extents=st.tuples(st.integers(0, 70), st.integers(0, 9), st.integers(0, 9)),
    threads=TEAMS,
    how=input_layouts,
    into=layouts,
)
@unhurried
def test_matrices_are_cut_by_rows(
    declare: Declare, executor: str, extents: tuple[int, int, int], threads: int, how: str, into: str
) -> None:
    m, k, n = extents
    a, b = whole_numbers((m, k)), whole_numbers((k, n), seed=2)
    function = declare(GEMM.format("chunk(max = 5)"), executor=executor, threads=threads)
    assert len(spans(function, a, b)) >= m / 5
    same_bits(function(INPUT_LAYOUTS[how](a), INPUT_LAYOUTS[how](b)), a @ b + 0.0)
    out = LAYOUTS[into](np.zeros((m, n)))
    assert function(a, b, out=out) is out
    same_bits(out, a @ b + 0.0)


@every_executor
@given(length=LENGTHS, threads=TEAMS, how=layouts)
@unhurried
def test_fixed_dimensions(declare: Declare, executor: str, length: int, threads: int, how: str) -> None:
    declaration = "void rotate(size_t n, const double r[3][3], const double p[n][3], double q[n][3]) chunk(max = 100);"
    turn = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    points = whole_numbers((length, 3))
    function = declare(declaration, executor=executor, threads=threads)
    same_bits(function(LAYOUTS[how](turn), LAYOUTS[how](points)), points @ turn.T)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_in_place_changes_the_callers_array(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    values = whole_numbers(length)
    x = LAYOUTS[how](values)
    assert declare(ADD_TO.format(clause), executor=executor, threads=threads)(x, 0.5) is None
    same_bits(x, values + 0.5)


@every_executor
def test_in_place_through_a_cast_rounds_as_numpy_does(declare: Declare, executor: str) -> None:
    x = np.linspace(0, 1, 1001, dtype=np.float32)
    expected = (x.astype(np.float64) + 0.1).astype(np.float32)
    declare(ADD_TO.format(""), executor=executor)(x, 0.1)
    same_bits(x, expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_several_outputs_and_a_returned_sum(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    random = np.random.default_rng(5)
    a, b = random.integers(-1000, 1000, length, np.int32), random.integers(1, 50, length, np.int32)
    function = declare(DIVIDE.format(clause), executor=executor, threads=threads)
    exact, quotient, rest = function(LAYOUTS[how](a), LAYOUTS[how](b))
    same_bits(quotient, (np.sign(a) * (np.abs(a) // b)).astype(np.int32))
    same_bits(rest, np.fmod(a, b))
    same_bits(exact, np.int32((rest == 0).sum()))
    mine = LAYOUTS[how](np.zeros(length, np.int32))
    results = function(a, b, out=(None, mine, None))
    assert results[1] is mine
    same_bits(results, (exact, quotient, rest))


# Reductions


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_a_returned_sum_is_the_python_loop_over_the_same_grid(
    declare: Declare, plain: ctypes.CDLL, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    x, y = real_numbers(length), real_numbers(length, seed=2)
    function = declare(DOT.format(clause), executor=executor, threads=threads)
    plain.dot.restype = ctypes.c_double
    total = None
    for start, stop in spans(function, x, y):
        places = [ctypes.c_void_p(pointer(array[start:stop])) for array in (x, y)]
        partial = plain.dot(ctypes.c_size_t(stop - start), *places)
        total = partial if total is None else total + partial
    same_bits(function(LAYOUTS[how](x), y), np.float64(total))


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_private_copies_of_a_histogram_add_up(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    data = np.random.default_rng(3).integers(0, 256, length, np.uint8)
    expected = np.bincount(data, minlength=256).astype(np.int64)
    function = declare(HIST.format(clause), executor=executor, threads=threads)
    same_bits(function(LAYOUTS[how](data)), expected)
    out = LAYOUTS[how](np.full(256, 17, np.int64))
    assert function(data, out=out) is out
    same_bits(out, expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_a_size_of_outputs_alone_is_passed(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    declaration = f"""void hist(size_t n, const double x[n], size_t bins, double lo, double hi, long counts[bins])
                      reduction(+: counts) {clause};"""
    x = np.random.default_rng(4).uniform(-0.25, 1.25, length)
    function = declare(declaration, executor=executor, threads=threads)
    expected = np.bincount(np.floor(x[(x >= 0) & (x < 1)] * 10).astype(np.int64), minlength=10).astype(np.int64)
    same_bits(function(x, bins=10, lo=0.0, hi=1.0), expected)
    same_bits(function(x, lo=0.0, hi=1.0, counts=np.zeros(10, np.int64)), expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_private_copies_of_floats_are_merged_in_the_order_of_the_grid(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    declaration = f"""void weigh(size_t n, const int bin[n], const double weight[n], size_t bins, double sums[bins])
                      reduction(+: sums) {clause};"""
    function = declare(declaration, executor=executor, threads=threads)
    bins = np.random.default_rng(6).integers(0, 5, length, np.int32)
    weights = real_numbers(length)
    expected = [0.0] * 5
    for number, (start, stop) in enumerate(spans(function, bins, weights, bins=5)):
        partial = [0.0] * 5
        for place, weight in zip(bins[start:stop], weights[start:stop], strict=True):
            partial[place] += float(weight)
        expected = partial if number == 0 else [one + other for one, other in zip(expected, partial, strict=True)]
    same_bits(function(bins, weights, bins=5), np.array(expected))


@every_executor
def test_what_an_array_held_takes_part_when_it_is_inout(declare: Declare, executor: str) -> None:
    declaration = HIST.format("inout(counts) chunk(max = 10)")
    function = declare(declaration, executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        counts = lay_out(np.arange(256))
        function(np.arange(100, dtype=np.uint8), counts)
        same_bits(counts, np.arange(256) + (np.arange(256) < 100))
        function(np.empty(0, np.uint8), counts)
        same_bits(counts, np.arange(256) + (np.arange(256) < 100))


SPECIAL = st.sampled_from((math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 1.0, -2.5))
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "*": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


@every_executor
@pytest.mark.parametrize("operator", OPERATIONS)
@pytest.mark.parametrize("kind", ["double first", "float first_float"])
@given(values=st.lists(SPECIAL, min_size=1, max_size=40), threads=TEAMS)
@unhurried
def test_merging_treats_nan_infinities_and_negative_zero_as_numpy_does(
    declare: Declare, executor: str, operator: str, kind: str, values: list[float], threads: int
) -> None:
    element = kind.split(maxsplit=1)[0]
    declaration = f"{kind}(size_t n, const {element} x[n]) reduction({operator}) chunk(max = 3);"
    function = declare(declaration, executor=executor, threads=threads)
    with np.errstate(all="ignore"):
        x = np.array(values, np.float64).astype(np.float64 if element == "double" else np.float32)
        expected = x[0]
        for value in x[3::3]:
            expected = OPERATIONS[operator](expected, value)
    result = function(x)
    assert type(result) is type(expected)
    if math.isnan(expected):  # which NaN it is, nobody promises
        assert math.isnan(result)
    else:
        same_bits(result, expected)


@every_executor
@given(values=st.lists(SPECIAL, min_size=1, max_size=40), threads=TEAMS)
@unhurried
def test_one_value_by_reference_is_an_output_without_dimensions(
    declare: Declare, executor: str, values: list[float], threads: int
) -> None:
    low, high = declare(EXTREMES.format("chunk(max = 3)"), executor=executor, threads=threads)(values)
    assert type(low) is type(high) is np.float64
    # which zero is the smaller one, nobody says
    np.testing.assert_array_equal([low, high], [np.min(values), np.max(values)])


@every_executor
def test_values_by_reference_go_into_arrays_without_dimensions(declare: Declare, executor: str) -> None:
    low, high = np.empty(()), np.empty((), ">f4")
    results = declare(EXTREMES.format(""), executor=executor)([3.0, 1.0, 2.0], out=(low, high))
    assert [float(result) for result in results] == [float(low), float(high)] == [1.0, 3.0]


@every_executor
def test_reductions_of_several_kinds_in_one_call(declare: Declare, executor: str) -> None:
    declaration = """void moments(size_t n, const double x[n], double sum[1], double _Complex turned[1],
                                  unsigned bits[1]) reduction(+: sum, turned) reduction(^: bits) chunk(max = 8);"""
    x = np.arange(100.0)
    total, turned, bits = declare(declaration, executor=executor, threads=3)(x)
    assert (total, turned) == (x.sum(), x[::2].sum() + 1j * x[1::2].sum())
    assert bits == np.bitwise_xor.reduce(x.astype(np.uint32))
    assert (turned.dtype, bits.dtype) == (np.complex128, np.uint32)


FIRST = "{type} first_{name}_of(size_t n, const {type} x[n]) reduction({operator}) chunk(max = 2);"


@every_executor
@pytest.mark.parametrize("operator", ["&", "|", "^"])
@pytest.mark.parametrize("name", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_bits_are_merged(declare: Declare, executor: str, operator: str, name: str) -> None:
    x = np.random.default_rng(8).integers(np.iinfo(name).min, np.iinfo(name).max, 101, name)
    function = declare(FIRST.format(type=f"{name}_t", name=name, operator=operator), executor=executor, threads=3)
    ufunc = {"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}[operator]
    same_bits(function(x), ufunc.reduce(x[::2]))
    nothing = np.zeros((), name)
    same_bits(function(x[:0]), (~nothing if operator == "&" else nothing)[()])


@every_executor
@pytest.mark.parametrize(("operator", "whole"), [("&&", np.all), ("||", np.any), ("min", np.min), ("max", np.max)])
def test_truth_values_are_merged(declare: Declare, executor: str, operator: str, whole: Callable[[Array], Any]) -> None:
    function = declare(FIRST.format(type="bool", name="bool", operator=operator), executor=executor, threads=3)
    for pattern in (0, 1, 5, 2**50 - 1, 2**49):
        firsts = np.array([bool(pattern >> bit & 1) for bit in range(50)])
        same_bits(function(np.repeat(firsts, 2)), whole(firsts))


NARROW = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]


@every_executor
@pytest.mark.parametrize("name", NARROW)
def test_a_merged_integer_that_does_not_fit_is_an_error_and_not_wrapped(
    declare: Declare, executor: str, name: str
) -> None:
    function = declare(FIRST.format(type=f"{name}_t", name=name, operator="+"), executor=executor, threads=2)
    largest = np.iinfo(name).max
    assert function(np.array([largest - 1, 0, 1, 0], name)) == largest
    with pytest.raises(OverflowError) as caught:
        function(np.array([largest, 0, 1, 0], name))
    wanted = f"first_{name}_of: the merged value {largest + 1} does not fit {name}; declare a wider return type"
    assert str(caught.value) == wanted


# Types


TYPES = {
    "bool": "bool", "char": "int8", "int8": "int8", "uint8": "uint8", "int16": "int16", "uint16": "uint16",
    "int32": "int32", "uint32": "uint32", "int64": "int64", "uint64": "uint64", "float": "float32", "double": "float64",
    "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip
SPELLED = {
    "bool": "bool",
    "char": "char",
    "float": "float",
    "double": "double",
    "cfloat": "float _Complex",
    "cdouble": "double _Complex",
}
every_type = pytest.mark.parametrize("name", TYPES)


def extreme_values(name: str, count: int) -> Array:
    """Values of a type with both its ends among them."""
    dtype = np.dtype(TYPES[name])
    random = np.random.default_rng(9)
    if dtype.kind == "b":
        return random.integers(0, 2, count).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values: Array = random.integers(info.min, info.max, count, dtype, endpoint=True)
        values[:2] = info.min, info.max
        return values
    parts = random.standard_normal((2, count))
    parts[:, :4] = [[np.inf, -0.0, 1e30, 0.0], [-np.inf, 0.0, -1e30, -0.0]]
    if dtype.kind == "f":
        real: Array = parts[0].astype(dtype)
        return real
    made = np.empty(count, dtype)
    made.real, made.imag = parts
    return made


@every_executor
@every_type
def test_elements_of_every_type_arrive_as_they_were(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    declaration = f"void copy_{name}(size_t n, const {spelled} x[n], {spelled} y[n]) chunk(max = 10);"
    x = extreme_values(name, 101)
    function = declare(declaration, executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        same_bits(function(lay_out(x)), x)
        out = lay_out(np.zeros(101, x.dtype))
        function(x, out=out)
        same_bits(out, x)


@every_executor
@every_type
def test_values_of_every_type_are_passed_and_returned_one_by_one(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    x = extreme_values(name, 60)
    function = declare(f"{spelled} same_{name}({spelled} x);", executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        same_bits(function(lay_out(x.reshape(3, 4, 5))), x.reshape(3, 4, 5))
    one = function(x[1].item())
    assert type(one) is x.dtype.type
    same_bits(one, x[1])


@every_executor
@every_type
def test_constants_of_every_type_reach_every_chunk(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    function = declare(
        f"void fill_{name}(size_t n, {spelled} value, {spelled} y[n]) split(n) chunk(max = 9);",
        executor=executor,
        threads=3,
    )
    for value in extreme_values(name, 6):
        same_bits(function(50, value), np.full(50, value))


@every_executor
@given(data=st.data(), threads=TEAMS)
@settings(unhurried, max_examples=20)
def test_arguments_that_fill_all_registers_and_more(
    declare: Declare, plain: ctypes.CDLL, executor: str, data: st.DataObject, threads: int
) -> None:
    kinds = "bdHfqdIfhdBdqddd?fQ"  # as in the C source
    spelled = {
        "b": "int8_t", "d": "double", "H": "uint16_t", "f": "float", "q": "int64_t", "I": "uint32_t", "h": "int16_t",
        "B": "uint8_t", "?": "bool", "Q": "uint64_t",
    }  # fmt: skip
    parameters = ", ".join(f"{spelled[kind]} {name}" for kind, name in zip(kinds, "abcdefghijklmopqrst", strict=True))
    function = declare(f"double many({parameters});", executor=executor, threads=threads)
    arrays = []
    for kind in kinds:
        dtype = np.dtype(kind)
        small = st.integers(0 if dtype.kind in "ub" else -100, 1 if dtype.kind == "b" else 100)
        arrays.append(data.draw(hnp.arrays(dtype, (7,), elements=small.map(dtype.type))))
    plain.many.restype = ctypes.c_double
    plain.many.argtypes = [np.ctypeslib.as_ctypes_type(np.dtype(kind)) for kind in kinds]
    expected = [plain.many(*(array[i].item() for array in arrays)) for i in range(7)]
    same_bits(function(*arrays), np.array(expected))


@in_this_process
def test_a_handle_is_passed_as_it_is(declare: Declare, executor: str) -> None:
    class Shift(ctypes.Structure):
        _fields_ = (("by", ctypes.c_double),)

    declaration = "void shift_all(const struct shift *how, size_t n, const double x[n], double y[n]) chunk(max = 9);"
    function = declare(declaration, executor=executor, threads=3)
    how = Shift(2.5)
    x = whole_numbers(100)
    address = ctypes.addressof(how)
    for handle in (how, ctypes.pointer(how), ctypes.byref(how), address, ctypes.c_void_p(address)):
        same_bits(function(handle, x), x + 2.5)


# Lifting


@every_executor
@given(
    shapes=hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=3, max_side=4),
    threads=TEAMS,
    data=st.data(),
)
@unhurried
def test_lifting_is_numpys_vectorize_over_the_same_function(
    declare: Declare,
    plain: ctypes.CDLL,
    executor: str,
    shapes: hnp.BroadcastableShapes,
    threads: int,
    data: st.DataObject,
) -> None:
    x, y = (real_numbers(shape, seed) for seed, shape in enumerate(shapes.input_shapes))
    plain.dot.restype = ctypes.c_double

    def one(x: Array, y: Array) -> Any:
        x, y = x.copy(), y.copy()
        return plain.dot(ctypes.c_size_t(len(x)), ctypes.c_void_p(pointer(x)), ctypes.c_void_p(pointer(y)))

    function = declare(
        "double dot(size_t n, const double x[n], const double y[n]) split();", executor=executor, threads=threads
    )
    how, into = data.draw(layouts), data.draw(layouts)
    expected = np.vectorize(one, signature="(n),(n)->()", otypes=[np.float64])(x, y)
    same_bits(function(LAYOUTS[how](x), y), np.asarray(expected)[()])
    out = LAYOUTS[into](np.zeros(shapes.result_shape))
    function(x, y, out=out)
    same_bits(out, expected)


@every_executor
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=5, min_side=0),
    threads=TEAMS,
    how=input_layouts,
)
@unhurried
def test_a_scalar_function_broadcasts_over_all_its_arguments(
    declare: Declare, executor: str, shapes: hnp.BroadcastableShapes, threads: int, how: str
) -> None:
    a, x = (INPUT_LAYOUTS[how](whole_numbers(shape, seed)) for seed, shape in enumerate(shapes.input_shapes[:2]))
    b = whole_numbers(shapes.input_shapes[2], 3).astype(np.int16)
    function = declare("double scale_one(double a, double x, int b);", executor=executor, threads=threads)
    expected = np.vectorize(lambda a, x, b: float(a) * float(x) + int(b), otypes=[np.float64])
    # vectorize cannot do without items
    wanted = expected(a, x, b) if 0 not in shapes.result_shape else np.empty(shapes.result_shape)
    result = function(a, x, b)
    assert isinstance(result, np.ndarray) == bool(shapes.result_shape)
    same_bits(result, wanted)


@every_executor
@given(shapes=hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=2, max_side=4), threads=TEAMS)
@unhurried
def test_lifted_rows_are_cut_as_single_rows_are(
    declare: Declare, executor: str, shapes: hnp.BroadcastableShapes, threads: int
) -> None:
    """Bit for bit what a Python loop over the rows gives, also where every row is cut."""
    x, y = (np.repeat(real_numbers(shape, seed), 300, axis=-1) for seed, shape in enumerate(shapes.input_shapes))
    function = declare(DOT.format(""), executor=executor, threads=threads)
    alone = declare(DOT.format(""), executor="serial", threads=1)
    expected = np.vectorize(alone, signature="(n),(n)->()", otypes=[np.float64])(x, y)
    same_bits(function(x, y), np.asarray(expected)[()])


@every_executor
@pytest.mark.parametrize("loops", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("length", [0, 1, 100])
def test_every_kind_of_function_is_lifted(declare: Declare, executor: str, loops: tuple[int, ...], length: int) -> None:
    options = {"executor": executor, "threads": 3}
    x = whole_numbers((*loops, length))
    same_bits(declare(SCALE.format("chunk(max = 7)"), **options)(2.0, x), 2 * x + 1)
    low, high = declare(EXTREMES.format("chunk(max = 7)"), **options)(np.insert(x, 0, 0.0, axis=-1))
    same_bits((low, high), (x.min(-1, initial=0.0), x.max(-1, initial=0.0)))
    data = x.astype(np.int64).astype(np.uint8)
    counts = declare(HIST.format("chunk(max = 7)"), **options)(data)
    same_bits(counts, (data[..., None] == np.arange(256)).sum(-2))
    same_bits(declare(BLUR.format(""), **options)(np.zeros((*loops, length + 2))), np.zeros((*loops, length)))
    mine = x.copy()
    declare(ADD_TO.format("chunk(max = 7)"), **options)(mine, 1.0)
    same_bits(mine, x + 1)
    total = declare(DOT.format("chunk(max = 7)"), **options)(x, np.ones(length))
    same_bits(total, np.asarray(x.sum(-1))[()] + 0.0)


@every_executor
def test_values_are_lifted_beside_arrays(declare: Declare, executor: str) -> None:
    """A scalar parameter of a function with arrays may be an array: one more thing to broadcast."""
    function = declare(SCALE.format("chunk(max = 7)"), executor=executor, threads=3)
    x, a = whole_numbers((4, 1, 50)), np.array([1.0, -2.0, 0.5])
    same_bits(function(a, x), a[:, None] * x + 1)
    same_bits(function(a, x[0, 0]), a[:, None] * x[0, 0] + 1)


@every_executor
def test_one_small_matrix_multiplies_a_stack(declare: Declare, executor: str) -> None:
    function = declare(GEMM.format("chunk(max = 2)"), executor=executor, threads=3)
    a, b = whole_numbers((5, 1, 4, 3)), whole_numbers((6, 3, 2), seed=2)
    same_bits(function(a, b), a @ b + 0.0)
    same_bits(function(a[0, 0], b), a[0, 0] @ b + 0.0)
    # loop dimensions at the end, as a transposed view has them
    moved = np.moveaxis(np.moveaxis(b, 0, -1).copy(), -1, 0)
    same_bits(function(a, moved), a @ b + 0.0)
    out = np.moveaxis(np.zeros((4, 2, 5, 6)), (0, 1), (2, 3))
    function(a, b, out=out)
    same_bits(out.copy(), a @ b + 0.0)


@every_executor
def test_an_input_may_be_one_row_shown_many_times(declare: Declare, executor: str) -> None:
    x = np.broadcast_to(whole_numbers(40), (30, 40))
    function = declare(SCALE.format(""), executor=executor, threads=3)
    same_bits(function(3.0, x), 3 * x + 1)
    same_bits(function(3.0, np.broadcast_to(np.float64(2.0), 100)), np.full(100, 7.0))


@every_executor
def test_a_function_without_inputs_that_could_be_cut_is_called_once_per_item(declare: Declare, executor: str) -> None:
    function = declare("double trace(size_t n, const double a[n][n]);", executor=executor, threads=3)
    stack = whole_numbers((9, 5, 5))
    same_bits(function(stack), np.trace(stack, axis1=1, axis2=2))
    squares = declare("void square_of(double x, double y[1]);", executor=executor, threads=3)
    same_bits(squares(stack), stack**2)
    assert type(squares(3.0)) is np.float64
    same_bits(squares(3.0), np.float64(9.0))


@every_executor
def test_results_may_be_written_over_the_values_they_come_from(declare: Declare, executor: str) -> None:
    x = real_numbers(1000)
    expected = 2.0 * x + 3
    declare("double scale_one(double a, double x, int b);", executor=executor, threads=3)(2.0, x, 3, out=x)
    same_bits(x, expected)


# Nothing shows who did the work


def _everything(declare: Declare, executor: str, threads: int) -> list[Any]:
    """Results of all kinds, on data large enough for many chunks."""
    options = {"executor": executor, "threads": threads}
    x, y = real_numbers(100_003), real_numbers(100_003, seed=2)
    ints = np.random.default_rng(7).integers(-9, 10, 100_003, np.int32)
    mine = x.copy()
    declare(ADD_TO.format(""), **options)(mine, 0.1)
    weigh = """void weigh(size_t n, const int bin[n], const double weight[n], size_t bins, double sums[bins])
               reduction(+: sums);"""
    return [
        declare(DOT.format(""), **options)(x, y),
        declare(DOT.format(""), **options)(x[:99_990].reshape(30, 3333), y[:3333]),
        declare(SCALE.format(""), **options)(0.1, x[::-3].astype(">f8")),
        declare(BLUR.format(""), **options)(x),
        declare(HIST.format(""), **options)(x.view(np.uint8)),
        declare(weigh, **options)(np.abs(ints), y, bins=10),
        declare(EXTREMES.format(""), **options)(x),
        declare(DIVIDE.format(""), **options)(ints, np.abs(ints) + 1),
        declare(LENGTHS_OF.format(""), **options)(x),
        declare(GEMM.format(""), **options)(x[:3000].reshape(1000, 3), y[:6].reshape(2, 3).T),
        mine,
    ]


@pytest.fixture(scope="module")
def reference(declare: Declare) -> list[Any]:
    return _everything(declare, "serial", 1)


@pytest.mark.parametrize(("executor", "threads"), EVERYWHERE)
def test_bits_do_not_depend_on_executor_or_threads(
    declare: Declare, reference: list[Any], executor: str, threads: int
) -> None:
    for result, expected in zip(_everything(declare, executor, threads), reference, strict=True):
        same_bits(result, expected)


@every_executor
def test_calls_from_many_python_threads_do_not_disturb_each_other(declare: Declare, executor: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    function = declare(DOT.format("chunk(max = 100)"), executor=executor, threads=3)
    pairs = [(real_numbers(5000, seed), real_numbers(5000, seed + 1)) for seed in range(20)]
    alone = [function(*pair) for pair in pairs]
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda pair: function(*pair), pairs * 3))
    same_bits(np.array(together), np.array(alone * 3))


# Nothing to do


@every_executor
def test_a_reduction_of_nothing_is_its_identity(declare: Declare, executor: str) -> None:
    nothing = np.empty(0)
    same_bits(declare(DOT.format(""), executor=executor)(nothing, nothing), np.float64(0.0))
    same_bits(declare(DOT.format(""), executor=executor)(np.empty((3, 0)), nothing), np.zeros(3))
    product = declare("double first(size_t n, const double x[n]) reduction(*);", executor=executor)
    same_bits(product(nothing), np.float64(1.0))
    same_bits(declare(HIST.format(""), executor=executor)(np.empty(0, np.uint8)), np.zeros(256, np.int64))


@every_executor
@pytest.mark.parametrize("operator", ["min", "max"])
def test_the_extreme_of_nothing_is_an_error(declare: Declare, executor: str, operator: str) -> None:
    function = declare(f"double first(size_t n, const double x[n]) reduction({operator});", executor=executor)
    with pytest.raises(ValueError, match=r"^first: ") as caught:
        function(np.empty(0))
    assert str(caught.value) == f"first: {operator} has no value for no items (n = 0)"
    with pytest.raises(ValueError, match=r"^extremes: ") as caught:
        declare(EXTREMES.format(""), executor=executor)(np.empty((2, 0)))
    assert str(caught.value) == "extremes: min of lo has no value for no items (n = 0)"

"""What every executor is tried on: declarations, sizes, chunks, and all the ways in which arrays can lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

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

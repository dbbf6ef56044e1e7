"""Merging: identities change nothing, folds go from first chunk to last, and odd values meet NumPy's rules."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyffipar.language.clauses import OPERATORS
from pyffipar.plans.combine import (
    accepts,
    fold_arrays,
    fold_values,
    identity,
    join,
    locate,
    starting_value,
)

Array = np.ndarray[Any, np.dtype[Any]]

# For every operator and every type: so few examples each are many in all.
brief = settings(max_examples=15, deadline=None)

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "*": np.multiply, "min": np.minimum, "max": np.maximum, "&": np.bitwise_and, "|": np.bitwise_or,
    "^": np.bitwise_xor, "&&": np.logical_and, "||": np.logical_or, "hypot": np.hypot,
}  # fmt: skip
DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]
PAIRS = [(operator, dtype) for operator in BINARY for dtype in DTYPES if accepts(operator, np.dtype(dtype))]


def lengths_of(partials: Array) -> Array:
    return np.full(len(partials), 3)


def test_operators_apply_to_the_types_they_have_a_meaning_for() -> None:
    kinds = {
        operator: "".join(
            kind for kind in "biufcV" if accepts(operator, np.dtype({"b": "?", "V": "V3"}.get(kind, f"{kind}8")))
        )
        for operator in OPERATORS
    }
    assert kinds == {
        "+": "biufc", "*": "biufc", "min": "biuf", "max": "biuf", "&": "biu", "|": "biu", "^": "biu", "&&": "biufc",
        "||": "biufc", "mean": "fc", "hypot": "f", "first": "biufcV", "last": "biufcV", "concat": "biufcV",
    }  # fmt: skip


@pytest.mark.parametrize(("operator", "dtype"), [pair for pair in PAIRS if pair[0] not in ("&&", "||")])
@given(data=st.data())
@brief
def test_a_starting_value_changes_nothing(operator: str, dtype: str, data: st.DataObject) -> None:
    neutral = starting_value(operator, np.dtype(dtype))
    element = hnp.from_dtype(np.dtype(dtype), allow_nan=False)
    value = np.dtype(dtype).type(data.draw(element))
    with np.errstate(all="ignore"):
        merged = BINARY[operator](neutral, value)
    assert neutral.dtype == dtype
    assert merged == (abs(value) if operator == "hypot" else value) or np.isnan(merged)


@pytest.mark.parametrize(
    ("operator", "dtype"), [(name, code) for name in OPERATORS for code in DTYPES if accepts(name, np.dtype(code))]
)
def test_only_what_has_a_value_for_nothing_has_an_identity(operator: str, dtype: str) -> None:
    found = identity(operator, np.dtype(dtype))
    if operator in ("min", "max", "mean", "first", "last", "concat"):
        assert found is None
    else:
        assert found.dtype == dtype
        assert not math.isinf(abs(found))


@pytest.mark.parametrize(("operator", "dtype"), PAIRS)
@given(data=st.data(), chunks=st.integers(1, 9), rows=st.integers(1, 3))
@brief
def test_returned_values_are_folded_from_left_to_right(
    operator: str, dtype: str, data: st.DataObject, chunks: int, rows: int
) -> None:
    elements = hnp.from_dtype(np.dtype(dtype), allow_nan=False)
    if (
        dtype[0] == "c" and operator == "*"
    ):  # exact ones: whether a product is rounded once or twice is the CPU's choice
        elements = st.builds(complex, st.integers(-3, 3), st.integers(-3, 3))
    partials = data.draw(hnp.arrays(dtype, (rows, chunks), elements=elements))
    exact: Any = partials != 0 if operator in ("&&", "||") else partials  # as in C
    merge = BINARY[operator]
    if partials.dtype.kind in "iu" and operator in "+*":
        exact, merge = partials.tolist(), {"+": int.__add__, "*": int.__mul__}[operator]
    with np.errstate(all="ignore"):
        expected = [functools.reduce(merge, row) for row in exact]
    info = np.iinfo(dtype) if partials.dtype.kind in "iu" else None
    fits = info is None or all(info.min <= int(value) <= info.max for value in expected)
    try:
        found = fold_values(operator, partials, np.full(chunks, 3), "f")
    except OverflowError:
        assert not fits
        return
    assert found.dtype == dtype
    if fits:
        np.testing.assert_array_equal(found, np.array(expected, object).astype(dtype))
    else:  # 64 bits wrap as they do in C
        assert info is not None
        assert info.dtype.itemsize == 8


def test_an_overflow_names_function_value_and_type() -> None:
    with pytest.raises(OverflowError) as caught:
        fold_values("+", np.array([[1, 2], [100, 100]], np.int8), np.array([1, 1]), "total")
    assert str(caught.value) == "total: the merged value 200 does not fit int8; declare a wider return type"


def test_a_product_too_large_for_64_bits_does_not_wrap_into_the_range_of_its_type() -> None:
    with pytest.raises(OverflowError, match=f"the merged value {2**64} does not fit uint32"):
        fold_values("*", np.full(4, 1 << 16, np.uint32), np.ones(4), "f")
    assert fold_values("*", np.array([1 << 16, 1 << 16, 1 << 16, 0], np.uint32), np.ones(4), "f") == 0


@pytest.mark.parametrize(("operator", "dtype"), PAIRS)
@pytest.mark.parametrize("keep", [False, True])
@given(data=st.data(), chunks=st.integers(1, 5))
@brief
def test_private_copies_are_folded_from_left_to_right(
    operator: str, dtype: str, data: st.DataObject, chunks: int, *, keep: bool
) -> None:
    elements = hnp.from_dtype(np.dtype(dtype), allow_nan=False)
    partials = data.draw(hnp.arrays(dtype, (chunks, 2, 3), elements=elements))
    held = data.draw(hnp.arrays(dtype, (2, 3), elements=elements))
    into = held.copy()
    parts = [held, *partials] if keep else list(partials)
    parts = [part != 0 for part in parts] if operator in ("&&", "||") else parts  # as in C
    narrow = np.dtype(dtype).kind in "iu" and np.dtype(dtype).itemsize < 8 and operator in ("+", "*")
    if narrow:
        parts = [part.astype(object) for part in parts]
    merge = times if np.dtype(dtype).kind == "c" and operator == "*" else BINARY[operator]
    with np.errstate(all="ignore"):
        merged = functools.reduce(merge, parts)
    info = np.iinfo(dtype) if narrow else None
    if info is not None and (merged.min() < info.min or merged.max() > info.max):
        with pytest.raises(OverflowError, match="does not fit"):
            fold_arrays(operator, partials, lengths_of(partials), into, "f", keep=keep)
        np.testing.assert_array_equal(into, held)
        return
    fold_arrays(operator, partials, lengths_of(partials), into, "f", keep=keep)
    np.testing.assert_array_equal(into, merged.astype(dtype))


def times(one: Array, other: Array) -> Array:
    """Complex products spelled out: NumPy's own may differ in the last bit with the layout."""
    found = np.empty(one.shape, one.dtype)
    found.real = one.real * other.real - one.imag * other.imag
    found.imag = one.real * other.imag + one.imag * other.real
    return found


def test_private_copies_go_into_an_array_of_another_type_or_layout() -> None:
    partials = np.arange(12.0).reshape(4, 3)
    for into in (np.zeros(3, np.float32), np.zeros(6)[::-2], np.zeros(3, ">f8"), np.zeros(3, np.complex64)):
        fold_arrays("+", partials, lengths_of(partials), into, "f", keep=False)
        assert into.tolist() == [18.0, 22.0, 26.0]


@given(hnp.arrays("f8", st.integers(1, 9), elements=st.floats(-100, 100)), st.data())
def test_means_are_weighed_by_length(partials: Array, data: st.DataObject) -> None:
    lengths = data.draw(hnp.arrays("i8", len(partials), elements=st.integers(1, 1000)))
    found = fold_values("mean", partials, lengths, "f")
    np.testing.assert_allclose(found, np.average(partials, weights=lengths), rtol=1e-9, atol=1e-9)


def test_one_mean_stays_as_it_is() -> None:
    assert fold_values("mean", np.array([0.1]), np.array([3]), "f") == 0.1


def test_first_and_last_take_one_partial() -> None:
    partials = np.array([[1, 2, 3], [4, 5, 6]])
    assert fold_values("first", partials, np.ones(3), "f").tolist() == [1, 4]
    assert fold_values("last", partials, np.ones(3), "f").tolist() == [3, 6]


def test_a_function_gets_earlier_later_and_the_laters_length() -> None:
    told: list[tuple[int, int, int]] = []

    def merger(earlier: Any, later: Any, length: int) -> Any:
        told.append((int(earlier), int(later), length))
        return earlier * 10 + later

    assert fold_values("g", np.array([1, 2, 3]), np.array([7, 8, 9]), "f", merger) == 123
    assert told == [(1, 2, 8), (12, 3, 9)]


@given(
    values=hnp.arrays(
        "f8", st.integers(1, 40), elements=st.sampled_from((0.0, -0.0, 1.0, 2.0, np.nan, np.inf, -np.inf))
    ),
    chunk=st.integers(1, 12),
    operator=st.sampled_from(("argmin", "argmax")),
)
def test_the_first_of_equals_wins_and_nan_before_all(values: Array, chunk: int, operator: str) -> None:
    find = np.argmin if operator == "argmin" else np.argmax
    starts = np.arange(0, len(values), chunk)
    partials = np.array([find(values[start : start + chunk]) for start in starts])
    assert locate(operator, partials, starts, values, "f") == find(values)


@pytest.mark.parametrize("wrong", [-1, 3, 99])
def test_an_index_outside_its_chunk_is_an_error(wrong: int) -> None:
    with pytest.raises(ValueError, match="outside") as caught:
        locate("argmin", np.array([0, wrong]), np.array([0, 3]), np.zeros(6), "f")
    assert str(caught.value) == f"f returned the index {wrong}, which lies outside its chunk"


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=9))
def test_used_parts_are_pushed_together(chunks: list[tuple[int, int]]) -> None:
    sizes = [size for size, _ in chunks]
    used = np.array([min(size, count) for size, count in chunks])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    pieces = np.arange(sum(sizes))
    expected = [place for start, count in zip(starts, used, strict=True) for place in range(start, start + count)]
    assert join(pieces, starts, used).tolist() == expected

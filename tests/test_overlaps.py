"""Shared memory is found wherever it is: between arrays, and within one through its strides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from pyffipar.system.overlaps import identical, overlap, overlaps_itself

BASE = np.zeros(4096, np.uint8)


@st.composite
def views(draw: st.DrawFn) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
    """Small arrays somewhere in BASE, with any strides."""
    dtype = np.dtype(f"V{draw(st.integers(1, 5))}")
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    strides = [draw(st.integers(-12, 12)) for _ in shape]
    first = 2048 + draw(st.integers(-20, 20))
    view = as_strided(BASE[first : first + dtype.itemsize].view(dtype), shape, strides)
    assert view.ndim == len(shape)
    return view


def addresses(array: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> list[int]:
    """Every byte of every element, one by one."""
    start = array.__array_interface__["data"][0]
    found: list[int] = []
    for index in np.ndindex(array.shape):
        place = start + sum(i * stride for i, stride in zip(index, array.strides, strict=True))
        found += range(place, place + array.itemsize)
    return found


@given(views())
def test_no_self_overlap_is_missed(array: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> None:
    """It may suspect some interleaved strides wrongly, but never trusts an array whose elements share bytes."""
    taken = addresses(array)
    if len(set(taken)) != len(taken):
        assert overlaps_itself(array)


@given(views(), views())
def test_overlap_is_decided_exactly(
    one: np.ndarray[tuple[int, ...], np.dtype[np.void]], other: np.ndarray[tuple[int, ...], np.dtype[np.void]]
) -> None:
    assert overlap(one, other) == bool(set(addresses(one)) & set(addresses(other)))


SQUARE = np.zeros((6, 6))


@pytest.mark.parametrize(
    "array",
    [SQUARE, SQUARE.T, SQUARE[::-1], SQUARE[::2, ::-3], SQUARE[:, :1], SQUARE[0], np.zeros(()), np.zeros((0, 3)),
     np.asfortranarray(np.zeros((2, 3, 4))), np.moveaxis(np.zeros((2, 3, 4)), 0, 1), np.broadcast_to(1.0, (1, 1))],
)  # fmt: skip
def test_ordinary_views_do_not_overlap_themselves(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    assert not overlaps_itself(array)


@pytest.mark.parametrize(
    "array",
    [np.broadcast_to(1.0, 3), np.broadcast_to(np.zeros(3), (2, 3)), as_strided(np.zeros(9), (3, 3), (8, 8)),
     as_strided(np.zeros(9), (3,), (4,))],
)  # fmt: skip
def test_repeated_elements_are_found(array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    assert overlaps_itself(array)


def test_interleaved_columns_do_not_overlap() -> None:
    assert not overlap(SQUARE[:, ::2], SQUARE[:, 1::2])
    assert overlap(SQUARE[:, ::2], SQUARE[:, ::3])


def test_what_takes_too_long_to_decide_counts_as_overlap() -> None:
    """Deciding is as hard as finding integer solutions; these two do not overlap, and it takes long to see."""
    memory = np.zeros(10**6, np.uint8)
    strides = (2 * 3 * 7 * 13, 2 * 3 * 11 * 17, 2 * 5 * 7 * 11, 2 * 3 * 5 * 19)
    one = as_strided(memory[500_000:], (30, 30, 30, 30), strides, writeable=False)
    other = as_strided(memory[500_001:], (30, 30, 30, 30), strides, writeable=False)
    assert overlap(one, other) in (True, False)
    assert overlap(one, one)


def test_identical_means_the_same_elements_in_the_same_order() -> None:
    x = np.zeros(10)
    assert identical(x, x[:])
    assert not identical(x, x[::-1])
    assert not identical(x, x[:5])
    assert not identical(x, x.view(np.int64))
    assert not identical(x[::2], x[:5])

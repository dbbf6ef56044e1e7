"""Which arrays share memory: with each other, or with themselves through their strides."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

MAX_WORK = 100_000  # steps of NumPy's exact test: about a millisecond


def overlaps_itself(array: Array) -> bool:
    """Whether two elements may share bytes: no, if every stride steps over all that smaller strides reach."""
    if array.flags.c_contiguous or array.size <= 1:
        return False
    reach = array.itemsize
    for stride, extent in sorted(
        (abs(stride), extent) for stride, extent in zip(array.strides, array.shape, strict=True) if extent > 1
    ):
        if stride < reach:
            return True
        reach += stride * (extent - 1)
    return False


def overlap(one: Array, other: Array) -> bool:
    """Whether two arrays share any byte; what cannot be decided quickly counts as yes."""
    if not np.may_share_memory(one, other):
        return False
    try:
        return np.shares_memory(one, other, max_work=MAX_WORK)  # type: ignore[arg-type]  # any int, says its manual
    except np.exceptions.TooHardError:
        return True


def identical(one: Array, other: Array) -> bool:
    """Whether two arrays are the same elements in the same order."""
    same = one.ctypes.data == other.ctypes.data and one.strides == other.strides
    return same and one.shape == other.shape and one.dtype == other.dtype


def hold(arrays: Iterable[Array]) -> tuple[object, ...]:
    """What keeps arrays from being resized, as long as it lives.

    A buffer export does not: NumPy looks at weak references only, once ``refcheck=False`` tells it not to count others.
    """
    return tuple(weakref.ref(_owner(array)) for array in arrays)


def _owner(array: Array) -> Array:
    """The array that a view is of, however far down."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array

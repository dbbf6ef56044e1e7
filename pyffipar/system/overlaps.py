"""Which arrays share memory: with each other, or with themselves through their strides."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from .addresses import address_of

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


def reach(array: Array) -> tuple[int, int]:
    """The bytes an array lies in: from where to where, counted from its address."""
    if not array.size:
        return 0, 0
    steps = [stride * (extent - 1) for stride, extent in zip(array.strides, array.shape, strict=True)]
    return sum(step for step in steps if step < 0), sum(step for step in steps if step > 0) + array.itemsize


def identical(one: Array, other: Array) -> bool:
    """Whether two arrays are the same elements in the same order."""
    same = address_of(one) == address_of(other) and one.strides == other.strides
    return same and one.shape == other.shape and one.dtype == other.dtype


def hold(arrays: Iterable[Array]) -> tuple[object, ...]:
    """What keeps arrays from being resized, as long as it lives.

    A buffer export does not: NumPy looks at weak references only, once ``refcheck=False`` tells it not to count others.
    """
    owners = []
    for array in arrays:
        owner = array
        while isinstance(owner.base, np.ndarray):  # a view, however far down
            owner = owner.base
        owners.append(weakref.ref(owner))
    return tuple(owners)

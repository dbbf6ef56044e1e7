"""Which dimensions a reduction goes over, and a view of the array on which a kernel can do it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Axis = int | Sequence[int] | None


def reduced_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes as non-negative numbers, in order.

    Raises
    ------
    numpy.exceptions.AxisError
        For an axis the array does not have.
    ValueError
        For one that is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    found = []
    for each in given:
        number = operator.index(each)
        if not -ndim <= number < ndim and not (ndim == 0 and number in (0, -1) and not isinstance(axis, tuple)):
            raise np.exceptions.AxisError(number, ndim)
        found.append(number % ndim if ndim else 0)
    if len(set(found)) != len(found):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(found)) if ndim else ()


def with_kept(result: Any, axes: tuple[int, ...], ndim: int, *, keepdims: bool) -> Any:
    """A result with the reduced dimensions as dimensions of extent 1, if they are to be kept."""
    if not keepdims:
        return result
    shape = list(np.shape(result))
    for axis in axes:
        shape.insert(axis, 1)
    assert len(shape) == ndim
    return np.reshape(result, shape)


class Arranged(NamedTuple):
    """Arrays of equal shape, transposed and with neighbouring dimensions merged.

    Attributes
    ----------
    arrays : tuple of ndarray
        First the dimensions that are kept, then those that are reduced; each group from large strides to small.
    kept : int
        How many dimensions are kept.
    shape : tuple of int
        The kept dimensions before they were merged.
    order : tuple of int
        Which original kept dimension each of them was.
    """

    arrays: tuple[Array, ...]
    kept: int
    shape: tuple[int, ...]
    order: tuple[int, ...]

    def restored(self, result: Array) -> Array:
        """A result over the kept dimensions in their original order."""
        return result.reshape(self.shape).transpose(np.argsort(self.order).tolist())


def arrange(arrays: tuple[Array, ...], axes: tuple[int, ...]) -> Arranged:
    """Order and merge dimensions, so that as few as possible are left and the innermost ones lie closest."""
    first = arrays[0]
    kept = [axis for axis in range(first.ndim) if axis not in axes]
    by_stride = lambda axis: (-abs(first.strides[axis]), axis)  # noqa: E731 - a key
    kept_order = sorted(kept, key=by_stride)
    reduced_order = sorted(axes, key=by_stride)
    views = tuple(array.transpose(*kept_order, *reduced_order) for array in arrays)
    shape = tuple(first.shape[axis] for axis in kept_order)
    kept_groups = _mergeable(views, 0, len(kept_order))
    reduced_groups = _mergeable(views, len(kept_order), first.ndim)
    merged = tuple(_merged(view, (*kept_groups, *reduced_groups)) for view in views)
    return Arranged(merged, len(kept_groups), shape, tuple(kept.index(axis) for axis in kept_order))


def _mergeable(views: tuple[Array, ...], start: int, stop: int) -> list[tuple[int, int]]:
    """Ranges of neighbouring dimensions that are one dimension in every array."""
    groups: list[tuple[int, int]] = []
    for axis in range(start, stop):
        if groups and all(_continues(view, groups[-1], axis) for view in views):
            groups[-1] = (groups[-1][0], axis + 1)
        else:
            groups.append((axis, axis + 1))
    return groups


def _continues(view: Array, group: tuple[int, int], axis: int) -> bool:
    """Whether stepping along the dimension before `axis` is the same as going through all of `axis`."""
    return bool(view.strides[group[1] - 1] == view.strides[axis] * view.shape[axis])


def _merged(view: Array, groups: tuple[tuple[int, int], ...]) -> Array:
    shape = []
    strides = []
    for start, stop in groups:
        extent = 1
        for axis in range(start, stop):
            extent *= view.shape[axis]
        shape.append(extent)
        strides.append(view.strides[stop - 1])
    return np.lib.stride_tricks.as_strided(view, tuple(shape), tuple(strides))

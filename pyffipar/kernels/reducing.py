"""Reductions over any axes of any array: which kernel walks over which dimensions, and NumPy's rules around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arranging import Axis, arrange, reduced_axes, with_kept
from .declarations import has_kernels, kernel

Array = np.ndarray[Any, np.dtype[Any]]

# Rows narrower than this are gathered column by column: lanes along so short a row would be mostly empty.
NARROWEST_ROW = 4
STRIP = 4096  # elements of a row that are worked on together
INT64, UINT64, BOOL, FLOAT64 = np.dtype(np.int64), np.dtype(np.uint64), np.dtype(np.bool_), np.dtype(np.float64)


@dataclass(frozen=True, slots=True)
class Rule:
    """One reduction: its kernels, and what NumPy says about it.

    Attributes
    ----------
    family : str
        Of the kernels.
    ufunc : numpy.ufunc
        Merges what is left after the innermost dimensions, and the initial value.
    empty : object
        The result of no items; None if there is none.
    result : callable
        From the elements' dtype to the dtype the kernel returns.
    has_rows : callable
        From the elements' dtype to whether there is a kernel over the leading dimension.
    title : str
        What users call it, in errors.
    """

    family: str
    ufunc: np.ufunc
    empty: Any
    result: Callable[[np.dtype[Any]], np.dtype[Any]]
    has_rows: Callable[[np.dtype[Any]], bool]
    title: str

    def again(self) -> str:
        """The family that merges results of this one."""
        return _AGAIN.get(self.family, self.family)


# Most results are merged by the rule that made them.
_AGAIN = {"count_nonzero": "sum", "count_numbers": "sum", "nansum": "sum", "sqdev": "sum", "sumsq": "sum"}


def accumulated(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype sums and products of integers are kept in; others stay as they are."""
    if dtype.kind in "bu":
        return UINT64
    return INT64 if dtype.kind == "i" else dtype


def adopted(a: Any, name: str) -> Array:
    """The array behind an argument.

    Raises
    ------
    TypeError
        For dtypes there are no kernels for, and masked arrays.
    """
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(f"{name}: masked arrays are not supported; fill them, or pass where=")
    x = np.asarray(a)
    if x.dtype.kind == "f" and x.dtype.itemsize == 2 and not x.dtype.isnative:
        x = x.astype(np.float16)
    if not has_kernels(x.dtype) and x.dtype != np.float16:
        raise TypeError(no_kernel(name, x.dtype))
    return x


def no_kernel(name: str, dtype: np.dtype[Any]) -> str:
    """The message for elements that no kernel takes."""
    return (
        f"{name}: there is no kernel for dtype {dtype}; there are kernels for bool, integers of 8 to 64 bits, floats "
        "of 16 to 64, and complex numbers of 64 and 128"
    )


def cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x` as an array that kernels for `dtype` take: chunk by chunk where that is a safe cast, else copied here."""
    if x.dtype == dtype or (np.can_cast(x.dtype, dtype, "safe") and x.dtype.kind != "b"):
        return x
    return x.astype(dtype)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A dtype in this machine's byte order: results are never kept in the other one."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def _working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What kernels work in: half precision is only for keeping."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def viewed(x: Array) -> Array:
    """Truth values as the bytes they are."""
    return x.view(np.uint8) if x.dtype == BOOL else x


def over_axes(
    rule: Rule, x: Array, dtype: np.dtype[Any], axes: tuple[int, ...], mask: Array | None, *extra: Array
) -> Array:
    """A reduction of `x`, worked on as `dtype`, over some axes.

    Parameters
    ----------
    rule : Rule
    x : ndarray
        Casts safely to `dtype`.
    dtype : dtype
    axes : tuple of int
        In order, without duplicates.
    mask : ndarray of bool or None
        Of the shape of `x`: elements that take part.
    *extra : ndarray
        Values the kernel takes besides, of the shape of the result.

    Returns
    -------
    ndarray
        Over the dimensions that are left.
    """
    arrays: tuple[Array, ...] = (
        (viewed(x),) if mask is None else (viewed(x), np.broadcast_to(mask, x.shape).view(np.uint8))
    )
    family = rule.family if mask is None else f"{rule.family}_where"
    if not axes:
        arrays = tuple(array[..., np.newaxis] for array in arrays)
        axes = (arrays[0].ndim - 1,)
    arranged = arrange(arrays, axes)
    views, kept = arranged.arrays, arranged.kept
    extra = tuple(_like_kept(value, x, axes, arranged.order, views[0].shape[:kept]) for value in extra)
    outer = views[0].ndim - kept - 1  # reduced dimensions that the kernel does not reach
    if mask is None and kept and rule.has_rows(dtype) and _rows_lie_inside(views[0], kept):
        order = (*range(kept - 1), *range(kept, kept + outer), kept + outer, kept - 1)
        rows = _reduce_rows(family, dtype, views[0].transpose(order), tuple(_spread(e, outer, -1) for e in extra))
        partial = np.moveaxis(rows, -1, kept - 1)
    else:
        partial = np.asarray(kernel(family, dtype)(*views, *(_spread(e, outer, None) for e in extra)))
    if outer:
        again = Rule(rule.again(), rule.ufunc, rule.empty, rule.result, rule.has_rows, rule.title)
        dims = tuple(range(kept, kept + outer))
        partial = over_axes(again, partial, partial.dtype, dims, None)
    return arranged.restored(partial)


def _reduce_rows(family: str, dtype: np.dtype[Any], x: Array, extra: tuple[Array, ...]) -> Array:
    """Reduce the last dimension but one; long rows in strips, which are calls of their own and share the work out."""
    reduce_rows = kernel(f"{family}_rows", dtype)
    width = x.shape[-1]
    whole = width - width % STRIP
    if width < 2 * STRIP:
        return np.asarray(reduce_rows(x, *extra))
    strips = np.moveaxis(x[..., :whole].reshape(*x.shape[:-1], -1, STRIP), -2, -3)
    done = reduce_rows(strips, *(e[..., :whole].reshape(*e.shape[:-1], -1, STRIP) for e in extra))
    done = np.asarray(done).reshape(*x.shape[:-2], whole)
    if whole == width:
        return done
    return np.concatenate([done, np.asarray(reduce_rows(x[..., whole:], *(e[..., whole:] for e in extra)))], axis=-1)


def _rows_lie_inside(x: Array, kept: int) -> bool:
    """Whether the innermost dimension is one that is kept, and wide enough to work on whole rows."""
    width, step = x.shape[kept - 1], x.strides[kept - 1]
    return abs(step) < abs(x.strides[-1]) and x.shape[-1] > 1 and step == x.itemsize and width >= NARROWEST_ROW


def _like_kept(value: Array, x: Array, axes: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """A value for every result, arranged as the dimensions that are kept."""
    kept_shape = tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)
    return np.broadcast_to(value, kept_shape).transpose(order).reshape(shape)


def _spread(value: Array, outer: int, last: int | None) -> Array:
    """Insert the outer reduced dimensions: behind the others, or in front of the last one, which is a core."""
    place = value.ndim if last is None else value.ndim - 1
    return np.expand_dims(value, tuple(range(place, place + outer))) if outer else value


def reduce(
    rule: Rule,
    a: Any,
    axis: Axis,
    dtype: np.dtype[Any] | None,
    out: Array | None,
    *,
    keepdims: bool,
    initial: Any,
    where: Any,
) -> Any:
    """A reduction as NumPy's function of the same name does it.

    Parameters
    ----------
    rule : Rule
    a : array_like
    axis : int, tuple of int or None
    dtype : dtype or None
        What the elements are cast to first; None leaves the choice to `rule`.
    out : ndarray or None
    keepdims : bool
    initial : scalar or None
        Merged with the result.
    where : array_like of bool
        True for all.

    Returns
    -------
    scalar or ndarray
    """
    x = adopted(a, rule.title)
    axes = reduced_axes(axis, x.ndim)
    mask = None if where is True else np.asarray(where)
    if mask is not None:
        if mask.dtype != BOOL:
            raise TypeError(f"{rule.title}: where holds {mask.dtype}, not bool")
        x = np.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape))
        axes = reduced_axes(axis, x.ndim)
    final = native(x.dtype if dtype is None else np.dtype(dtype))
    working = _working(final)
    if not has_kernels(working):
        raise TypeError(no_kernel(rule.title, working))
    if rule.empty is None and initial is None:
        _check_identity(rule, x, axes, mask)
    if math.prod(x.shape) == 0:
        kept_shape = tuple(extent for number, extent in enumerate(x.shape) if number not in axes)
        result: Any = np.full(kept_shape, rule.empty or initial or 0, rule.result(working))
    else:
        if mask is not None and working.kind == "c":  # no masked kernels for complex numbers
            x, mask = np.where(mask, x, x.dtype.type(rule.empty)), None
        result = over_axes(rule, cast(x, working), working, axes, mask)
    return finished(rule, result, axes, x.ndim, final, out, keepdims=keepdims, initial=initial)


def finished(
    rule: Rule, result: Array, axes: tuple[int, ...], ndim: int, final: np.dtype[Any], out: Array | None, *,
    keepdims: bool, initial: Any,
) -> Any:  # fmt: skip
    """Merge the initial value, cast, keep dimensions, write into `out`."""
    final = native(final)
    wanted = rule.result(_working(final))
    if final == np.float16 and wanted == np.float32:
        wanted = final
    if initial is not None:
        with np.errstate(all="ignore"):
            result = rule.ufunc(result, np.asarray(initial).astype(result.dtype))
    result = with_kept(np.asarray(result), axes, ndim, keepdims=keepdims)
    if out is None:
        result = result.astype(wanted, copy=False)
        return result if result.ndim else result[()]
    return written(result, out, rule.title)


def written(result: Array, out: Any, title: str) -> Any:
    """Write a result into the caller's array.

    Raises
    ------
    TypeError, ValueError
        For what is no array, and one of another shape or of a dtype the result does not cast to.
    """
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{title}: out is a {type(out).__name__}; return arrays must be of ArrayType")
    if out.shape != result.shape:
        raise ValueError(f"{title}: out has shape {out.shape}, the result has shape {result.shape}")
    np.copyto(out, result, casting="same_kind")
    return out


def _check_identity(rule: Rule, x: Array, axes: tuple[int, ...], mask: Array | None) -> None:
    if mask is not None:
        raise ValueError(
            f"reduction operation '{rule.ufunc.__name__}' does not have an identity, so to use a where mask one has to "
            "specify 'initial'"
        )
    if math.prod(x.shape[axis] for axis in axes) == 0 and math.prod(x.shape) == 0:
        kept = math.prod(extent for axis, extent in enumerate(x.shape) if axis not in axes)
        if kept or not axes:
            raise ValueError(f"zero-size array to reduction operation {rule.ufunc.__name__} which has no identity")

"""``mean var std norm dot`` and their like."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .arranging import Axis, arrange, reduced_axes, with_kept
from .declarations import has_kernels, kernel
from .flat import flat, is_quick
from .reducing import FLOAT64, Rule, adopted, cast, native, over_axes, written
from .reductions import SUM
from .reductions import sum as total

Array = np.ndarray[Any, np.dtype[Any]]

SHORT = 32  # rows of fewer elements are cheaper to read twice
SQUARES = Rule("sumsq", np.add, 0, lambda dtype: dtype, lambda dtype: False, "norm")
DEVIATIONS = Rule("sqdev", np.add, 0, lambda dtype: dtype, lambda dtype: dtype.kind == "f", "var")


def _averaged(x: Array, dtype: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtype to work in and that of the result."""
    if dtype is not None:
        final = np.dtype(dtype)
    elif x.dtype.kind in "biu":
        final = FLOAT64
    else:
        final = native(x.dtype)
    return np.dtype(np.float32) if final == np.float16 else final, final


def _counts(x: Array, axes: tuple[int, ...], where: Any) -> Any:
    """How many elements go into each result."""
    if where is True:
        return math.prod(x.shape[axis] for axis in axes)
    mask = np.broadcast_to(np.asarray(where), x.shape)
    return np.asarray(total(mask, axis=axes))


def mean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Array | None = None, keepdims: bool = False, *,
    where: Any = True,
) -> Any:  # fmt: skip
    """Arithmetic mean over given axes; integers are added as float64.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, where
        As for `sum`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.mean([[1, 2], [3, 4]]))
    2.5
    """
    whole = axis is None and dtype is None and out is None and not keepdims and where is True
    if whole and is_quick(a, "f"):
        return a.dtype.type(flat("sum", a.dtype, a.dtype)(a) / a.size)
    x = adopted(a, "mean")
    axes = reduced_axes(axis, x.ndim)
    working, final = _averaged(x, dtype)
    sums = np.asarray(total(x, axis=axes, dtype=working, where=where))
    counts = _counts(x, axes, where)
    if np.any(np.equal(counts, 0)) and sums.size:
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
    with np.errstate(all="ignore"):
        result = np.true_divide(sums, counts, dtype=working if working.kind in "fc" else None)
    return _given_back(result, final, axes, x.ndim, out, "mean", keepdims=keepdims)


def _given_back(
    result: Any,
    final: np.dtype[Any],
    axes: tuple[int, ...],
    ndim: int,
    out: Array | None,
    title: str,
    *,
    keepdims: bool,
) -> Any:
    kept = with_kept(np.asarray(result), axes, ndim, keepdims=keepdims)
    if out is not None:
        return written(kept, out, title)
    kept = kept.astype(final, copy=False)
    return kept if kept.ndim else kept[()]


def var(
    a: Any, axis: Axis = None, dtype: Any = None, out: Array | None = None, ddof: float = 0, keepdims: bool = False,
    *, where: Any = True, correction: float | None = None,
) -> Any:  # fmt: skip
    """Variance over given axes: the mean of the squared deviations from the mean.

    Over all of a contiguous array, and over its last axis, one pass over memory: every stretch of 4096 elements is
    shifted by the mean so far, and stretches are merged as Chan, Golub and LeVeque do it.  Elsewhere two passes.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, where
        As for `sum`.
    ddof, correction : float
        The divisor is the number of elements less this.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.var([1.0, 2.0, 3.0, 4.0]))
    1.25
    """
    x = adopted(a, "var")
    axes = reduced_axes(axis, x.ndim)
    working, final = _averaged(x, dtype)
    if working.kind not in "fc" or not has_kernels(working):
        raise TypeError(f"var: dtype is {final}; floats of 16 to 64 bits or complex numbers of 64 and 128 are wanted")
    if correction is not None:
        if ddof:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    if working.kind == "c":
        parts = np.dtype(f"f{working.itemsize // 2}")
        squares = sum_of_parts(x, axes, parts, where)
        working, final = parts, np.dtype(f"f{final.itemsize // 2}")
    else:
        squares = _squares(cast(x, working) if x.size else x, working, axes, where)
    divisors = np.subtract(_counts(x, axes, where), ddof)
    if np.any(np.less_equal(divisors, 0)) and squares.size:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
    with np.errstate(all="ignore"):
        result = np.true_divide(squares, np.maximum(divisors, 0))
    return _given_back(result, final, axes, x.ndim, out, "var", keepdims=keepdims)


def sum_of_parts(x: Array, axes: tuple[int, ...], dtype: np.dtype[Any], where: Any) -> Array:
    """Squared deviations of complex numbers: those of their real and of their imaginary parts."""
    return _squares(x.real, dtype, axes, where) + _squares(x.imag, dtype, axes, where)


def _squares(x: Array, dtype: np.dtype[Any], axes: tuple[int, ...], where: Any) -> Array:
    """Sums of squared deviations from the mean."""
    mask = None if where is True else np.broadcast_to(np.asarray(where), x.shape)
    kept_shape = tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)
    if x.size == 0:
        return np.zeros(kept_shape, dtype)
    if mask is None and axes:
        arranged = arrange((x,), axes)
        view = arranged.arrays[0]
        is_long = view.shape[-1] >= SHORT or not arranged.kept
        if is_long and view.ndim == arranged.kept + 1 and view.strides[-1] == view.itemsize:
            return arranged.restored(_moments(view, dtype))
    sums = over_axes(SUM, x, dtype, axes, mask)
    with np.errstate(all="ignore"):
        means = (sums / _counts(x, axes, where)).astype(dtype)
    return over_axes(DEVIATIONS, x, dtype, axes, mask, np.asarray(means))


def _moments(view: Array, dtype: np.dtype[Any]) -> Array:
    return np.asarray(kernel("moments", dtype)(view)[..., 2])


def std(
    a: Any, axis: Axis = None, dtype: Any = None, out: Array | None = None, ddof: float = 0, keepdims: bool = False,
    *, where: Any = True, correction: float | None = None,
) -> Any:  # fmt: skip
    """Standard deviation: the square root of `var`.

    Parameters
    ----------
    a, axis, dtype, out, ddof, keepdims, where, correction
        As for `var`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.std([1.0, 1.0, 3.0, 3.0]))
    1.0
    """
    result = var(adopted(a, "std"), axis, dtype, out, ddof, keepdims, where=where, correction=correction)
    return np.sqrt(result, out=result) if isinstance(result, np.ndarray) else np.sqrt(result)


def norm(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Euclidean norm over given axes: the square root of the sum of squares, without overflow on the way.

    Parameters
    ----------
    a, axis, keepdims
        As for `sum`; over several axes it is the Frobenius norm.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.norm([3e200, 0.0]))
    3e+200
    """
    x = adopted(a, "norm")
    axes = reduced_axes(axis, x.ndim)
    if x.dtype.kind == "c":
        parts = x[..., np.newaxis].view(x.real.dtype)  # along a new last axis, in place
        result = norm(parts, (*axes, x.ndim), keepdims=False)
        kept = with_kept(np.asarray(result), axes, x.ndim, keepdims=keepdims)
        return kept if kept.ndim else kept[()]
    working, final = _averaged(x, None)
    if x.size == 0:
        kept_shape = tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)
        return _given_back(np.zeros(kept_shape, working), final, axes, x.ndim, None, "norm", keepdims=keepdims)
    x = cast(x, working)
    squares = _sum_of_squares(x, working, axes, np.ones((), working))
    info = np.finfo(working)
    # Below this some squares may have been flushed, beyond the range some have overflowed.
    doubtful = ~((squares > info.tiny / info.eps**2) & np.isfinite(squares))
    root = np.sqrt(squares)
    if doubtful.any():
        root = np.where(doubtful, _scaled_norm(x, working, axes), root)
    return _given_back(root, final, axes, x.ndim, None, "norm", keepdims=keepdims)


def _sum_of_squares(x: Array, dtype: np.dtype[Any], axes: tuple[int, ...], scale: Array) -> Array:
    return np.asarray(over_axes(SQUARES, x, dtype, axes, None, scale))


def _scaled_norm(x: Array, dtype: np.dtype[Any], axes: tuple[int, ...]) -> Array:
    """The norm of elements divided by a power of two near the largest, times it."""
    from .reductions import MAX, MIN

    largest = np.maximum(over_axes(MAX, x, dtype, axes, None), -over_axes(MIN, x, dtype, axes, None))
    usable = np.isfinite(largest) & (largest > 0)
    exponents = np.where(usable, np.frexp(np.where(usable, largest, 1))[1], 0)
    lowest = np.finfo(dtype).minexp  # 2^-lowest is the largest scale that exists
    exponents = np.maximum(exponents, lowest + 1)
    scale = np.ldexp(np.ones((), dtype), -exponents)
    with np.errstate(all="ignore"):
        scaled = np.ldexp(np.sqrt(_sum_of_squares(x, dtype, axes, np.asarray(scale))), exponents)
        return np.where(usable, scaled, np.abs(largest))


def dot(a: Any, b: Any, out: Array | None = None, *, method: str | None = None) -> Any:
    """Dot product over the last axis of `a` and the last but one of `b` (the only one of a vector), as NumPy's.

    Products are rounded and then added as in `sum`.  For two matrices NumPy's own product is faster.

    Parameters
    ----------
    a, b : array_like
    out : ndarray, optional
    method : {None, "exact"}
        ``"exact"``: the correctly rounded dot product.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    >>> print(pf.dot([1e200, 1.0, -1e200], [1e200, 1.0, 1e200], method="exact"))
    1.0
    """
    quick = method is None and out is None and is_quick(a, "f") and is_quick(b, "f")
    if quick and a.ndim == b.ndim == 1 and a.dtype == b.dtype and a.size == b.size:
        return flat("dot", a.dtype, a.dtype, 2)(a, b)
    x, y = adopted(a, "dot"), adopted(b, "dot")
    if x.ndim == 0 or y.ndim == 0:
        return _given_back(np.multiply(x, y), np.result_type(x, y), (), 0, out, "dot", keepdims=False)
    if x.shape[-1] != y.shape[-1 if y.ndim == 1 else -2]:
        raise ValueError(f"shapes {x.shape} and {y.shape} not aligned: their common axis has two lengths")
    final = np.result_type(x, y)
    if y.ndim > 1:
        y = np.moveaxis(y, -2, -1)
        x = x.reshape(*x.shape[:-1], *[1] * (y.ndim - 1), x.shape[-1])
    if method is not None:
        from .exact import exact_dot

        return exact_dot(x, y, final, out, method=method)
    if final.kind in "biu":
        result = _integer_dot(x, y, final)
    else:
        working = np.dtype(np.float32) if final == np.float16 else final
        result = kernel("dot", working)(cast(x, working), cast(y, working))
    result = np.asarray(result)
    return _given_back(result, final, (), result.ndim, out, "dot", keepdims=False)


def _integer_dot(x: Array, y: Array, dtype: np.dtype[Any]) -> Array:
    """Products of integers wrap around as NumPy's."""
    products = np.multiply(x, y, dtype=dtype)
    return np.asarray(total(products, axis=-1, dtype=dtype))

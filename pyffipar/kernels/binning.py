"""``histogram bincount cumsum``."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import reductions
from .arranging import reduced_axes
from .declarations import kernel
from .partitioning import running_parts
from .reducing import FLOAT64, INT64, accumulated, adopted, viewed, written

Array = np.ndarray[Any, np.dtype[Any]]
_COUNTED = (np.dtype(np.float32), FLOAT64)


def histogram(
    a: Any, bins: int | Sequence[float] | Array | str = 10, range: tuple[float, float] | None = None,
    density: bool = False, weights: Any = None,
) -> tuple[Array, Array]:  # fmt: skip
    """Counts of elements in bins, the same as NumPy's.

    Parameters
    ----------
    a : array_like
        Real numbers.
    bins : int, sequence of float or str
        Number of equal bins, or edges, or a rule of `numpy.histogram_bin_edges`.
    range : tuple of float, optional
        Lowest and highest edge.
    density : bool
        Divide by the number of elements and the widths.
    weights : array_like, optional
        Added in place of 1; float64.

    Returns
    -------
    counts : ndarray of int64 or float64
    edges : ndarray

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> pf.histogram([1.0, 2.0, 1.0], bins=[0, 1, 2, 3])[0]
    array([0, 2, 1])
    """
    x = viewed(adopted(a, "histogram")).reshape(-1)
    if x.dtype.kind == "c":
        raise TypeError(f"histogram: complex numbers ({x.dtype}) are not ordered")
    edges, is_equal = _edges(x, bins, range, weights)
    count = len(edges) - 1
    lowest, highest = float(edges[0]), float(edges[-1])
    with np.errstate(all="ignore"):
        scale = float(np.float64(count) / (highest - lowest)) if is_equal and highest > lowest else 0.0
    scale = scale if np.isfinite(scale) else 0.0  # then borders are searched
    exact_edges = np.asarray(edges, np.float64)
    if weights is None:
        taken = x if x.dtype in _COUNTED else x.astype(np.float64)
        counts = kernel("histogram", taken.dtype)(taken, exact_edges, scale)
    else:
        given = np.asarray(weights)
        if given.shape != np.shape(a):
            raise ValueError("weights should have the same shape as a.")
        counts = kernel("weighted_histogram")(
            x.astype(np.float64, copy=False), given.reshape(-1).astype(np.float64), exact_edges, scale
        )
    if density:
        widths = np.array(np.diff(edges), float)
        return counts / widths / counts.sum(), edges
    return counts, edges


def _edges(x: Array, bins: Any, range_: tuple[float, float] | None, weights: Any) -> tuple[Array, bool]:
    """Edges of the bins, and whether all are equally wide."""
    if isinstance(bins, str):
        return np.histogram_bin_edges(x, bins, range_, weights), True
    if np.ndim(bins) == 0:
        if range_ is None and x.size:
            range_ = (reductions.min(x), reductions.max(x))
        # only the range of the elements matters now, so a stand-in will do
        return np.histogram_bin_edges(np.empty(0, x.dtype), operator.index(bins), range_), True
    return np.histogram_bin_edges(np.empty(0, x.dtype), bins), False


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Array:
    """How often every non-negative integer occurs.

    Parameters
    ----------
    x : array_like of int, 1-d
    weights : array_like, optional
        Added in place of 1; float64.
    minlength : int
        Least length of the result.

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.bincount([0, 1, 1, 3])
    array([1, 2, 0, 1])
    """
    values = np.asarray(x)
    if values.ndim != 1:
        raise ValueError(f"object of shape {values.shape} is not 1-d: bincount wants one dimension")
    if values.size and not np.can_cast(values.dtype, INT64, "safe"):
        raise TypeError(f"Cannot cast array data from {values.dtype!r} to {INT64!r} according to the rule 'safe'")
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    values = values.astype(np.int64, copy=False)
    if values.size and reductions.min(values) < 0:
        raise ValueError("'list' argument must have no negative elements")
    bins = max(int(reductions.max(values)) + 1 if values.size else 0, minlength)
    if weights is None:
        return np.asarray(kernel("bincount")(values, bins)) if bins else np.zeros(0, np.int64)
    given = np.asarray(weights)
    if given.shape != values.shape:
        raise ValueError("The weights and list don't have the same length.")
    if not bins:
        return np.zeros(0)
    return np.asarray(kernel("weighted_bincount")(values, given.astype(np.float64, copy=False), bins))


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Array | None = None) -> Array:
    """Running sums along an axis.

    Parts of the axis are summed first; then every part runs on from the exact sum of those in front of it.  Where
    parts begin depends on the length alone, so the bits do, too.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        None: over the flattened array.
    dtype : dtype, optional
    out : ndarray, optional

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.cumsum([1, 2, 3, 4])
    array([ 1,  3,  6, 10])
    """
    x = adopted(a, "cumsum")
    final = np.dtype(dtype) if dtype is not None else reductions.widened(x.dtype)
    if x.dtype.kind == "c" or final.kind not in "iuf" or final == np.float16:
        result = np.asarray(np.cumsum(x, axis, dtype))  # rare enough to be left to NumPy
        return result if out is None else written(result, out, "cumsum")
    working = final if final.kind == "f" else np.dtype(f"{final.kind}8")
    flat = x.reshape(-1) if axis is None else np.moveaxis(x, reduced_axes(axis, x.ndim)[0], -1)
    taken = flat if flat.dtype == working else flat.astype(working)
    result = np.empty(taken.shape, accumulated(working))
    running_parts(taken, result)
    result = result.astype(final, copy=False)
    if axis is not None and x.ndim:
        result = np.moveaxis(result, -1, reduced_axes(axis, x.ndim)[0])
    return result if out is None else written(result, out, "cumsum")

"""``nansum nanmin nanmax nanmean``: NaN does not take part."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import moments, reductions
from .arranging import Axis, reduced_axes
from .reducing import INT64, Rule, adopted, cast, finished, native, over_axes

Array = np.ndarray[Any, np.dtype[Any]]


NANSUM = Rule("nansum", np.add, 0, lambda dtype: dtype, lambda dtype: False, "nansum")
NANMIN = Rule("nanmin", np.fmin, None, lambda dtype: dtype, lambda dtype: False, "nanmin")
NANMAX = Rule("nanmax", np.fmax, None, lambda dtype: dtype, lambda dtype: False, "nanmax")
NUMBERS = Rule("count_numbers", np.add, 0, lambda dtype: INT64, lambda dtype: False, "nanmean")


def _over(rule: Rule, x: Array, axes: tuple[int, ...]) -> Array:
    """One of the rules above on floats with at least one element."""
    working = np.dtype(np.float32) if x.dtype == np.float16 else native(x.dtype)
    return over_axes(rule, cast(x, working), working, axes, None)


def _filled(x: Array) -> Array:
    """The elements with zeros for NaN; a plain 0 would widen those without dimensions where NumPy is older than 2."""
    return np.where(np.isnan(x), x.dtype.type(0), x)


def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, out: Array | None = None, keepdims: bool = False
) -> Any:  # fmt: skip
    """Sum over given axes with NaN as zero; order and error bound are those of `sum`.

    Parameters
    ----------
    a, axis, dtype, out, keepdims
        As for `sum`.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> print(pf.nansum([1.0, np.nan, 2.0]))
    3.0
    """
    x = adopted(a, "nansum")
    if x.dtype.kind == "c":
        x = _filled(x)
    if x.dtype.kind != "f" or x.size == 0 or (dtype is not None and np.dtype(dtype) != x.dtype):
        filled = _filled(x) if x.dtype.kind == "f" else x
        return reductions.sum(filled, axis, dtype, out, keepdims)
    axes = reduced_axes(axis, x.ndim)
    return finished(NANSUM, _over(NANSUM, x, axes), axes, x.ndim, x.dtype, out, keepdims=keepdims, initial=None)


def nanmin(a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False) -> Any:
    """Smallest number over given axes; NaN, with a RuntimeWarning, where there is none.

    Parameters
    ----------
    a, axis, out, keepdims
        As for `min`.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> pf.nanmin(np.array([[1.0, np.nan], [3.0, 2.0]]), axis=0)
    array([1., 2.])
    """
    return _extremum(NANMIN, reductions.min, a, axis, out, keepdims=keepdims)


def nanmax(a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False) -> Any:
    """Largest number over given axes; NaN, with a RuntimeWarning, where there is none.

    Parameters
    ----------
    a, axis, out, keepdims
        As for `min`.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> print(pf.nanmax([1.0, np.nan, 3.0]))
    3.0
    """
    return _extremum(NANMAX, reductions.max, a, axis, out, keepdims=keepdims)


def _extremum(rule: Rule, plain: Any, a: Any, axis: Axis, out: Array | None, *, keepdims: bool) -> Any:
    x = adopted(a, rule.title)
    if x.dtype.kind != "f" or x.size == 0:
        return plain(x, axis, out, keepdims)
    axes = reduced_axes(axis, x.ndim)
    found = _over(rule, x, axes)
    if np.isnan(found).any():
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
    return finished(rule, found, axes, x.ndim, x.dtype, out, keepdims=keepdims, initial=None)


def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Array | None = None, keepdims: bool = False
) -> Any:  # fmt: skip
    """Mean over given axes of what is not NaN.

    Parameters
    ----------
    a, axis, dtype, out, keepdims
        As for `mean`.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> print(pf.nanmean([1.0, np.nan, 3.0]))
    2.0
    """
    x = adopted(a, "nanmean")
    if x.dtype.kind != "f" or x.size == 0 or dtype is not None:
        mask = True if x.dtype.kind not in "fc" else ~np.isnan(x)
        return moments.mean(x, axis, dtype, out, keepdims, where=mask)
    axes = reduced_axes(axis, x.ndim)
    counts = _over(NUMBERS, x, axes)
    if (counts == 0).any():
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
    with np.errstate(all="ignore"):
        means = np.asarray(np.divide(_over(NANSUM, x, axes), counts))
    return finished(NANSUM, means, axes, x.ndim, x.dtype, out, keepdims=keepdims, initial=None)

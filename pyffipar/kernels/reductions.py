"""``sum prod min max any all count_nonzero argmin argmax``: NumPy's results, dtypes and errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arranging import Axis, reduced_axes, with_kept
from .declarations import kernel
from .flat import flat, is_one_chunk, is_plain, is_quick
from .reducing import BOOL, INT64, Rule, accumulated, adopted, native, reduce, viewed, written

Array = np.ndarray[Any, np.dtype[Any]]
DType = Any


def _same(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype


def _real(dtype: np.dtype[Any]) -> bool:
    return dtype.kind != "c"


SUM = Rule("sum", np.add, 0, accumulated, _real, "sum")
PROD = Rule("prod", np.multiply, 1, accumulated, lambda dtype: dtype.kind == "f", "prod")
MIN = Rule("min", np.minimum, None, _same, _real, "min")
MAX = Rule("max", np.maximum, None, _same, _real, "max")
ANY = Rule("any", np.logical_or, np.False_, lambda dtype: BOOL, lambda dtype: False, "any")
ALL = Rule("all", np.logical_and, np.True_, lambda dtype: BOOL, lambda dtype: False, "all")
COUNT = Rule("count_nonzero", np.add, 0, lambda dtype: INT64, lambda dtype: False, "count_nonzero")


def widened(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What NumPy adds and multiplies elements of this dtype in."""
    if dtype.kind in "bi" and dtype.itemsize < 8:
        return INT64
    return np.dtype(np.uint64) if dtype.kind == "u" and dtype.itemsize < 8 else native(dtype)


def sum(
    a: Any, axis: Axis = None, dtype: DType = None, out: Array | None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True, *, method: str | None = None,
) -> Any:  # fmt: skip
    """Sum of array elements over given axes, on all cores.

    Runs of 16 elements per lane are added plainly, everything above them without error (TwoSum), chunk by chunk and
    lane by lane in an order that depends on the array's shape and strides alone.  The result differs from the true
    sum by at most ``18 u * sum(abs(a))``, u being half the dtype's epsilon; NumPy's pairwise sum has
    ``(19 + log2(n / 128)) u``.  Over rows (a leading axis) the number of chunks, at most some hundreds, comes on top.

    Parameters
    ----------
    a : array_like
        Any strides; bool, integers, floats or complex numbers.
    axis : int, tuple of int or None
    dtype : dtype, optional
        What elements are cast to before; by default as NumPy.
    out : ndarray, optional
    keepdims : bool
    initial : scalar, optional
    where : array_like of bool
        Elements to add.
    method : {None, "exact"}
        ``"exact"``: the correctly rounded sum, whatever the order; see Notes.

    Returns
    -------
    scalar or ndarray

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As NumPy.

    Notes
    -----
    The exact sum is the nearest float to the mathematical sum (ties to even), at 0.8 of the memory's speed for
    ordinary data.  Infinities and NaN give what IEEE 754 says; a sum beyond the range is infinite, one that only
    passed beyond it on the way is not.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> print(pf.sum(np.arange(6.0)))
    15.0
    >>> pf.sum(np.arange(6).reshape(2, 3), axis=0)
    array([3, 5, 7])
    >>> print(pf.sum([1e308, 1.0, 1e308, -1e308, -1e308], method="exact"))
    1.0
    """
    whole = axis is None and dtype is None and out is None and not keepdims and initial is None and where is True
    if whole and method is None and is_quick(a):
        return flat("sum", a.dtype, accumulated(a.dtype))(a)
    if method is not None:
        from .exact import exact_sum

        return exact_sum(a, axis, dtype, out, keepdims=keepdims, initial=initial, where=where, method=method)
    if dtype is None:
        dtype = _wide_unless_native(a)
    return _accumulate(SUM, a, axis, dtype, out, keepdims=keepdims, initial=initial, where=where)


def prod(
    a: Any, axis: Axis = None, dtype: DType = None, out: Array | None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """Product of array elements over given axes.

    Parameters
    ----------
    a, axis, dtype, out, keepdims, initial, where
        As for `sum`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.prod([[1.0, 2.0], [3.0, 4.0]]))
    24.0
    """
    if dtype is None:
        dtype = _wide_unless_native(a)
    return _accumulate(PROD, a, axis, dtype, out, keepdims=keepdims, initial=initial, where=where)


def _wide_unless_native(a: Any) -> Any:
    """NumPy's choice of dtype, where the kernels' own accumulator would be another one."""
    kind = getattr(a, "dtype", None)
    return INT64 if kind is not None and kind == BOOL else None


def _accumulate(rule: Rule, a: Any, axis: Axis, dtype: Any, out: Array | None, **others: Any) -> Any:
    """Sums and products: kernels for narrow integers widen by themselves, another dtype is cut to at the end."""
    x = adopted(a, rule.title)
    if x.dtype == BOOL and (dtype is None or np.dtype(dtype).kind in "biu"):
        final = np.dtype(np.int64 if dtype is None else dtype)
        if final != BOOL:
            return _cut(reduce(rule, x.view(np.uint8), axis, None, None, **others), final, out, rule.title)
        rule = ANY if rule is SUM else ALL
        return reduce(rule, x, axis, None, out, **others)
    if dtype is None or np.dtype(dtype) == x.dtype:
        final = native(widened(x.dtype) if dtype is None else x.dtype)
        if final.kind not in "iu":
            return reduce(rule, x, axis, dtype, out, **others)
        return _cut(reduce(rule, x, axis, None, None, **others), final, out, rule.title)
    final = np.dtype(dtype)
    if final.kind not in "iu":
        return reduce(rule, x, axis, final, out, **others)
    exact = x if x.dtype.kind in "iu" else x.astype(final)  # wraparound commutes with sums and products
    return _cut(reduce(rule, exact, axis, None, None, **others), final, out, rule.title)


def _cut(result: Any, dtype: np.dtype[Any], out: Array | None, title: str) -> Any:
    """A sum modulo 2^64 in a narrower dtype, or in the caller's array."""
    cut = np.asarray(result).astype(dtype)
    if out is not None:
        return written(cut, out, title)
    return cut if cut.ndim else cut[()]


def min(
    a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """Smallest element over given axes; NaN if there is one.

    Parameters
    ----------
    a, axis, out, keepdims, initial, where
        As for `sum`; complex numbers are not ordered.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> pf.min(np.array([[3, 1], [2, 5]]), axis=1)
    array([1, 2])
    """
    return _extremum(MIN, a, axis, out, keepdims=keepdims, initial=initial, where=where)


def max(
    a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> Any:  # fmt: skip
    """Largest element over given axes; NaN if there is one.

    Parameters
    ----------
    a, axis, out, keepdims, initial, where
        As for `min`.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> print(pf.max(np.array([[3, 1], [2, 5]])))
    5
    """
    return _extremum(MAX, a, axis, out, keepdims=keepdims, initial=initial, where=where)


def _extremum(rule: Rule, a: Any, axis: Axis, out: Array | None, **others: Any) -> Any:
    plain = axis is None and out is None and others == {"keepdims": False, "initial": None, "where": True}
    if plain and is_quick(a):
        return flat(rule.family, a.dtype, a.dtype)(a)
    x = adopted(a, rule.title)
    if x.dtype.kind == "c":
        raise TypeError(f"{rule.title}: complex numbers ({x.dtype}) are not ordered")
    if x.dtype != BOOL:
        return reduce(rule, x, axis, None, out, **others)
    found = np.asarray(reduce(rule, x.view(np.uint8), axis, None, None, **others)).astype(BOOL)
    return written(found, out, rule.title) if out is not None else found[()]


def any(
    a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False, *, where: Any = True
) -> Any:  # fmt: skip
    """Whether any element is not zero (NaN is not).

    Parameters
    ----------
    a, axis, out, keepdims, where
        As for `sum`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.any([0.0, 2.0]))
    True
    """
    return reduce(ANY, _truth(a, "any"), axis, None, out, keepdims=keepdims, initial=None, where=where)


def all(
    a: Any, axis: Axis = None, out: Array | None = None, keepdims: bool = False, *, where: Any = True
) -> Any:  # fmt: skip
    """Whether all elements are not zero.

    Parameters
    ----------
    a, axis, out, keepdims, where
        As for `sum`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.all([[1, 0], [1, 1]]))
    False
    """
    return reduce(ALL, _truth(a, "all"), axis, None, out, keepdims=keepdims, initial=None, where=where)


def _truth(a: Any, name: str) -> Array:
    """Elements for which there are kernels that ask for zero."""
    x = adopted(a, name)
    return x != 0 if x.dtype.kind == "c" else x


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """How many elements are not zero.

    Parameters
    ----------
    a, axis, keepdims
        As for `sum`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.count_nonzero([[0, 1, 7, 0], [3, 0, 2, 19]]))
    5
    """
    return reduce(COUNT, a, axis, None, None, keepdims=keepdims, initial=None, where=True)


def argmin(a: Any, axis: int | None = None, out: Array | None = None, *, keepdims: bool = False) -> Any:
    """Index of the first smallest element; of the first NaN if there is one.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        None: into the flattened array, in C order.
    out : ndarray, optional
    keepdims : bool

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> pf.argmin(np.array([[3, 1], [2, 5]]), axis=0)
    array([1, 0])
    """
    return _located("argmin", a, axis, out, keepdims=keepdims)


def argmax(a: Any, axis: int | None = None, out: Array | None = None, *, keepdims: bool = False) -> Any:
    """Index of the first largest element; of the first NaN if there is one.

    Parameters
    ----------
    a, axis, out, keepdims
        As for `argmin`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> print(pf.argmax([3, 7, 7]))
    1
    """
    return _located("argmax", a, axis, out, keepdims=keepdims)


def _located(family: str, a: Any, axis: int | None, out: Array | None, *, keepdims: bool) -> Any:
    x = viewed(adopted(a, family))
    if x.dtype.kind == "c":
        raise TypeError(f"{family}: complex numbers ({x.dtype}) are not ordered")
    axes = reduced_axes(axis, x.ndim)
    if x.size == 0 and (axis is None or x.shape[axes[0]] == 0):
        raise ValueError(f"attempt to get {family} of an empty sequence")
    dtype = np.dtype(np.float32) if x.dtype == np.float16 else native(x.dtype)
    if axis is None and x.dtype == dtype and is_plain(x) and is_one_chunk(x.size, x.itemsize):
        found: Any = flat(family, dtype, INT64)(x)
    else:
        moved = x.reshape(-1) if axis is None else np.moveaxis(x, axes[0], -1) if x.ndim else x.reshape(1)
        found = kernel(family, dtype)(moved)
    result = with_kept(np.asarray(found), axes, x.ndim, keepdims=keepdims)
    if out is not None:
        return written(result, out, family)
    return result if result.ndim else result[()]

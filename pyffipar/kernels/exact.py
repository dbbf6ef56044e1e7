"""Sums and dot products without rounding, rounded once at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..system.addresses import address_of
from . import direct
from .arranging import Axis, reduced_axes, with_kept
from .declarations import PRODUCT_LIMBS, SUM_LIMBS, kernel, suffix
from .flat import is_one_chunk, is_plain
from .reducing import FLOAT64, adopted, written

Array = np.ndarray[Any, np.dtype[Any]]

FLOAT32 = np.dtype(np.float32)
# Bits of the mantissa and exponent of the lowest bit, by dtype of the result.
_FORMATS = {FLOAT64: (53, -1074), FLOAT32: (24, -149), np.dtype(np.float16): (11, -24)}


def _check(method: str, title: str, dtype: np.dtype[Any]) -> None:
    if method != "exact":
        raise ValueError(f"{title}: method = {method!r}; there are None and 'exact'")
    if dtype not in _FORMATS:
        raise TypeError(f"{title}: method='exact' is for floats; the elements are {dtype}")


def exact_sum(
    a: Any, axis: Axis, dtype: Any, out: Array | None, *, keepdims: bool, initial: Any, where: Any, method: str
) -> Any:
    """What ``sum(..., method="exact")`` does."""
    x = adopted(a, "sum")
    if x.dtype.kind in "biu":
        raise TypeError("sum: sums of integers are exact anyway, modulo 2^64; cast to float64 for method='exact'")
    final = (x.dtype if dtype is None else np.dtype(dtype)).newbyteorder("=")
    _check(method, "sum", x.dtype.newbyteorder("="))
    _check(method, "sum", final)
    if where is not True:  # what is left out must not be added; -0.0 changes no sum
        x = np.where(np.asarray(where), x, x.dtype.type(-0.0))
    if initial is not None:
        raise TypeError("sum: method='exact' takes no initial value; add it to the array")
    axes = reduced_axes(axis, x.ndim)
    working = FLOAT64 if x.dtype.itemsize == FLOAT64.itemsize else FLOAT32
    kept = [number for number in range(x.ndim) if number not in axes]
    if axis is None and is_plain(x) and x.dtype == working and is_one_chunk(x.size, x.itemsize):
        result: Any = _small_sum(x, final)
    else:
        packed = x.transpose(*kept, *axes)
        core = (
            packed.reshape(*packed.shape[: len(kept)], -1) if axis is not None or not x.flags.f_contiguous else _flat(x)
        )
        result = _rounded("round_sum", kernel("exact_sum", working)(core), final)
    result = with_kept(np.asarray(result), axes, x.ndim, keepdims=keepdims)
    if out is not None:
        return written(result, out, "sum")
    return result if result.ndim else result[()]


def _flat(x: Array) -> Array:
    """All elements in the order in which they lie: no copy, and no order shows in an exact sum."""
    return x.reshape(-1, order="A")


def _small_sum(x: Array, final: np.dtype[Any]) -> Any:
    accumulator = np.empty(SUM_LIMBS, np.int64)
    address = address_of(accumulator)
    direct.foreign(f"pyffipar_exact_sum_{suffix(x.dtype)}", None, 2)(x.size, address_of(x), address)
    with np.errstate(over="ignore"):  # infinity is what is meant
        return final.type(direct.rounding("pyffipar_round_sum")(address, *_FORMATS[final]))


def _rounded(family: str, accumulators: Array, final: np.dtype[Any]) -> Array:
    precision, least = _FORMATS[final]
    with np.errstate(all="ignore"):
        return np.asarray(kernel(family)(accumulators, precision, least)).astype(final)


def exact_dot(x: Array, y: Array, final: np.dtype[Any], out: Array | None, *, method: str) -> Any:
    """What ``dot(..., method="exact")`` does for broadcast arrays with their common axis last."""
    _check(method, "dot", final)
    working = FLOAT64 if final == FLOAT64 else FLOAT32
    family = "round_dot" if working == FLOAT64 else "round_sum"
    accumulators = kernel("exact_dot", working)(x.astype(working, copy=False), y.astype(working, copy=False))
    assert accumulators.shape[-1] == (PRODUCT_LIMBS if working == FLOAT64 else SUM_LIMBS)
    result = np.asarray(_rounded(family, accumulators, final))
    if out is not None:
        return written(result, out, "dot")
    return result if result.ndim else result[()]

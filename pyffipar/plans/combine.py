"""How partial results become one: identities, operators and the fold, always in chunk order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial as partial_call
from functools import reduce
from operator import add
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_UFUNCS: dict[str, np.ufunc] = {
    "+": np.add,
    "*": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
    "&&": np.logical_and,
    "||": np.logical_or,
    "hypot": np.hypot,
}
_KINDS = {"&": "biu", "|": "biu", "^": "biu", "min": "biuf", "max": "biuf", "hypot": "f", "mean": "fc"}
_DOUBLE = np.dtype(np.float64)
_FEW = 64  # partial results: as many as short arrays have

Merger = Callable[..., Any]  # (earlier partial, later partial, the later chunk's length) → merged


def accepts(operator: str, dtype: np.dtype[Any]) -> bool:
    """Whether partial results of this dtype can be merged by this operator of the language."""
    return dtype.kind in _KINDS.get(operator, "biufc" if operator in _UFUNCS else "biufcV")


def identity(operator: str, dtype: np.dtype[Any]) -> Any:
    """The value that changes nothing, or None where there is none to return for no items at all."""
    if operator in ("+", "|", "^", "||", "hypot"):
        return dtype.type(0)
    if operator in ("*", "&&"):
        return dtype.type(1)
    if operator == "&":
        return np.True_ if dtype.kind == "b" else np.invert(dtype.type(0))
    return None


def starting_value(operator: str, dtype: np.dtype[Any], *, keep: bool = False) -> Any:
    """What a private copy of an output array holds before its chunk is worked on.

    With `keep` it is merged into a value that exists: then a sum starts at -0.0, which changes nothing at all, where
    0.0 would turn -0.0 into 0.0.
    """
    if keep and operator == "+" and dtype.kind in "fc":
        return -np.zeros((), dtype)
    value = identity(operator, dtype)
    if value is not None:
        return value
    if operator not in ("min", "max"):
        return np.zeros((), dtype)
    if dtype.kind == "f":
        return dtype.type(np.inf if operator == "min" else -np.inf)
    if dtype.kind == "b":
        return dtype.type(operator == "min")
    info = np.iinfo(dtype)
    return dtype.type(info.max if operator == "min" else info.min)


def fold_values(operator: str, partials: Array, lengths: Array, what: str, merger: Merger | None = None) -> Array:
    """Merge returned values along the last axis, first chunk first.

    Parameters
    ----------
    operator : str
    partials : ndarray, shape (..., chunks)
    lengths : ndarray of int64, shape (chunks,)
        Items of each chunk.
    what : str
        Named in errors.
    merger : callable, optional
        Does what an operator outside the language does.

    Returns
    -------
    ndarray, shape (...)
        Of the dtype of `partials`.

    Raises
    ------
    OverflowError
        Where a sum or product of narrow integers does not fit the declared type: NumPy would widen it, C could not.
    """
    if operator in ("&&", "||"):
        partials = (partials != 0).astype(partials.dtype)  # C's && and || give 0 or 1, also of a single chunk
    if partials.shape[-1] == 1 or operator == "first":
        return partials[..., 0]
    if operator not in _UFUNCS:
        return _fold(operator, np.moveaxis(partials, -1, 0), lengths, merger)
    if are_sums(operator, partials) and len(partials) <= _FEW:
        return np.asarray(_add_up(partials))
    if partials.ndim == 1 and not _is_special(operator, partials.dtype):
        # accumulate applies the operator strictly from left to right; reduce would pair neighbours
        with np.errstate(all="ignore"):  # a C loop does not warn either
            dtype = None if operator in ("&&", "||") else partials.dtype  # those have loops to bool only
            folded = _UFUNCS[operator].accumulate(partials, dtype=dtype)[-1]
        return np.asarray(folded, partials.dtype)
    return _chain(operator, np.moveaxis(partials, -1, 0), what)


def are_sums(operator: str, partials: Array) -> bool:
    """Whether returned values are doubles to be added, one by one, from the first chunk to the last."""
    return operator == "+" and partials.dtype is _DOUBLE and partials.ndim == 1 and len(partials) > 0


def _add_up(partials: Array) -> float:
    """The same additions as by a ufunc's ``accumulate``; of few doubles Python does them sooner than NumPy begins."""
    whole: float = reduce(add, partials.tolist())
    return whole


def _is_special(operator: str, dtype: np.dtype[Any]) -> bool:
    """Whether NumPy's own loop would wrap (narrow integers) or depend on strides (complex products)."""
    narrow = dtype.kind in "iu" and dtype.itemsize < 8 and operator in ("+", "*")
    return narrow or (dtype.kind == "c" and operator == "*")


def _chain(operator: str, partials: Array, what: str) -> Array:
    """Apply an operator from the first chunk to the last; the chunks are the first axis."""
    dtype = partials.dtype
    special = _is_special(operator, dtype)
    if special and dtype.kind != "c":
        # sums of narrow integers fit 64 bits, products may not fit any number of them
        partials = partials.astype(object if operator == "*" else np.int64 if dtype.kind == "i" else np.uint64)
    merge: Callable[..., Any] = _complex_product if special and dtype.kind == "c" else _UFUNCS[operator]
    if special and dtype.kind != "c":
        merge = partial_call(_UFUNCS[operator], dtype=partials.dtype)  # exact integers must not become int64 again
    with np.errstate(all="ignore"):
        merged: Any = np.array(partials[0], partials.dtype)
        for partial in partials[1:]:
            merged = merge(merged, partial)
    if special and dtype.kind != "c":
        _check_range(np.asarray(merged), dtype, what)
    return np.asarray(merged).astype(dtype, copy=False)


def _complex_product(one: Array, other: Array) -> Array:
    """A product whose bits do not depend on strides, as those of NumPy's vectorised loop do."""
    real = one.real * other.real - one.imag * other.imag
    product = np.empty(np.shape(real), one.dtype)
    product.real = real
    product.imag = one.real * other.imag + one.imag * other.real
    return product


def _check_range(folded: Array, dtype: np.dtype[Any], what: str) -> None:
    info = np.iinfo(dtype)
    outside = (folded < info.min) | (folded > info.max)
    if outside.any():
        value = int(folded[outside].flat[0])
        raise OverflowError(f"{what}: the merged value {value} does not fit {dtype}; declare a wider return type")


def fold_arrays(
    operator: str,
    partials: Array,
    lengths: Array,
    into: Array,
    what: str,
    *,
    keep: bool,
    merger: Merger | None = None,
) -> None:
    """Merge private copies along the first axis of `partials` into `into`, first chunk first.

    Parameters
    ----------
    operator : str
    partials : ndarray
        The shape of `into` behind the chunks.
    lengths : ndarray of int64
        Items of each chunk.
    into : ndarray
        Written once, at the end: a narrower dtype rounds the merged value alone.
    what : str
        Named in errors.
    keep : bool
        Whether what `into` holds takes part, as the caller's value does in OpenMP.
    merger : callable, optional
        Does what an operator outside the language does.

    Raises
    ------
    OverflowError
        As for returned values.
    """
    if operator in ("&&", "||"):
        partials = partials != 0  # as for returned values
    if keep:
        before = np.asarray(into, partials.dtype)[np.newaxis]
        partials, lengths = np.concatenate([before, partials]), np.concatenate([[0], lengths])
    if operator in _UFUNCS:
        into[...] = _chain(operator, partials, what)
    else:
        into[...] = _fold(operator, partials, lengths, merger)


def _fold(operator: str, partials: Array, lengths: Array, merger: Merger | None) -> Array:
    """Operators that look at whole partial results or at lengths; chunks along the first axis."""
    if operator in ("first", "last"):
        return np.asarray(partials[0 if operator == "first" else -1])
    merged: Any = partials[0]
    if operator == "mean":
        if len(partials) == 1:
            return np.asarray(merged)
        merged = merged * lengths[0]
        for partial, length in zip(partials[1:], lengths[1:], strict=True):
            merged = merged + partial * length
        return np.asarray(merged / lengths.sum(), partials.dtype)
    assert merger is not None  # the only operators left are functions
    for partial, length in zip(partials[1:], lengths[1:], strict=True):
        merged = merger(merged, partial, int(length))
    return np.asarray(merged, partials.dtype)


def locate(operator: str, partials: Array, starts: Array, values: Array, what: str) -> Array:
    """Merge the indices of smallest or largest elements: of equal ones the first, and NaN before all, as NumPy.

    Parameters
    ----------
    operator : str
        ``argmin`` or ``argmax``.
    partials : ndarray of int, shape (..., chunks)
        Indices counted from each chunk's start.
    starts : ndarray of int64, shape (chunks,)
    values : ndarray, shape (..., n)
        What the indices point into.
    what : str
        Named in errors.

    Returns
    -------
    ndarray of int, shape (...)

    Raises
    ------
    ValueError
        For an index outside its chunk.
    OverflowError
        Where an index counted from the start of the array does not fit the declared type.
    """
    best = pointed_at(partials, starts, values, what)
    return choose(operator, partials, starts, best, what)


def pointed_at(partials: Array, starts: Array, values: Array, what: str) -> Array:
    """The elements that the indices of chunks point to; parameters and errors as of `locate`."""
    stops = np.append(starts[1:], values.shape[-1])
    indices = partials.astype(np.int64) + starts
    outside = (indices < starts) | (indices >= stops)
    if outside.any():
        wrong = int(partials[outside].flat[0])
        raise ValueError(f"{what} returned the index {wrong}, which lies outside its chunk")
    return np.take_along_axis(values, indices, axis=-1)


def choose(operator: str, partials: Array, starts: Array, best: Array, what: str) -> Array:
    """Of the indices of chunks the one whose element in `best` wins, counted from the start of the array."""
    indices = partials.astype(np.int64) + starts
    winner = (np.argmin if operator == "argmin" else np.argmax)(best, axis=-1)
    found = np.take_along_axis(indices, np.expand_dims(winner, -1), axis=-1)[..., 0]
    _check_range(np.asarray(found), partials.dtype, what)
    return np.asarray(found, partials.dtype)


def join(pieces: Array, starts: Array, used: Array) -> Array:
    """Push the used front parts of the chunks of `pieces` together, in place.

    Returns
    -------
    ndarray
        The leading part of `pieces` that is in use.
    """
    total = 0
    for start, count in zip(starts.tolist(), used.tolist(), strict=True):
        if start != total:
            pieces[total : total + count] = pieces[start : start + count]
        total += count
    return pieces[:total]

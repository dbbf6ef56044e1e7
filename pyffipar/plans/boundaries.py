"""What stands beyond the ends of an array: which element each place before and behind it repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def places(mode: str, first: int, stop: int, length: int) -> Array:
    """Indices into an array of `length` elements for the places `first` … `stop`, which may lie outside.

    Parameters
    ----------
    mode : str
        As in ``scipy.ndimage``: ``reflect`` repeats the edge element (b a | a b c | c b), ``mirror`` does not
        (c b | a b c | b a), ``nearest`` repeats the edge alone, ``wrap`` starts again at the other end, ``constant``
        gives -1 for every place outside.
    first, stop : int
    length : int
        At least 1.

    Returns
    -------
    ndarray of int64, shape (stop - first,)

    Examples
    --------
    >>> places("reflect", -2, 5, 3)
    array([1, 0, 0, 1, 2, 2, 1])
    >>> places("mirror", -2, 5, 3)
    array([2, 1, 0, 1, 2, 1, 0])
    """
    index = np.arange(first, stop, dtype=np.int64)
    if mode == "constant":
        return np.where((index < 0) | (index >= length), -1, index)
    if mode == "nearest":
        return np.clip(index, 0, length - 1)
    if mode == "wrap":
        return index % length
    if mode == "reflect":
        index = index % (2 * length)
        return np.where(index < length, index, 2 * length - 1 - index)
    if length == 1:
        return np.zeros_like(index)
    index = index % (2 * length - 2)
    return np.where(index < length, index, 2 * length - 2 - index)

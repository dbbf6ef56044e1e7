"""Calls of built-in kernels bound once, to be repeated on the same arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import moments, reductions
from .flat import flat, is_quick
from .reducing import INT64, accumulated

_FAMILIES: dict[Callable[..., Any], tuple[str, Callable[[np.dtype[Any]], np.dtype[Any]]]] = {
    reductions.sum: ("sum", accumulated),
    reductions.min: ("min", lambda dtype: dtype),
    reductions.max: ("max", lambda dtype: dtype),
    reductions.argmin: ("argmin", lambda dtype: INT64),
    reductions.argmax: ("argmax", lambda dtype: INT64),
    moments.dot: ("dot", lambda dtype: dtype),
}


def prepare(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Callable[[], Any]:
    """Bind the arguments of a built-in kernel once, to call it again and again on the same arrays.

    Parameters
    ----------
    function : callable
        ``pf.sum`` or another function of this module.
    *arguments, **keywords
        As for a call. Changed contents of the arrays are seen by the next call.

    Returns
    -------
    callable
        Without arguments; does and returns what the call would. Quickest for ``sum min max argmin argmax`` of a whole
        contiguous array, and ``dot`` of two contiguous vectors.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> x = np.array([1.0, 4.0])
    >>> again = pf.kernels.prepare(pf.sum, x)
    >>> x[0] = 9.0
    >>> print(again())
    13.0
    """
    known = _FAMILIES.get(function)
    if known is None or keywords or not all(is_quick(a) for a in arguments):
        return partial(function, *arguments, **keywords)
    family, result = known
    first = arguments[0]
    if family == "dot":
        x, y = arguments
        if x.dtype.kind != "f" or x.dtype != y.dtype or x.shape != y.shape or x.ndim != 1:
            return partial(function, *arguments)
    elif len(arguments) != 1:
        return partial(function, *arguments)
    return flat(family, first.dtype, result(first.dtype), len(arguments)).prepare(*arguments)

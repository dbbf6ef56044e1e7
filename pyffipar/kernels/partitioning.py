"""Running sums in parts: sums of the parts, what stands in front of each, then all parts side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..partition import Limits, cut
from . import reductions
from .declarations import SMALLEST_CHUNK, kernel

Array = np.ndarray[Any, np.dtype[Any]]


def running_parts(x: Array, into: Array) -> None:
    """Write running sums along the last axis of `x` into `into`, which has the dtype they are kept in."""
    length = x.shape[-1]
    if x.size == 0:
        return
    run = kernel("cumsum", x.dtype)
    zero = into.dtype.type(0)
    grid = cut(length, x.itemsize, Limits(smallest=SMALLEST_CHUNK), reduced=True)
    if x.ndim > 1 or grid.chunks == 1:
        run(x, zero, out=into)
        return
    whole = length - length % grid.chunk
    parts = np.asarray(x[:whole].reshape(-1, grid.chunk))
    sums = np.asarray(reductions.sum(parts, axis=1, dtype=x.dtype))
    starts = np.concatenate([[zero], np.cumsum(sums, dtype=into.dtype)]).astype(into.dtype)
    run(parts, starts[: len(parts)], out=into[:whole].reshape(-1, grid.chunk))
    if whole < length:
        run(x[whole:], starts[-1], out=into[whole:])

"""Kernels over all elements of plain arrays: few chunks in this thread, many by a job that is kept for the next call.

Chunks, partial results and their fold are those of the declared function, so the bits are, too; only checks are left
out whose outcome is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

from .. import forking
from ..options import Options, current
from ..partition import Grid, cut
from . import direct
from .declarations import LIMITS, MERGES, Fold, has_kernels, kernel, suffix
from .jobs import Job

Array = np.ndarray[Any, np.dtype[Any]]

# Handing work to others costs about what one core needs for this much.
ALONE = 1 << 20  # bytes
MOST_JOBS = 16  # per kernel
_IN_THIS_THREAD = ("native", "threads", "serial")  # executors that could make few calls here as well as anywhere


def is_small(items: int, item_bytes: int) -> bool:
    """Whether this thread may make all calls for so many plain items, and be done before others had begun."""
    return 0 < items * item_bytes <= ALONE and current().executor in _IN_THIS_THREAD


def is_plain(x: Any) -> bool:
    """Whether a kernel can walk over all elements as they lie in memory."""
    if type(x) is not np.ndarray:
        return False
    flags = x.flags
    return bool(flags.c_contiguous and flags.aligned and x.dtype.isnative)


def is_quick(x: Any, kinds: str = "fiu") -> bool:
    """Whether `flat` takes it as it is: plain, something in it, and a dtype that has kernels."""
    return is_plain(x) and x.size > 0 and x.dtype.kind in kinds and has_kernels(x.dtype)


@lru_cache(maxsize=1024)
def grid_of(items: int, item_bytes: int) -> Grid:
    """The grid of a reduction over plain items, the same as the planner's."""
    return cut(items, item_bytes, LIMITS, reduced=True)


class Flat:
    """A kernel with one result, over all elements of plain arrays of one dtype.

    Parameters
    ----------
    family : str
        As in `declarations`.
    dtype, result : dtype
        Of the elements, and of what the kernel returns.
    arrays : int
        How many arrays it takes.
    """

    def __init__(self, family: str, dtype: np.dtype[Any], result: np.dtype[Any], arrays: int) -> None:
        self._family, self._dtype = family, dtype
        self._single = direct.foreign(f"pyffipar_{family}_{suffix(dtype)}", result, arrays)
        self._function = kernel(family, dtype)
        self._result = result
        self._make = result.type
        self._item_bytes = arrays * dtype.itemsize
        self._merge: Callable[[Array], Any] | None = _merge_of(family, dtype)
        self._jobs: dict[tuple[int, int], list[Job]] = {}
        self._lock = forking.Lock()

    def __call__(self, *arrays: Array) -> Any:
        """The result for contiguous arrays of the kernel's own dtype, of equal size and with at least one item."""
        size = arrays[0].size
        if is_small(size, self._item_bytes):
            grid = grid_of(size, self._item_bytes)
            addresses = [array.ctypes.data for array in arrays]
            if grid.chunks == 1:
                return self._make(self._single(size, *addresses))
            if self._merge is not None:
                return self._alone(grid, addresses)
        chosen = current()
        if self._merge is None or not _is_usual(chosen):
            return self._function(*(array.reshape(-1) for array in arrays))
        job = self._job(size, chosen.thread_count(), arrays)
        try:
            return self._make(self._merge(job.run(arrays)))
        finally:
            self._keep(size, job)

    def prepare(self, *arrays: Array) -> Callable[[], Any]:
        """A call to repeat on the same arrays."""
        size = arrays[0].size
        if is_small(size, self._item_bytes):
            grid = grid_of(size, self._item_bytes)
            addresses = [array.ctypes.data for array in arrays]
            if grid.chunks == 1:
                return _Held(partial(self._single, size, *addresses), self._make, arrays)
        if self._merge is None or not _is_usual(current()):
            return self._function.prepare(*(array.reshape(-1) for array in arrays))
        job = Job(self._family, self._dtype, current().thread_count(), arrays)
        merge = self._merge
        return _Held(lambda: merge(job.run()), self._make, arrays)

    def _alone(self, grid: Grid, addresses: list[int]) -> Any:
        """All chunks one after the other in this thread."""
        assert self._merge is not None  # asked before
        partials = np.empty(grid.chunks, self._result)
        step = grid.chunk * self._dtype.itemsize
        for index in range(grid.chunks):
            start, stop = grid.span(index)
            partials[index] = self._single(stop - start, *[address + index * step for address in addresses])
        return self._make(self._merge(partials))

    def _job(self, size: int, threads: int, arrays: tuple[Array, ...]) -> Job:
        """A job nobody else runs now."""
        with self._lock:
            idle = self._jobs.get((size, threads))
            if idle:
                return idle.pop()
        return Job(self._family, self._dtype, threads, arrays)

    def _keep(self, size: int, job: Job) -> None:
        with self._lock:
            if len(self._jobs) >= MOST_JOBS:
                self._jobs.clear()
            self._jobs.setdefault((size, job.threads), []).append(job)


class _Held:
    """A prepared call that keeps its arrays alive."""

    def __init__(self, call: Callable[[], Any], make: Callable[[Any], Any], arrays: tuple[Array, ...]) -> None:
        self._call, self._make, self._arrays = call, make, arrays

    def __call__(self) -> Any:
        return self._make(self._call())


def _is_usual(chosen: Options) -> bool:
    """Whether nothing but the result is wanted of a call."""
    return chosen.executor == "native" and chosen.timeout is None and not chosen.progress


def _merge_of(family: str, dtype: np.dtype[Any]) -> Callable[[Array], Any] | None:
    """How partial results merge, where that is one function of all of them."""
    if family not in MERGES:
        return None
    if dtype.kind == "f":
        return Fold(f"{MERGES[family]}_{suffix(dtype)}")
    return {"fold_sum": np.add.reduce, "fold_min": np.minimum.reduce, "fold_max": np.maximum.reduce}[MERGES[family]]


@cache
def flat(family: str, dtype: np.dtype[Any], result: np.dtype[Any], arrays: int = 1) -> Flat:
    """`Flat`, made once."""
    return Flat(family, dtype, result, arrays)

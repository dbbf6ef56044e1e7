"""Kernels over all elements of plain arrays: one chunk by a plain call, many by a job that is kept for the next time.

Chunks, partial results and their fold are those of the declared function, so the bits are, too; only checks are left
out whose outcome is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NoReturn

import numpy as np

from ..options import Options, current
from ..partition import cut
from ..system import forking
from ..system.addresses import address_of
from ..system.mappings import is_trailed
from ..timelines import tracing
from . import direct
from .declarations import LIMITS, MERGES, SMALLEST_CHUNK, Fold, has_kernels, kernel, suffix
from .jobs import Job, Merging

Array = np.ndarray[Any, np.dtype[Any]]

MOST_JOBS = 16  # per kernel


def is_plain(x: Any) -> bool:
    """Whether a kernel can walk over all elements as they lie in memory."""
    if type(x) is not np.ndarray:
        return False
    flags = x.flags
    return bool(flags.c_contiguous and flags.aligned and x.dtype.isnative)


def is_quick(x: Any, kinds: str = "fiu") -> bool:
    """Whether `flat` takes it as it is: plain, something in it, and a dtype that has kernels."""
    return is_plain(x) and x.size > 0 and x.dtype.kind in kinds and has_kernels(x.dtype)


def is_one_chunk(items: int, item_bytes: int) -> bool:
    """Whether the planner would not cut so many plain items."""
    return 0 < items < 2 * SMALLEST_CHUNK and cut(items, item_bytes, LIMITS, reduced=True).chunks == 1


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
        self._name = f"pyffipar_{family}_{suffix(dtype)}"
        self._single = direct.foreign(self._name, result, arrays)
        self._function = kernel(family, dtype)
        self._result = result
        self._make = result.type
        self._item_bytes = arrays * dtype.itemsize
        self._merge: Merging | None = _merge_of(family, dtype)
        self._jobs: dict[tuple[int, int], list[Job]] = {}
        self._lock = forking.Lock()

    def __call__(self, *arrays: Array) -> Any:
        """The result for contiguous arrays of the kernel's own dtype, of equal size and with at least one item."""
        size = arrays[0].size
        if is_one_chunk(size, self._item_bytes):
            if tracing.active:
                with tracing.alone(self._name, size * self._item_bytes):
                    return self._make(self._single(size, *[address_of(array) for array in arrays]))
            return self._make(self._single(size, *[address_of(array) for array in arrays]))
        chosen = current()
        if self._merge is None or not _is_usual(chosen) or any(map(is_trailed, arrays)):
            return self._function(*(array.reshape(-1) for array in arrays))
        job = self._job(size, chosen.thread_count(), arrays, self._merge)
        try:
            return self._make(job.run(arrays))
        finally:
            self._keep(size, job)

    def prepare(self, *arrays: Array) -> Callable[[], Any]:
        """A call to repeat on the same arrays."""
        size = arrays[0].size
        if is_one_chunk(size, self._item_bytes):
            return _Held(direct.bound(self._single, *arrays), self._make, arrays)
        if self._merge is None or not _is_usual(current()) or any(map(is_trailed, arrays)):
            return self._function.prepare(*(array.reshape(-1) for array in arrays))
        job = Job(self._family, self._dtype, current().thread_count(), arrays, self._merge)
        return _Held(job.run, self._make, arrays)

    def _job(self, size: int, threads: int, arrays: tuple[Array, ...], merge: Merging) -> Job:
        """A job nobody else runs now."""
        with self._lock:
            idle = self._jobs.get((size, threads))
            if idle:
                return idle.pop()
        return Job(self._family, self._dtype, threads, arrays, merge)

    def _keep(self, size: int, job: Job) -> None:
        with self._lock:
            if len(self._jobs) >= MOST_JOBS:
                self._jobs.clear()
            self._jobs.setdefault((size, job.threads), []).append(job)


class _Held:
    """A prepared call that keeps its arrays alive."""

    def __init__(self, call: Callable[[], Any], make: Callable[[Any], Any], arrays: tuple[Array, ...]) -> None:
        self._call, self._make, self._arrays = call, make, arrays

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a prepared call is bound to arrays of this process, so it cannot be pickled: prepare it in the other one"
        )

    def __call__(self) -> Any:
        return self._make(self._call())


def _is_usual(chosen: Options) -> bool:
    """Whether nothing but the result is wanted of a call."""
    return chosen.executor == "native" and chosen.timeout is None and not chosen.progress


def _merge_of(family: str, dtype: np.dtype[Any]) -> Merging | None:
    """What will merge an array of partial results, where one function does."""
    if family not in MERGES:
        return None
    if dtype.kind == "f":
        return Fold(f"{MERGES[family]}_{suffix(dtype)}").of
    ufunc = {"fold_sum": np.add, "fold_min": np.minimum, "fold_max": np.maximum}[MERGES[family]]
    return lambda partials: partial(ufunc.reduce, partials)


@cache
def flat(family: str, dtype: np.dtype[Any], result: np.dtype[Any], arrays: int = 1) -> Flat:
    """`Flat`, made once."""
    return Flat(family, dtype, result, arrays)

"""concurrent.futures, the pool of threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .common.base import Group, Prepared, Road, Work, worker
from .common.calls import Thunk, by_threads
from .sequential import CALLS


def prepare(_variant: str, work: Work) -> Prepared:
    """Make a job ready for a warm pool."""
    pool = ThreadPoolExecutor(max(work.workers, 2) if work.job == "interpreted" else work.workers)

    def run(_workers: int, thunks: Sequence[Thunk]) -> list[Any]:
        return [future.result() for future in [pool.submit(thunk) for thunk in thunks]]

    ready = by_threads(CALLS, work, run)
    return Prepared(ready.run, close=pool.shutdown)


ROADS = (
    Road(
        name="futures-threads",
        what="A pool of threads that outlives the job, and results as futures. Below it are the same threads and "
        "the same GIL; multiprocessing plays no part in it.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": False, "requests": True},
        command=lambda _folder: worker("futures_threads", ""),
    ),
)

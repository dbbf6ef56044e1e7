"""concurrent.futures, the pool of processes."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from .common.base import Group, Prepared, Road, Work, worker
from .common.pooled import prepared, tasks
from .processes import MOST


def prepare(_variant: str, work: Work) -> Prepared:
    """Make a job ready for a warm pool; the start method is named, as its default differs between Pythons."""
    things = contextlib.ExitStack()
    function, arguments = tasks(work, shared=False, things=things)
    pool = ProcessPoolExecutor(work.workers, mp_context=multiprocessing.get_context("forkserver"))

    def close() -> None:
        pool.shutdown()
        things.close()

    def run(call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return list(pool.map(call, items))

    if work.job != "sum":
        run(abs, range(work.workers))  # starts the processes
    return prepared(work, function, arguments, run, close)


ROADS = (
    Road(
        name="futures-processes",
        what="A pool of processes (start method forkserver) with results as futures. This half of "
        "concurrent.futures rests on multiprocessing, and pickles as it does.",
        group=Group.PROCESSES,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=lambda _folder: worker("futures_processes", ""),
        most_workers=MOST,
    ),
)

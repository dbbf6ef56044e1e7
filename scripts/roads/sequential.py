"""No road at all: one thing after the other."""

from __future__ import annotations

import sys
from array import array

from .common import jobs
from .common.base import Group, Prepared, Road, Work, worker
from .common.calls import Calls, by_threads


def add_up(data: array[float], start: int, stop: int) -> float:
    """A chunk, without a copy but on PyPy, which walks through a copy many times faster than through a memoryview."""
    return jobs.total(data[start:stop] if sys.implementation.name == "pypy" else memoryview(data)[start:stop])


CALLS = Calls(fib=jobs.fib, total=add_up, get=jobs.get)


def prepare(_variant: str, work: Work) -> Prepared:
    """Make a job ready that runs on the calling thread."""
    return by_threads(CALLS, work, run=lambda _workers, thunks: [thunk() for thunk in thunks])


ROADS = (
    Road(
        name="sequential",
        what="Plain Python, one call after the other. All other roads are measured against it.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"requests": False},
        command=lambda _folder: worker("sequential", ""),
        most_workers=1,
    ),
)

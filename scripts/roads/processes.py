"""multiprocessing: pools of processes, three ways to start them, two ways to hand them an array."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator

from .common.base import Group, Prepared, Road, Work, worker
from .common.pooled import prepared, tasks

MOST = 10
"""Processes are dear: more are not started."""


def prepare(variant: str, work: Work) -> Prepared:
    """Make a job ready for a warm pool.

    Parameters
    ----------
    variant : str
        The start method, ``-shared`` behind it for arrays in shared memory.
    work : Work
        The job.
    """
    method, _, shared = variant.partition("-")
    things = contextlib.ExitStack()
    # Shared memory comes first: its resource tracker must be there before processes are forked.
    function, arguments = tasks(work, shared=bool(shared), things=things)
    pool = multiprocessing.get_context(method).Pool(work.workers)

    def close() -> None:
        pool.close()
        pool.join()
        things.close()

    return prepared(work, function, arguments, lambda f, a: pool.map(f, a, chunksize=1), close)


STORIES = {
    "fork": "The process is copied as it stands, which is quick and breaks if it has threads.",
    "forkserver": "A clean process that stands by is copied, so threads and locks of this one do no harm.",
    "spawn": "A new interpreter starts and imports everything again; it works everywhere and starts slowest.",
}


def roads() -> Iterator[Road]:
    """Both ways to hand over an array, for each start method."""
    for method, story in STORIES.items():
        yield Road(
            name=f"mp-{method}",
            what=f"multiprocessing.Pool with start method {method}; arguments and results are pickled. {story}",
            group=Group.PROCESSES,
            code="Python",
            jobs=("cpu", "sum", "io"),
            overlaps={"interpreted": True, "requests": True},
            command=lambda _folder, method=method: worker("processes", method),  # type: ignore[misc]
            most_workers=MOST,
            extras=("moving",) if method == "forkserver" else (),
        )
        yield Road(
            name=f"mp-{method}-shared",
            what=f"The same pool ({method}), but the array lies in shared memory and only its name is "
            "sent. It must be filled and unlinked by hand.",
            group=Group.PROCESSES,
            code="Python",
            jobs=("sum",),
            overlaps={"interpreted": True},
            command=lambda _folder, method=method: worker("processes", f"{method}-shared"),  # type: ignore[misc]
            most_workers=MOST,
            extras=("moving",) if method == "forkserver" else (),
        )


ROADS = tuple(roads())

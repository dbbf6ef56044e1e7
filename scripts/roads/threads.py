"""Python threads, and what the interpreter's switch interval does to them."""

from __future__ import annotations

import sys
import threading
import time
from statistics import median

from .common import jobs
from .common.base import Group, Prepared, Road, Work, worker
from .common.calls import by_threads
from .sequential import CALLS

INTERVALS = (0.0001, 0.0005, 0.001, 0.005, 0.02, 0.05)
"""Seconds; Python's default is 0.005."""
NAP = 0.002
CALL = 16
"""fib of it is the unit of work while the interval is swept: some 0.1 ms."""


def prepare(_variant: str, work: Work) -> Prepared:
    """Make a job ready for threads started anew for each run."""
    if work.job == "sweep":
        return Prepared(lambda: [one_interval(seconds, work.count) for seconds in INTERVALS])
    return by_threads(CALLS, work)


def one_interval(interval: float, samples: int) -> dict[str, float]:
    """Two threads compute, a third naps: how much is computed, and how late the third one wakes.

    Parameters
    ----------
    interval : float
        The switch interval, in seconds.
    samples : int
        Naps.

    Returns
    -------
    dict
        ``interval`` and ``wait`` (median) in seconds, ``calls`` per second of both computing threads.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    done = [0, 0]
    stop = threading.Event()

    def compute(me: int) -> None:
        while not stop.is_set():
            jobs.fib(CALL)
            done[me] += 1

    computing = [threading.Thread(target=compute, args=(i,)) for i in range(2)]
    for thread in computing:
        thread.start()
    start = time.perf_counter()
    waits = []
    try:
        for _ in range(samples):
            wake = time.perf_counter() + NAP
            time.sleep(NAP)
            waits.append(time.perf_counter() - wake)
    finally:
        stop.set()
        seconds = time.perf_counter() - start
        sys.setswitchinterval(before)
        for thread in computing:
            thread.join()
    return {"interval": interval, "wait": median(waits), "calls": sum(done) / seconds}


ROADS = (
    Road(
        name="threads",
        what="Threads of the operating system, each running Python code. The GIL lets one of them compute at a "
        "time; while one waits for the network, the others go on.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": False, "requests": True},
        command=lambda _folder: worker("threads", ""),
        extras=("sweep",),
    ),
)

"""Measure cases side by side in one run: interleaved, repeated, medians, ratios; and say how it was scheduled."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

GUARD = "PYFFIPAR_BENCH_SCHEDULED"  # set once the program has started itself again under another scheduler
PAUSE = 0.05  # s between cases: threads of other pools go on spinning that long after their call


@dataclass(frozen=True, slots=True)
class Timing:
    """One case.

    Attributes
    ----------
    name : str
    seconds : float
        Median of the repeats.
    spread : float
        Half the distance between the quartiles, as a share of the median.
    repeats : int
    """

    name: str
    seconds: float
    spread: float
    repeats: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio with what is wanted of it.

    Attributes
    ----------
    what : str
    value : float
    goal : str
        Such as ``<= 1.10``; empty where there is none.
    met : bool or None
    unit : str
    """

    what: str
    value: float
    goal: str
    met: bool | None
    unit: str = "x"


def figure(
    what: str, value: float, *, at_most: float | None = None, at_least: float | None = None, unit: str = "x"
) -> Figure:
    """A figure that is held against its goal."""
    if at_most is not None:
        return Figure(what, value, f"<= {at_most:g}", value <= at_most, unit)
    if at_least is not None:
        return Figure(what, value, f">= {at_least:g}", value >= at_least, unit)
    return Figure(what, value, "", None, unit)


def interleave(cases: Mapping[str, Callable[[], object]], repeats: int = 9, pause: float = PAUSE) -> dict[str, Timing]:
    """Time every case `repeats` times, in turn, so that whatever disturbs the machine disturbs all of them.

    Each case is called once beforehand; the order turns round with every repeat.
    """
    for case in cases.values():
        case()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for repeat in range(repeats):
        for name in names if repeat % 2 else reversed(names):
            time.sleep(pause)
            began = time.perf_counter()
            cases[name]()
            seconds[name].append(time.perf_counter() - began)
    return {name: _timing(name, taken) for name, taken in seconds.items()}


def _timing(name: str, taken: list[float]) -> Timing:
    median = statistics.median(taken)
    low, _, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (median, median, median)
    return Timing(name, median, (high - low) / 2 / median if median else 0.0, len(taken))


def schedule() -> None:
    """Start again under the real-time scheduler where that is allowed: else woken threads are packed onto one core."""
    chrt = shutil.which("chrt")
    if chrt is None or os.environ.get(GUARD) or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    os.environ[GUARD] = "chrt -r 1"
    os.execv(chrt, [chrt, "-r", "1", sys.executable, *sys.argv])  # noqa: S606 - this very program


def scheduled() -> str:
    """How this run is scheduled, in words."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    how = os.environ.get(GUARD, "the system's default scheduler, threads not pinned")
    machine = platform.processor() or platform.machine()
    return f"{how}; CPUs {', '.join(map(str, cpus)) or 'unknown'}; load {os.getloadavg()[0]:.1f}; {machine}"


def show(timings: Mapping[str, Timing], figures: list[Figure]) -> str:
    """Both tables as text."""
    width = max([len(timing.name) for timing in timings.values()] + [len(entry.what) for entry in figures], default=0)
    lines = [f"{'':<{width}}  {'ms':>10}  spread"]
    lines += [f"{t.name:<{width}}  {t.seconds * 1e3:>10.3f}  {t.spread:>5.0%}" for t in timings.values()]
    lines.append("")
    for entry in figures:
        verdict = "" if entry.met is None else ("reached" if entry.met else "NOT REACHED")
        lines.append(f"{entry.what:<{width}}  {entry.value:>10.2f} {entry.unit:<3} {entry.goal:<8} {verdict}")
    return "\n".join(lines)


def as_json(timings: Mapping[str, Timing], figures: list[Figure]) -> dict[str, Any]:
    """Both tables as plain data."""
    return {
        "scheduled": scheduled(),
        "timings": [asdict(timing) for timing in timings.values()],
        "figures": [asdict(entry) for entry in figures],
    }

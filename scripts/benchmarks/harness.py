"""Measure cases side by side in one run: interleaved, repeated, medians, ratios; and say how it was scheduled."""

from __future__ import annotations

import itertools
import math
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Case = Callable[[], object]

GUARD = "PYFFIPAR_BENCH_SCHEDULED"  # set once the program has started itself again under another scheduler
PAUSE = 0.05  # s between cases: threads of other pools go on spinning that long after their call


@dataclass(frozen=True, slots=True)
class Timing:
    """One case.

    Attributes
    ----------
    name : str
    seconds : float
        Median of the repeats, for one call.
    spread : float
        Half the distance between the quartiles, as a share of the median.
    repeats : int
    is_ours : bool
        Whether pyffipar does it; else it is what that is measured against.
    """

    name: str
    seconds: float
    spread: float
    repeats: int
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Ours:
    """A case of pyffipar's, among those that it is measured against: by its name that cannot be told."""

    call: Case

    def __call__(self) -> object:
        """Call it."""
        return self.call()


def ours(cases: Mapping[str, Case]) -> dict[str, Case]:
    """The same cases, as pyffipar's."""
    return {name: Ours(case) for name, case in cases.items()}


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


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds over numbers of threads, measured and as a model has them.

    Attributes
    ----------
    name : str
    threads : tuple of int
    seconds, model : tuple of float
    parameters : dict
        Of the model.
    """

    name: str
    threads: tuple[int, ...]
    seconds: tuple[float, ...]
    model: tuple[float, ...]
    parameters: dict[str, float]


@dataclass(slots=True)
class Report:
    """What a subject found.

    Attributes
    ----------
    timings : dict of Timing
    figures : list of Figure
    missing : list of str
        What could not be measured, and why.
    curves : list of Curve
    """

    timings: dict[str, Timing] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def seconds(self, name: str) -> float:
        """A case's median; NaN if it could not be measured."""
        return self.timings[name].seconds if name in self.timings else math.nan

    def compare(self, what: str, value: float, **goal: Any) -> None:
        """Add a figure, unless one of the cases behind it could not be measured."""
        if not math.isnan(value):
            self.figures.append(figure(what, value, **goal))

    def has_cpus(self, what: str, threads: int) -> bool:
        """Whether there are as many CPUs as threads; else the report says that this could not be measured."""
        there = cpus()
        if threads > there:
            self.missing.append(f"{what}: {threads} threads want as many CPUs, and this program may use {there}")
        return threads <= there


def figure(
    what: str, value: float, *, at_most: float | None = None, at_least: float | None = None, unit: str = "x"
) -> Figure:
    """A figure that is held against its goal."""
    if at_most is not None:
        return Figure(what, value, f"<= {at_most:g}", value <= at_most, unit)
    if at_least is not None:
        return Figure(what, value, f">= {at_least:g}", value >= at_least, unit)
    return Figure(what, value, "", None, unit)


def interleave(
    cases: Mapping[str, Case], repeats: int = 9, pause: float = PAUSE, times: Mapping[str, int] | None = None
) -> dict[str, Timing]:
    """Time every case `repeats` times, in turn, so that whatever disturbs the machine disturbs all of them.

    Each case is called once beforehand; the order turns round with every repeat. What takes microseconds is called so
    many `times` in a row, after some calls that wake its threads, and its time is that of one call.
    """
    for case in cases.values():
        case()
    pin_threads()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for repeat in range(repeats):
        for name in names if repeat % 2 else reversed(names):
            time.sleep(pause)
            seconds[name].append(_timed(cases[name], (times or {}).get(name, 1)))
    return {name: timing(name, taken, is_ours=isinstance(cases[name], Ours)) for name, taken in seconds.items()}


def _timed(case: Case, times: int) -> float:
    case = case.call if isinstance(case, Ours) else case  # a call of Python's less in what is measured
    if times > 1:
        for _ in itertools.repeat(None, max(1, times // 10)):
            case()
    began = time.perf_counter()
    for _ in itertools.repeat(None, times):
        case()
    return (time.perf_counter() - began) / times


def timing(name: str, taken: Sequence[float], *, is_ours: bool) -> Timing:
    """What so many seconds come to."""
    median = statistics.median(taken)
    low, _, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (median, median, median)
    return Timing(name, median, (high - low) / 2 / median if median else 0.0, len(taken), is_ours)


def schedule(*, realtime: bool) -> None:
    """Start again under the real-time scheduler where that is allowed: else woken threads are packed onto one core."""
    if not realtime or os.environ.get(GUARD) or not _become_realtime():
        return
    os.environ[GUARD] = "chrt -r 1"  # what it is called on a command line
    # Threads that imports have started keep the scheduler they began with: those of a new program have this one's.
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - this very program


def _become_realtime() -> bool:
    """Put this thread under the real-time scheduler; whether that is allowed: not every root is, nor only root."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # without CAP_SYS_NICE, as in most containers, or with no real-time share for this control group
        return False
    return True


_pinned: list[int] = []  # CPUs, once threads were pinned to them
_there = [0]  # how many CPUs there were when that was asked first
_may_pin: list[bool] = [True]


def leave_unpinned() -> None:
    """From now on threads are the scheduler's, as in a program that has more of them than there are CPUs."""
    _may_pin[0] = False


def pin_threads() -> None:
    """Where the real-time scheduler is not to be had: this thread to one CPU, all others to the rest in turn."""
    if os.environ.get(GUARD) or not _may_pin[0] or not hasattr(os, "sched_setaffinity"):
        return
    cpus()  # while this thread still may use all of them
    if not _pinned:
        _pinned.extend(sorted(os.sched_getaffinity(0)))
    if len(_pinned) < 2:
        return
    own = threading.get_native_id()
    os.sched_setaffinity(own, {_pinned[0]})
    others = sorted(int(task.name) for task in Path("/proc/self/task").iterdir() if int(task.name) != own)
    for index, task in enumerate(others):
        os.sched_setaffinity(task, {_pinned[1 + index % (len(_pinned) - 1)]})


def cpus() -> int:
    """How many CPUs this program may use at once: its affinity, before threads were pinned, and its share of them."""
    from pyffipar.system.cpus import usable_cpus

    _there[0] = _there[0] or usable_cpus()
    return _there[0]


def scheduled() -> str:
    """How this run was scheduled, in words."""
    allowed = _pinned or (sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
    how = os.environ.get(GUARD) or ("threads pinned" if _pinned else "the system's default scheduler, not pinned")
    machine = platform.processor() or platform.machine()
    return f"{how}; CPUs {', '.join(map(str, allowed)) or 'unknown'}; load {os.getloadavg()[0]:.1f}; {machine}"


def show(report: Report) -> str:
    """All tables as text."""
    names = [*report.timings, *(entry.what for entry in report.figures)]
    width = max(map(len, names), default=0)
    lines = []
    if report.timings:
        lines += [f"{'':<{width}}  {'median':>10}  spread"]
        lines += [f"{t.name:<{width}}  {_time(t.seconds):>10}  {t.spread:>5.0%}" for t in report.timings.values()]
        lines.append("")
    for entry in report.figures:
        verdict = "" if entry.met is None else ("reached" if entry.met else "NOT REACHED")
        lines.append(f"{entry.what:<{width}}  {entry.value:>10.4g} {entry.unit:<3} {entry.goal:<9} {verdict}".rstrip())
    lines += [_curve(curve) for curve in report.curves]
    lines += [f"not measured: {entry}" for entry in report.missing]
    return "\n".join(lines)


def _curve(curve: Curve) -> str:
    points = zip(curve.threads, curve.seconds, curve.model, strict=True)
    cells = "; ".join(f"{count}: {_time(taken)} (model {_time(model)})" for count, taken, model in points)
    return f"{curve.name}, by threads: {cells}"


def _time(seconds: float) -> str:
    """A time in the unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds * 1e9:.4g} ns"


def as_json(report: Report) -> dict[str, Any]:
    """All of it as plain data."""
    return {
        "scheduled": scheduled(),
        "cpus": cpus(),
        "timings": [asdict(timing) for timing in report.timings.values()],
        "figures": [asdict(entry) for entry in report.figures],
        "missing": list(report.missing),
        "curves": [asdict(curve) for curve in report.curves],
    }

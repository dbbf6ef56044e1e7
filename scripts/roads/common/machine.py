"""What the operating system knows: CPU time and memory of a worker and its children, and what others use meanwhile."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
SCHEDULED = 2
"""The kind of clock that counts nanoseconds a process was running (``CPUCLOCK_SCHED`` of Linux)."""


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for task in PROC.glob(f"{parent}/task/*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:  # ended meanwhile
                continue
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of one process, to the nanosecond: of Linux' clocks each process has one, numbered by its pid."""
    try:
        return time.clock_gettime((~pid << 3) | SCHEDULED)
    except OSError:
        return 0.0


def all_busy_seconds() -> float:
    """CPU time of everything on this machine, in steps of 10 ms; 0 where it is not told."""
    try:
        words = (PROC / "stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft = map(int, words[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Meter:
    """A reading of all clocks.

    Attributes
    ----------
    clock, family, known, everything : float
        Seconds: of the wall, of the worker's processes, of them and ours and the server's, of the whole machine.
    """

    clock: float
    family: float
    known: float
    everything: float

    @classmethod
    def read(cls, pid: int, *others: int) -> Meter:
        """Read them, for a worker and the processes that serve it."""
        own = sum(map(cpu_seconds, family(pid)))
        known = own + sum(map(cpu_seconds, (os.getpid(), *others)))
        return cls(time.perf_counter(), own, known, all_busy_seconds())

    def since(self, start: Meter) -> dict[str, float]:
        """Cores the worker kept busy, and CPU seconds others used, since an earlier reading."""
        seconds = self.clock - start.clock
        others = (self.everything - start.everything) - (self.known - start.known)
        return {
            "elapsed": seconds,
            "cpu": self.family - start.family,
            "cores": (self.family - start.family) / seconds,
            "others": max(others, 0.0),
        }


def _kilobytes(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            found[name] = int(rest.split()[0])
    return found


def peak_memory(pid: int) -> int:
    """Bytes a worker and its children take: shared pages counted once, and what each had beyond that at its peak."""
    total = 0
    for member in family(pid):
        try:
            status = _kilobytes(PROC / str(member) / "status", ("VmHWM", "VmRSS"))
            now = _kilobytes(PROC / str(member) / "smaps_rollup", ("Pss",)).get("Pss", status["VmRSS"])
        except (OSError, KeyError):
            continue
        total += now + max(status["VmHWM"] - status["VmRSS"], 0)
    return total * 1024


def describe() -> dict[str, Any]:
    """The machine, in words a reader needs to place the figures."""
    model = ""
    cpuinfo = PROC / "cpuinfo"
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": cores,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }

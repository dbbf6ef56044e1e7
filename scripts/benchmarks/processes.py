"""The same C sum with several processes: ours on a shared array, and the ways in which arrays are sent to others."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from .harness import Report, Timing
from .processes_child import WAYS, WORKERS

ITEMS = 100_000_000
CHILD = Path(__file__).with_name("processes_child.py")
OURS, THREADS, PICKLED = "pyffipar, processes", "pyffipar, native", "pickled multiprocessing.Pool"


def run(*, quick: bool) -> Report:
    """Time each way in a process of its own, one after the other."""
    report = Report()
    items = ITEMS // 100 if quick else ITEMS
    is_shared = report.has_cpus("how long the workers take", WORKERS)
    memory: dict[str, float] = {}
    for name in WAYS:
        repeats = 3 if quick or "pyffipar" not in name else 15
        done = subprocess.run(
            [sys.executable, str(CHILD), name, str(items), str(repeats)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            report.missing.append(f"{name}: status {done.returncode}, {last}")
            continue
        told = json.loads(done.stdout)
        if told["sum"] != items:
            raise AssertionError(f"{name} gives {told['sum']}, wanted {items}")
        seconds = statistics.median(told["seconds"])
        spread = (max(told["seconds"]) - min(told["seconds"])) / 2 / seconds
        if is_shared:
            report.timings[name] = Timing(f"{name}, {WORKERS} workers", seconds, spread, repeats, "pyffipar" in name)
        memory[name] = (told["peak"] - told["without"]) / (8 * items)
    _judge(report, memory)
    return report


def _judge(report: Report, memory: dict[str, float]) -> None:
    s = report.seconds
    report.compare("pickled multiprocessing.Pool / our threads", s(PICKLED) / s(THREADS), at_least=100)
    report.compare("pickled multiprocessing.Pool / our processes", s(PICKLED) / s(OURS), at_least=100)
    for name in WAYS:
        if name not in (OURS, PICKLED):
            report.compare(f"{name} / our processes", s(name) / s(OURS))
    for name, words, most in ((THREADS, "our threads", 1.01), (OURS, "our processes", 1.05)):
        if name in memory:
            report.compare(f"{words}: memory / array", memory[name], at_most=most)
    for name, share in memory.items():
        if name not in (OURS, THREADS):
            report.compare(f"{name}: memory / array", share)

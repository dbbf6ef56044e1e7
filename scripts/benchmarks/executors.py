"""What the first call, every later one and every chunk cost with each executor, in a function that does nothing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from .executors_child import WAYS
from .harness import Report, cpus, timing

CHILD = Path(__file__).with_name("executors_child.py")
WORKERS = 2
FEW, MANY = 50, 1000  # chunks
MANY_TASKS = 200  # dask takes some milliseconds for each of its own


def run(*, quick: bool) -> Report:
    """Time each way in a process of its own, one after the other."""
    report = Report()
    workers = min(WORKERS, cpus())
    has_dask = importlib.util.find_spec("distributed") is not None
    if not has_dask:
        report.missing.append("dask: it is not installed (pip install 'pyffipar[dask]')")
    for way in WAYS:
        if way.startswith("dask") and not has_dask:
            continue
        many = FEW * 2 if quick else (MANY_TASKS if way.startswith("dask") else MANY)
        repeats = 3 if quick else (5 if way.startswith("dask") else 25)
        command = [sys.executable, str(CHILD), way, *map(str, (workers, FEW, many, repeats))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            report.missing.append(f"{way}: status {done.returncode}, {last}")
            continue
        told = json.loads(done.stdout)
        for name, taken in (
            (f"{way}, the first call", [told["first"]]),
            (f"{way}, {FEW} chunks", told["few"]),
            (f"{way}, {many} chunks", told["many"]),
        ):
            report.timings[name] = timing(name, taken, is_ours=True)
        _judge(report, way, many)
    return report


def _judge(report: Report, way: str, many: int) -> None:
    """Chunks cost what many take longer than few; a call, what few take without that."""
    few, all_of_them = report.seconds(f"{way}, {FEW} chunks"), report.seconds(f"{way}, {many} chunks")
    chunk = max(0.0, all_of_them - few) / (many - FEW)
    report.compare(f"{way}: a later call", max(0.0, few - FEW * chunk) * 1e6, unit="us")
    if way == "native":
        report.compare(f"{way}: a chunk", chunk * 1e9, at_most=150, unit="ns")
    else:
        report.compare(f"{way}: a chunk", chunk * 1e6, unit="us")

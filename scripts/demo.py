#!/usr/bin/env python3
"""Run foreign functions on real data with every executor: how long it takes, and whether all agree to the last bit.

zlib's own checksums, and a few loops in C compiled on the spot, work through the files given, or through what the
system's own libraries hold. Exit status 1 if any bits differ.

    demo.py                     256 MiB of what lies in the system's folders
    demo.py --threads 4 FILE …
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import sysconfig
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

MIB = 1 << 20
EXECUTORS = ("serial", "threads", "processes", "native")  # the first is the oracle

ZLIB = """
    uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));
    uLong adler32(uLong adler, const Bytef buf[len], uInt len) split();
"""

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>

void histogram(size_t n, const unsigned char *x, int64_t *counts) {
    for (size_t i = 0; i < n; i++) counts[x[i]]++;
}

/* Products that do not fit a double exactly, so that the sum shows the order of its summands. */
double dot(size_t n, const int16_t *x, const int16_t *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (x[i] * 0.001) * (y[i] * 0.001);
    return sum;
}

void smooth(size_t n, const unsigned char *x, unsigned char *y) {
    for (size_t i = 0; i < n; i++) y[i] = (x[i] + x[i + 1] + x[i + 2] + x[i + 3] + x[i + 4]) / 5;
}
"""

KERNELS = """
    void histogram(size_t n, const unsigned char x[n], int64_t counts[256]) reduction(+: counts);
    double dot(size_t n, const int16_t x[n], const int16_t y[n]) reduction(+);
    void smooth(size_t n, const unsigned char x[n + 4], unsigned char y[n]);
"""


@dataclass(frozen=True)
class Work:
    """One foreign function with its data.

    Attributes
    ----------
    name : str
        What it does, for the table.
    function : pyffipar.Function
    arguments : tuple
    check : callable
        Whether a result is what another program, zlib's module or NumPy, says.
    """

    name: str
    function: pf.Function
    arguments: tuple[Any, ...]
    check: Callable[[Any], bool]


@dataclass(frozen=True)
class Outcome:
    """How one executor did at one work: median seconds, and whether its bits are the oracle's and the check held."""

    name: str
    executor: str
    seconds: float
    speedup: float
    same: bool
    right: bool


def works(data: Array) -> Iterator[Work]:
    """What the demo does with `data`, an array of bytes."""
    z = pf.load("z", ZLIB)
    k = pf.compile(SOURCE, KERNELS)
    yield Work("zlib crc32 of it all", z.crc32, (0, data), lambda result: int(result) == zlib.crc32(data.data))
    blocks = data[: len(data) // MIB * MIB].reshape(-1, MIB)
    yield Work("zlib adler32 of each MiB", z.adler32, (1, blocks), lambda result: result.tolist() == _adlers(blocks))
    yield Work("histogram of bytes", k.histogram, (data,), lambda result: bool((result == _counts(data)).all()))
    half = len(data) // 4
    x, y = data[: 4 * half].view(np.int16).reshape(2, half)
    yield Work(
        "dot product of the halves", k.dot, (x, y), lambda result: bool(np.isclose(result, _dot(x, y), rtol=1e-9))
    )
    yield Work("moving average of 5", k.smooth, (data,), lambda result: _is_smooth(data, result))


def _adlers(blocks: Array) -> list[int]:
    return [zlib.adler32(block) for block in blocks]


def _pieces(length: int) -> Iterator[slice]:
    """Parts that NumPy's temporary arrays fit into memory for."""
    return (slice(start, min(start + 8 * MIB, length)) for start in range(0, length, 8 * MIB))


def _counts(data: Array) -> Array:
    counts = np.zeros(256, np.int64)
    for piece in _pieces(len(data)):
        counts += np.bincount(data[piece], minlength=256)
    return counts


def _dot(x: Array, y: Array) -> float:
    return sum(float((x[piece] * 0.001) @ (y[piece] * 0.001)) for piece in _pieces(len(x)))


def _is_smooth(data: Array, result: Array) -> bool:
    for piece in _pieces(len(data) - 4):
        part = data[piece.start : piece.stop + 4].astype(np.uint16)
        length = piece.stop - piece.start
        if not np.array_equal(sum(part[shift : shift + length] for shift in range(5)) // 5, result[piece]):
            return False
    return True


def measure(work: Work, threads: int, repeats: int) -> list[Outcome]:
    """Run one work with every executor by turns, so that what else the machine does meets all of them alike."""
    calls = {name: work.function.options(executor=name, threads=threads) for name in EXECUTORS}
    results = {name: np.array(call(*work.arguments)) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in EXECUTORS}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call(*work.arguments)
            times[name].append(time.perf_counter() - began)
    oracle = results[EXECUTORS[0]]
    right = work.check(oracle)
    slow = statistics.median(times[EXECUTORS[0]])
    outcomes = []
    for name in EXECUTORS:
        seconds = statistics.median(times[name])
        same = results[name].dtype == oracle.dtype and results[name].tobytes() == oracle.tobytes()
        outcomes.append(Outcome(work.name, name, seconds, slow / seconds, same, right))
    return outcomes


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as aligned text."""
    rows = [("", "executor", "ms", "speed-up", "bits", "against zlib/NumPy")]
    previous = ""
    for outcome in outcomes:
        name = outcome.name if outcome.name != previous else ""
        previous = outcome.name
        bits = "equal" if outcome.same else "DIFFER"
        right = "right" if outcome.right else "WRONG"
        rows.append((name, outcome.executor, f"{outcome.seconds * 1e3:.1f}", f"{outcome.speedup:.2f}", bits, right))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= i <= 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def system_files() -> Iterator[Path]:
    """Files that every system has: the shared libraries and modules of Python and of the system."""
    for folder in dict.fromkeys((sysconfig.get_path("stdlib"), "/usr/lib", "/lib", "/usr/share")):
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                    yield path


def collect(paths: Iterator[Path], size: int, target: Path) -> None:
    """Write `size` bytes from `paths` to `target`, from the beginning again if they hold less."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        for path in paths:
            file.write(path.read_bytes()[: size - file.tell()])
            if file.tell() == size:
                break
        found = file.tell()
    if not found:
        partial.unlink()
        sys.exit("no file of the system can be read: name some")
    with partial.open("r+b") as file:
        while (end := file.seek(0, os.SEEK_END)) < size:
            file.seek(0)
            head = file.read(min(end, size - end))
            file.seek(end)
            file.write(head)
    partial.replace(target)


def load(files: Sequence[str], size: int) -> Array:
    """The bytes to work on, mapped from a file: what is not looked at is not read."""
    if len(files) == 1:
        return np.memmap(files[0], np.uint8, "r")
    if files:
        return np.concatenate([np.memmap(file, np.uint8, "r") for file in files])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyffipar-demo" / f"{size}.bin"
    if not cache.is_file() or cache.stat().st_size != size:
        collect(system_files(), size, cache)
    return np.memmap(cache, np.uint8, "r")


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="*", metavar="FILE", help="data to work on; the system's own files by default")
    parser.add_argument("--threads", type=int, default=pf.current_options().thread_count(), help="default: %(default)s")
    parser.add_argument(
        "--size", type=int, default=256, metavar="MIB", help="of the system's files; default: %(default)s"
    )
    parser.add_argument("--repeats", type=int, default=5, help="the median is shown; default: %(default)s")
    chosen = parser.parse_args(arguments)
    if min(chosen.threads, chosen.size, chosen.repeats) < 1:
        parser.error("--threads, --size and --repeats are at least 1")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether everything was right."""
    chosen = options(arguments)
    data = load(chosen.files, chosen.size * MIB)
    if len(data) < MIB:
        sys.exit(f"{len(data)} bytes are too few: at least {MIB} are wanted")
    source = ", ".join(chosen.files) or "files of the system"
    print(f"{len(data) / MIB:.0f} MiB of {source}; {chosen.threads} threads; median of {chosen.repeats}\n")
    outcomes = [outcome for work in works(data) for outcome in measure(work, chosen.threads, chosen.repeats)]
    print(table(outcomes))
    good = all(outcome.same and outcome.right for outcome in outcomes)
    print("\nAll bits are equal." if good else "\nSOME RESULTS DIFFER.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

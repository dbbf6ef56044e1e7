"""One way to sum an array with several processes, timed; a program of its own, so that its memory is its own.

    processes_child.py WAY ITEMS REPEATS

Prints JSON: seconds of each repeat, the sum, and the memory of the process and its children at their peak, with and
without the array.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from roads.common.machine import peak_memory

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]
Ready = tuple[Callable[[], float], Callable[[], None]]

WORKERS, CHUNKS = 2, 8
SOURCE = """
#include <stddef.h>
double total(size_t n, const double *x) {
    double a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= n; i += 4) { a += x[i]; b += x[i + 1]; c += x[i + 2]; d += x[i + 3]; }
    for (size_t i = n / 4 * 4; i < n; i++) a += x[i];
    return a + b + c + d;
}
"""
DECLARATION = "double total(size_t n, const double x[n]) reduction(+);"


def plain(path: str) -> Callable[[int, int], float]:
    """The C function through ctypes."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_size_t, ctypes.c_void_p)
    return prototype(("total", ctypes.CDLL(path)))


def sum_of_piece(work: tuple[str, Array]) -> float:
    """What a worker of a pool does with a pickled piece."""
    path, piece = work
    return plain(path)(len(piece), piece.ctypes.data)


def sum_in_shared(work: tuple[str, str, int, int]) -> float:
    """What a worker does with a piece of shared memory."""
    path, name, start, stop = work
    memory = SharedMemory(name)
    try:
        return plain(path)(stop - start, doubles(memory)[start:stop].ctypes.data)
    finally:
        memory.close()


def doubles(memory: SharedMemory) -> Array:
    """Shared memory as an array."""
    if memory.buf is None:
        raise ValueError(f"{memory.name} is closed")
    return np.frombuffer(memory.buf, np.float64)


def made(items: int, array: Array | None = None) -> Array:
    """Numbers whose sum is exact, in memory that is all there."""
    array = np.empty(items) if array is None else array
    array[:] = 1.0
    return array


def native(items: int, path: str) -> Ready:
    """The pool of threads."""
    x = made(items)
    return pf.load(path, DECLARATION).total.options(threads=WORKERS).prepare(x), lambda: None


def processes(items: int, path: str) -> Ready:
    """Our worker processes, on a shared array."""
    x = made(items, pf.shared_empty(items))
    return pf.load(path, DECLARATION).total.options(executor="processes", threads=WORKERS).prepare(x), lambda: None


def pickled_pool(items: int, path: str) -> Ready:
    """A pool that gets its pieces pickled."""
    x = made(items)
    pool = multiprocessing.Pool(WORKERS)
    return lambda: sum(pool.map(sum_of_piece, [(path, piece) for piece in np.array_split(x, CHUNKS)])), pool.terminate


def pickled_executor(items: int, path: str) -> Ready:
    """The same with concurrent.futures."""
    x = made(items)
    pool = ProcessPoolExecutor(WORKERS)
    return lambda: sum(pool.map(sum_of_piece, [(path, p) for p in np.array_split(x, CHUNKS)])), pool.shutdown


def shared_memory(items: int, path: str) -> Ready:
    """An ordinary array, copied to shared memory with every call, as its owner has to."""
    x = made(items)
    pool = multiprocessing.Pool(WORKERS)

    def call() -> float:
        memory = SharedMemory(create=True, size=x.nbytes)
        try:
            doubles(memory)[: len(x)] = x
            bounds = np.linspace(0, len(x), CHUNKS + 1).astype(int).tolist()
            pieces = [(path, memory.name, a, b) for a, b in itertools.pairwise(bounds)]
            return sum(pool.map(sum_in_shared, pieces))
        finally:
            memory.close()
            memory.unlink()

    return call, pool.terminate


WAYS: dict[str, Callable[[int, str], Ready]] = {
    "pyffipar, native": native,
    "pyffipar, processes": processes,
    "pickled multiprocessing.Pool": pickled_pool,
    "pickled ProcessPoolExecutor": pickled_executor,
    "copied to shared_memory": shared_memory,
}


def main() -> None:
    """Call it again and again."""
    way, items, repeats = WAYS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    path = pf.compile(SOURCE, flags=("-march=native",)).path
    without = peak_memory(os.getpid())
    call, leave = way(items, path)
    total = call()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    peak = peak_memory(os.getpid())
    print(json.dumps({"seconds": seconds, "sum": total, "peak": peak, "without": without}))
    leave()


if __name__ == "__main__":
    main()

"""One way to have chunks worked on, timed with a function that does nothing; a program of its own, to start cold.

    executors_child.py WAY WORKERS FEW MANY REPEATS

Prints JSON: seconds of the first call, workers' start included, and of later ones on few chunks and on many.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[[Array], Any]

CHUNK = 100  # items
SOURCE = "#include <stddef.h>\ndouble first(size_t n, const double *x) { (void)n; return x[0]; }"
DECLARATION = f"double first(size_t n, const double x[n]) reduction(+) chunk(min = {CHUNK}, max = {CHUNK});"


@contextmanager
def named(function: pf.Function, executor: str, workers: int) -> Iterator[Call]:
    """An executor of our own."""
    yield function.options(executor=executor, threads=workers)


@contextmanager
def pool(function: pf.Function, workers: int) -> Iterator[Call]:
    """A pool of processes from the standard library, forked where that is possible: that starts fastest."""
    is_unix = "fork" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if is_unix else None)
    with ProcessPoolExecutor(workers, mp_context=context) as made:
        yield function.options(executor=made)


@contextmanager
def graph(function: pf.Function, _: int) -> Iterator[Call]:
    """A dask array with a task for every chunk, made and not computed."""
    arrays: Any = importlib.import_module("dask.array")
    yield lambda x: function(arrays.from_array(x, chunks=CHUNK))


@contextmanager
def dask_threads(function: pf.Function, workers: int) -> Iterator[Call]:
    """The same computed by dask's threads."""
    with graph(function, workers) as made:
        yield lambda x: made(x).compute(scheduler="threads", num_workers=workers)


@contextmanager
def dask_cluster(function: pf.Function, workers: int) -> Iterator[Call]:
    """The same computed by dask's processes on this machine."""
    distributed: Any = importlib.import_module("distributed")
    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        graph(function, workers) as made,
    ):
        yield lambda x: made(x).compute()


WAYS: dict[str, Any] = {
    "native": lambda function, workers: named(function, "native", workers),
    "threads": lambda function, workers: named(function, "threads", workers),
    "serial": lambda function, _: named(function, "serial", 1),
    "processes": lambda function, workers: named(function, "processes", workers),
    "ProcessPoolExecutor": pool,
    "dask, the graph": graph,
    "dask, threads": dask_threads,
    "dask, LocalCluster": dask_cluster,
}


def main() -> None:
    """Once, and then again and again."""
    way = WAYS[sys.argv[1]]
    workers, few, many, repeats = map(int, sys.argv[2:])
    function = pf.compile(SOURCE, DECLARATION).first
    arrays = {"few": np.ones(few * CHUNK), "many": np.ones(many * CHUNK)}
    began = time.perf_counter()
    with ExitStack() as stack:
        call = stack.enter_context(way(function, workers))
        call(arrays["few"])
        told: dict[str, Any] = {"first": time.perf_counter() - began, "few": [], "many": []}
        for _ in range(repeats):
            for name, x in arrays.items():
                began = time.perf_counter()
                call(x)
                told[name].append(time.perf_counter() - began)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

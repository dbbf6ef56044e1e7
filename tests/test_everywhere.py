"""Every kind of function, wherever its calls are made: threads, processes, others' pools, arrays in no memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.mark.parametrize(("executor", "threads"), [("native", 1), ("native", 3), ("threads", 3), ("processes", 3)])
def test_the_bits_of_a_plain_loop_from_every_executor(case: Any, executor: str, threads: int) -> None:
    case.check(case.function().options(executor=executor, threads=threads))


def in_shared_memory(value: Any) -> Any:
    """Arrays, contiguous or not, in memory that workers map."""
    if not isinstance(value, np.ndarray) or not value.size:
        return value
    wide = pf.shared_empty([2 * extent for extent in value.shape], value.dtype)
    view = wide[tuple(slice(0, extent) for extent in value.shape)]
    view[...] = value
    return view


# What is written to is another array here than in the matrix: see test_processes.
@pytest.mark.cases(without=("in place", "in place and cast", "into out", "into narrow out", "histogram onto"))
def test_the_bits_of_a_plain_loop_where_workers_map_the_inputs(case: Any) -> None:
    case.check(case.function().options(executor="processes", threads=2), in_shared_memory)


# Pools of others


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def loky() -> Iterator[Executor]:
    from loky import ProcessPoolExecutor as Loky

    with Loky(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    import distributed

    clusters: Any = distributed  # has no annotations
    with (
        clusters.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        clusters.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.mark.parametrize("pool", ["threads", "processes", "loky"])
def test_the_bits_of_a_plain_loop_from_pools_of_others(case: Any, request: pytest.FixtureRequest, pool: str) -> None:
    case.check(case.function().options(executor=request.getfixturevalue(pool)))


# A cluster takes tens of milliseconds for each of its tasks: some of each kind are enough.
@pytest.mark.cases(
    "scalars broadcast", "into narrow out", "in place and cast", "boundary wrap", "sparse", "whole matrix",
    "sums of rows", "histogram onto", "mean of a column", "linear", "foreign merge of rows", "smallest", "joined",
    "structs", "complex",
)  # fmt: skip
def test_the_bits_of_a_plain_loop_from_a_dask_cluster(case: Any, dask: Executor) -> None:
    case.check(case.function().options(executor=dask, threads=2))


# Arrays that lie in no memory


class Stored:
    """An array that can only be read and written by slices."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, places: tuple[slice, ...]) -> Array:
        self._check(places)
        return self.array[places].copy()

    def __setitem__(self, places: tuple[slice, ...], block: Array) -> None:
        self._check(places)
        self.array[places] = block

    def _check(self, places: tuple[slice, ...]) -> None:
        assert len(places) == self.array.ndim
        for place, extent in zip(places, self.shape, strict=True):
            assert 0 <= place.start <= place.stop <= extent
            assert place.step is None

    def __array__(self, *_: Any, **__: Any) -> Array:
        """As zarr's and h5py's have it, to be read whole."""
        return self.array.copy()


def stored(value: Any) -> Any:
    return Stored(value) if isinstance(value, np.ndarray) and value.ndim else value


@pytest.mark.parametrize(("executor", "window"), [("native", 1), ("native", 4000), ("processes", 300)])
def test_the_bits_of_a_plain_loop_from_arrays_that_are_read_by_windows(case: Any, executor: str, window: int) -> None:
    case.check(case.function().options(executor=executor, threads=2, window=window).stream, stored)

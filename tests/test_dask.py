"""Calls on dask arrays: lazy, in pieces, under every scheduler, with the bits of the call on the arrays in memory."""

from __future__ import annotations

import itertools
import pickle
import platform
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.lazy import arrays as lazy
from pyffipar.lazy import tasks as lazy_tasks

dask: Any = pytest.importorskip("dask")
da: Any = pytest.importorskip("dask.array")

Array = np.ndarray[Any, np.dtype[Any]]
Results = list[Any]

IN_PLACE = ("into out", "into narrow out", "in place", "in place and cast", "histogram onto")
later = pytest.mark.cases(without=IN_PLACE)

SOURCE = r"""
#include <stddef.h>
static int calls;
int made(void) { return calls; }
double total(size_t n, const double *x) { calls++; double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void blur(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = (x[i] + x[i + 1] + x[i + 2]) / 3;
}
int below(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) { if (x[i] < 0) return 7; y[i] = x[i]; }
    return 0;
}
size_t positive(size_t n, const double *x, double *y) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) if (x[i] > 0) y[k++] = x[i];
    return k;
}
double apply(double x, double (*f)(double)) { return f(x); }
void put(size_t n, double *x) { for (size_t i = 0; i < n; i++) x[i] = 1; }
int silent(size_t n, const double *x) { return 0; }
double ramp(size_t n, double first, const double *x) { return first + n; }
"""

DECLARATIONS = {
    "made": "int made(void);",
    "total": "double total(size_t n, const double x[n]) reduction(+) chunk(max = 50);",
    "blur": "void blur(size_t n, const double x[n + 2], double y[n]) chunk(min = 10, max = 10);",
    "below": "int below(size_t n, const double x[n], double y[n]) status(0) chunk(max = 10);",
    "positive": "size_t positive(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(max = 16);",
    "apply": "double apply(double x, double (*f)(double));",
    "put": "void put(size_t n, double x[n]) inout(x);",
    "silent": "int silent(size_t n, const double x[n]) status(0);",
    "ramp": "double ramp(size_t n, double first, const double x[n]) linear(first : 1) reduction(+);",
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYFFIPAR_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return pf.compile(SOURCE, "\n".join(DECLARATIONS.values()))


def same_bits(one: list[Any], other: list[Any]) -> None:
    """Fail unless all arrays have the same types, shapes and bytes."""
    sys.modules["matrix"].same_bits([np.asarray(array) for array in one], [np.asarray(array) for array in other])


def later_cases() -> list[Any]:
    """What the tests that take a `case` go through, for those that do so at once."""
    return [case for name, case in sys.modules["matrix"].CASES.items() if name not in IN_PLACE]


def reals(*shape: int) -> Array:
    """Numbers whose sum depends on the order of the summands."""
    values: Array = sys.modules["matrix"].reals(*shape)
    return values


def chunks_of(extent: int, draw: Callable[[int], int]) -> tuple[int, ...]:
    """Any way to cut an extent; `draw` gives a number from 0 to its argument."""
    borders = sorted({0, extent, *(draw(extent) for _ in range(draw(4)))})
    return tuple(last - first for first, last in itertools.pairwise(borders)) or (0,)


def put_off(value: Any, draw: Callable[[int], int]) -> Any:
    """An array as a dask array with any chunks; numbers and the like as they are."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return value
    return da.from_array(value, chunks=tuple(chunks_of(extent, draw) for extent in value.shape))


def lazily(case: Any, draw: Callable[[int], int]) -> Results:
    """The results of a case's call on dask arrays."""
    positional, keywords = case.arguments()
    made = case.function()(
        *(put_off(value, draw) for value in positional), **{name: put_off(v, draw) for name, v in keywords.items()}
    )
    return list(made) if isinstance(made, tuple) else [made]


def in_order(value: Any) -> Any:
    """An array in C order, as dask computes it; numbers and the like as they are."""
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value


def at_once(case: Any) -> list[Array]:
    """The results of the call on the arrays that dask would compute, which lie in C order."""
    positional, keywords = case.arguments()
    found = case.function()(*map(in_order, positional), **{name: in_order(value) for name, value in keywords.items()})
    return [np.array(one) for one in (found if isinstance(found, tuple) else (found,))]


def seeded(seed: int) -> Callable[[int], int]:
    source = random.Random(seed)
    return lambda most: source.randrange(most + 1)


@later
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_every_kind_of_function_has_the_bits_of_a_local_call(case: Any, scheduler: str) -> None:
    made = lazily(case, seeded(1))
    computed = [np.asarray(one) for one in dask.compute(*made, scheduler=scheduler)]
    same_bits(computed, at_once(case))
    for one, array in zip(made, computed, strict=True):
        unknown = any(np.isnan(extent) for extent in one.shape)
        assert one.dtype == array.dtype
        assert unknown or one.shape == array.shape


@pytest.mark.slow
def test_worker_processes_give_the_same_bits() -> None:
    made = [lazily(case, seeded(2)) for case in later_cases()]
    computed = dask.compute(*made, scheduler="processes", num_workers=2)
    for found, case in zip(computed, later_cases(), strict=True):
        same_bits(found, at_once(case))


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits_and_is_sent_functions_by_pickle() -> None:
    distributed = pytest.importorskip("distributed")
    sqrt = pf.load("m", "double sqrt(double x);").sqrt
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True)
    with cluster, distributed.Client(cluster) as client:
        made = [lazily(case, seeded(3)) for case in later_cases()]
        computed = dask.compute(*made)
        for found, case in zip(computed, later_cases(), strict=True):
            same_bits(found, at_once(case))
        assert client.submit(sqrt, 16.0).result() == 4.0
        assert client.submit(sys.modules["matrix"].CASES["sum"].function(), [1.0, 2.0], [3.0, 4.0]).result() == 11.0


@settings(max_examples=25)
@given(st.data())
@pytest.mark.cases("cut and lifted", "boundary wrap", "linear", "sums of rows", "smallest", "histogram of rows")
def test_any_chunks_give_the_same_bits(case: Any, data: st.DataObject) -> None:
    made = lazily(case, lambda most: data.draw(st.integers(0, most)))
    computed = dask.compute(*made, scheduler="synchronous")
    same_bits(list(computed), at_once(case))


def test_nothing_is_called_before_compute(kernels: Any) -> None:
    x = da.from_array(reals(500), chunks=100)
    before = kernels.made()
    result = kernels.total(x)
    assert isinstance(result, da.Array)
    assert kernels.made() == before
    result.compute(scheduler="synchronous")
    assert kernels.made() == before + 10  # chunks of the grid: 50 items each


def test_numpy_arguments_give_numpy_results_while_dask_is_there(kernels: Any) -> None:
    assert type(kernels.total(reals(500))) is np.float64


def test_dask_arrays_are_broadcast_with_numpy_arrays_and_numbers() -> None:
    hypot = pf.load("m", "double hypot(double x, double y);").hypot
    x, y = reals(6, 1), reals(3, 1, 5)
    result = hypot(da.from_array(x, chunks=(4, 1)), y)
    assert result.shape == (3, 6, 5)
    assert result.numblocks == (1, 2, 1)
    same_bits([result.compute()], [hypot(x, y)])
    same_bits([hypot(da.from_array(x, chunks=2), 3.0).compute()], [hypot(x, 3.0)])


def test_results_are_inputs_of_further_calls(kernels: Any) -> None:
    x = reals(302)
    result = kernels.total(kernels.blur(da.from_array(x, chunks=71)) * 2)
    same_bits([result.compute(scheduler="threads")], [np.array(kernels.total(kernels.blur(x) * 2))])


def test_results_have_their_axes_where_they_are_asked_for(kernels: Any) -> None:
    x = reals(40, 3)
    lazily_made = kernels.blur(da.from_array(x, chunks=(15, 2)), axis=0)
    assert lazily_made.shape == (38, 3)
    same_bits([lazily_made.compute()], [np.ascontiguousarray(kernels.blur(x, axis=0))])
    kept = kernels.total(da.from_array(x, chunks=(15, 2)), axis=0, keepdims=True)
    same_bits([kept.compute()], [kernels.total(x, axis=0, keepdims=True)])


def test_of_a_neighbour_only_the_halo_is_read(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []

    def cut_out(block: Array, places: Any) -> Array:
        part: Array = block[places]
        parts.append(part.size)
        return part

    monkeypatch.setattr(lazy, "cut_out", cut_out)
    x = reals(402)
    result = kernels.blur(da.from_array(x, chunks=(100, 100, 100, 102)))
    same_bits([result.compute(scheduler="synchronous")], [kernels.blur(x)])
    assert parts == [2, 2, 2]  # what three pieces see of the next block; what they begin with is their own whole block


def test_no_task_sees_much_more_than_a_block(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    perform = lazy_tasks.perform

    def watched(order: Any, errand: Any, common: list[Array], blocks: list[Array]) -> Any:
        seen.append(sum(block.size for block in (*common, *blocks)))
        return perform(order, errand, common, blocks)

    monkeypatch.setattr(lazy, "perform", watched)
    x = reals(5000)
    dask.compute(
        kernels.total(da.from_array(x, chunks=330)), kernels.blur(da.from_array(x, chunks=330)), scheduler="threads"
    )
    assert len(seen) == 2 * 16
    assert max(seen) <= 330 + 50 + 2  # a block, and what is missing to the next border of the grid


def test_a_call_on_more_than_memory_is_planned_without_memory() -> None:
    sqrt = pf.load("m", "double sqrt(double x);").sqrt
    result = sqrt(da.zeros(2**42, chunks=2**38))
    assert (result.shape, result.numblocks) == ((2**42,), (16,))


def test_results_of_unknown_length_stay_in_blocks(kernels: Any) -> None:
    x = reals(300)
    result = kernels.positive(da.from_array(x, chunks=100))
    assert result.numblocks == (3,)
    assert np.isnan(result.shape[0])
    same_bits([result.compute()], [kernels.positive(x)])


def test_a_failure_says_where_it_was_in_the_whole_call(kernels: Any) -> None:
    x = np.abs(reals(3, 200))
    x[2, 157] = -1
    result = kernels.below(da.from_array(x, chunks=(1, 60)))
    with pytest.raises(pf.ChunkError) as lazily_told:
        result.compute(scheduler="synchronous")
    with pytest.raises(pf.ChunkError) as told:
        kernels.below(x)
    assert lazily_told.value.failures == told.value.failures
    assert str(lazily_told.value) == str(told.value)


def test_a_worker_without_the_library_names_host_and_library(tmp_path: Path, cc: str) -> None:
    source, file = tmp_path / "half.c", tmp_path / "libhalf.so"
    source.write_text("double half(double x) { return x / 2; }")
    subprocess.run([cc, "-shared", "-fPIC", "-o", str(file), str(source)], check=True)
    result = pf.load(file, "double half(double x);").half(da.ones(10, chunks=5))
    graph = tmp_path / "graph"
    graph.write_bytes(pickle.dumps(result))
    file.unlink()
    program = "import pickle, sys; x = pickle.load(open(sys.argv[1], 'rb')); print('read'); x.compute()"
    worker = subprocess.run([sys.executable, "-c", program, graph], capture_output=True, text=True, check=False)
    assert worker.stdout == "read\n"  # a task fails, not whoever carries it
    assert re.search(rf"LibraryError: .*host {re.escape(platform.node())}.*libhalf\.so", worker.stderr), worker.stderr


@pytest.mark.cases(*IN_PLACE)
def test_nothing_is_written_into_arrays_of_the_callers(case: Any) -> None:
    with pytest.raises(TypeError, match=r"would be written into.*(leave out= away|compute\(\))"):
        lazily(case, seeded(1))


def test_a_numpy_array_is_not_written_into_later_either(kernels: Any) -> None:
    with pytest.raises(TypeError, match="y would be written into"):
        kernels.blur(da.ones(12, chunks=5), out=np.empty(10))
    with pytest.raises(TypeError, match="x would be written into"):
        kernels.put(da.ones(12, chunks=5))


def test_chunks_of_unknown_size_are_refused_with_what_to_do(kernels: Any) -> None:
    x = da.ones(12, chunks=5)
    with pytest.raises(ValueError, match=r"compute_chunk_sizes\(\)"):
        kernels.total(x[x > 0])


def test_values_that_planning_needs_are_refused_with_what_to_do(kernels: Any) -> None:
    jn = pf.load("m", "double jn(int n, double x);").jn
    with pytest.raises(TypeError, match=r"n is a dask array.*n\.compute\(\)"):
        jn(da.ones(5, dtype=int).sum(), 1.0)
    with pytest.raises(TypeError, match=r"first advances.*first\.compute\(\)"):
        kernels.ramp(da.ones(3, chunks=2), np.ones((3, 10)))


def test_callbacks_are_refused_with_what_to_do(kernels: Any) -> None:
    with pytest.raises(TypeError, match=r"f is a Python function.*compute\(\) the dask arrays first"):
        kernels.apply(da.ones(5, chunks=2), lambda x: x)


def test_a_function_without_results_is_refused_as_nobody_would_call_it(kernels: Any) -> None:
    with pytest.raises(TypeError, match="has no result"):
        kernels.silent(da.ones(5, chunks=2))


def test_blocks_of_objects_are_refused(kernels: Any) -> None:
    with pytest.raises(TypeError, match="NumPy's numbers"):
        kernels.total(da.from_array(np.array([1, None], object), chunks=1))


def test_a_block_of_another_dtype_than_promised_is_refused(kernels: Any) -> None:
    x = da.map_blocks(lambda block: block.astype(np.float32), da.ones(9, chunks=4), dtype=float, meta=np.empty(0))
    with pytest.raises(TypeError, match="x was said to have dtype float64, but a block of it is float32"):
        kernels.total(x).compute(scheduler="synchronous")

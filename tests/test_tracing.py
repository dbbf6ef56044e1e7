"""What is recorded while a trace is on: every foreign call once, with its thread, its time and what it covers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.options import EXECUTORS
from pyffipar.partition import Grid
from pyffipar.timelines import tracing
from pyffipar.timelines.tracing import Effort, Footprint, Record, Recorder, Row, footprint

every_executor = pytest.mark.parametrize("executor", EXECUTORS)
every_executor_here = pytest.mark.parametrize("executor", [name for name in EXECUTORS if name != "processes"])

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* Waits until two calls are inside; gives up after a minute. */
void meet(int64_t *arrived, size_t n, const double *x, double *y) {
    __atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
    time_t end = time(NULL) + 60;
    while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2 && time(NULL) < end) {}
    for (size_t i = 0; i < n; i++) y[i] = x[i];
}
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void blur(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = x[i] + x[i + 1] + x[i + 2]; }
void pairs(size_t n, const float *z, float *y) { for (size_t i = 0; i < n; i++) y[i] = z[2 * i] + z[2 * i + 1]; }
void rows(size_t m, size_t k, const double *a, const double *b, double *c) {
    for (size_t i = 0; i < m; i++) for (size_t j = 0; j < k; j++) c[i] += a[i * k + j] * b[j];
}
int checked(size_t n, const int *x) { for (size_t i = 0; i < n; i++) if (x[i] < 0) return -1; return 0; }
double apply(double (*f)(double), size_t n, const double *x) { return n ? f(x[0]) : 0; }
"""
DECLARATIONS = """
void meet(struct counter *arrived, size_t n, const double x[n], double y[n]) chunk(max = 1);
double total(size_t n, const double x[n]) reduction(+);
void blur(size_t n, const double x[n + 2], double y[n]);
void pairs(size_t n, const float z[2*n], float y[n]);
void rows(size_t m, size_t k, const double a[m][k], const double b[k], double c[m]) inout(c);
int checked(size_t n, const int x[n]) status(0) chunk(min = 10, max = 10);
double apply(double (*f)(double), size_t n, const double x[n]) reduction(+);
"""


@pytest.fixture(scope="module")
def k() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@pytest.fixture
def records() -> Iterator[list[Record]]:
    """Those of the calls made in a test."""
    found: list[Record] = []
    tracing.begin(found)
    yield found
    tracing.end(found)
    assert tracing.active == ()


def rows_of(record: Record) -> list[Row]:
    return [Row(*row) for row in record.rows().tolist()]


def check(record: Record) -> None:
    """Every call lies in one row, and all times in the call of Python."""
    assert 0 < record.begin <= record.begin_run <= record.end_run <= record.end
    rows = rows_of(record)
    assert sorted(call for row in rows for call in range(row.first, row.last)) == list(range(record.calls))
    for row in rows:
        assert record.begin_run <= row.begin <= row.end <= record.end_run
        assert row.cpu >= 0
        assert (row.thread == record.thread) == (row.worker == 0)


@every_executor
@pytest.mark.parametrize("threads", [1, 3])
def test_every_call_lies_in_one_row(k: Any, records: list[Record], executor: str, threads: int) -> None:
    x = np.arange(100_000.0)
    with pf.options(executor=executor, threads=threads):
        k.total(x)
        k.blur(x.reshape(10, -1))
        pf.load("m", "double exp(double x);").exp(x[:1000])
    assert [record.function for record in records] == ["total", "blur", "exp"]
    for record in records:
        check(record)
        assert record.executor == executor
        assert record.threads == (1 if executor == "serial" else threads)
        assert record.thread == threading.get_native_id()


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_threads_that_work_together_are_told_apart(k: Any, records: list[Record], executor: str) -> None:
    arrived = np.zeros(1, np.int64)
    k.meet.options(executor=executor, threads=2)(arrived.ctypes.data, np.zeros(2))
    (record,) = records
    check(record)
    one, other = rows_of(record)
    assert {one.worker, other.worker} == {0, 1}
    assert one.thread != other.thread
    assert max(one.begin, other.begin) < min(one.end, other.end)


@every_executor
def test_a_call_like_an_earlier_one_is_recorded_with_its_bytes(k: Any, records: list[Record], executor: str) -> None:
    x = np.ones(5000)
    call = k.blur.options(executor=executor)
    for _ in range(3):
        call(x)
    sizes = [int(sum(record.footprint.bytes(row.first, row.last) for row in rows_of(record))) for record in records]
    grid = records[0].footprint.grid
    assert sizes == [8 * (4998 + 4998 + 2 * grid.chunks)] * 3


@every_executor
def test_prepared_and_submitted_calls_are_recorded(k: Any, records: list[Record], executor: str) -> None:
    call = k.total.options(executor=executor)
    again = call.prepare(np.ones(10_000))
    assert records == []
    again()
    again()
    assert call.submit(np.ones(10_000)).result() == 10_000
    assert len(records) == 3
    for record in records:
        check(record)
    assert records[2].thread != threading.get_native_id()


def test_built_in_kernels_are_recorded_large_and_small(records: list[Record]) -> None:
    pf.sum(np.ones(1_000_000))
    pf.sum(np.ones(10))
    assert [record.function for record in records] == ["pf.sum"] * 2
    for record in records:
        check(record)
    assert [int(record.footprint.bytes(0, record.calls)) - 8 * record.calls for record in records] in (
        [8_000_000, 72],  # a single chunk's result is nowhere in memory
        [8_000_000, 80],
    )


@every_executor
def test_what_failed_is_recorded_up_to_there(k: Any, records: list[Record], executor: str) -> None:
    x = np.zeros(100, np.int32)
    x[35] = -1
    with pytest.raises(pf.ChunkError):
        k.checked.options(executor=executor, threads=1)(x)
    (record,) = records
    assert record.end
    made = sorted(call for row in rows_of(record) for call in range(row.first, row.last))
    if executor == "processes":  # several chunks are under way, and of one that fails nobody says how far it got
        assert 3 not in made
    else:
        assert made == [0, 1, 2, 3]


@every_executor_here
def test_a_call_inside_a_call_has_its_own_beginning(k: Any, records: list[Record], executor: str) -> None:
    def inner(value: float) -> float:
        return float(k.total.options(executor=executor)(np.full(3, value)))

    assert k.apply.options(executor=executor, threads=1)(inner, np.ones(1)) == 3
    outer, nested = records
    check(outer)
    check(nested)
    assert (outer.function, nested.function) == ("apply", "total")
    (row,) = rows_of(outer)
    assert row.begin <= nested.begin
    assert nested.end <= row.end
    assert nested.threads == 1


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_pools_of_others_are_recorded(k: Any, records: list[Record], pool: Any) -> None:
    with pool(2) as made:
        k.blur.options(executor=made, threads=2)(np.ones(100_000))
    (record,) = records
    check(record)
    assert record.executor == pool.__name__


class Shelf:
    """An array that is read by slicing it."""

    def __init__(self, array: Any) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, places: Any) -> Any:
        return self._array[places]


@every_executor
def test_a_call_in_windows_is_one_call(k: Any, records: list[Record], executor: str) -> None:
    x = np.arange(100_000.0)
    assert k.total.options(executor=executor, threads=2, window=80_000).stream(Shelf(x)) == x.sum()
    (record,) = records
    check(record)


def test_times_of_another_machine_are_put_where_they_were_heard_of() -> None:
    made = Record("f", "", Footprint(0, 0, Grid(0, 1, 1)), 2, 2)
    recorder = Recorder(made)
    recorder.note_elsewhere(0, 1, Effort("another", 7, 5, 1005, 900))
    recorder.note_elsewhere(1, 2, Effort("another", 8, 10, 20, 9))
    first, second = rows_of(made)
    assert (first.first, first.last, first.thread, first.cpu) == (0, 1, 7, 900)
    assert {first.worker, second.worker} == {1, 2}
    assert abs(first.end - first.begin - 1000) < 1_000_000
    assert made.begin - 1_000_000 < first.begin <= first.end <= tracing.now()


def test_times_of_this_machine_are_kept() -> None:
    made = Record("f", "", Footprint(0, 0, Grid(0, 1, 1)), 2, 2)
    Recorder(made).part(1).note_elsewhere(0, 1, Effort(tracing.machine(), 7, 5, 1005, 900))
    assert rows_of(made) == [Row(1, 2, 1, 7, 5, 1005, 900)]


def test_calls_of_all_threads_are_recorded(k: Any, records: list[Record]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: k.total(np.ones(100_000)), range(20)))
    assert len(records) == 20
    for record in records:
        check(record)


def test_nothing_is_recorded_before_and_after(k: Any) -> None:
    found: list[Record] = []
    k.total(np.ones(10))
    tracing.begin(found)
    tracing.end(found)
    k.total(np.ones(10))
    assert found == []


def test_a_call_without_chunks_is_recorded_without_rows(k: Any, records: list[Record]) -> None:
    pf.load("m", "double exp(double x);").exp(np.zeros(0))
    assert [rows_of(record) for record in records] == [[]]


def test_spans_without_room_are_counted(k: Any, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyffipar.executors.native.MOST_SPANS", 2)
    k.checked.options(threads=1)(np.zeros(1000, np.int32))
    (record,) = records
    assert len(rows_of(record)) == 2
    assert record.dropped > 0


CASES: list[tuple[str, tuple[Any, ...]]] = [
    ("total", (np.zeros(12345),)),
    ("total", (np.zeros((7, 1001)),)),
    ("blur", (np.zeros(999),)),
    ("blur", (np.zeros((3, 3000)),)),
    ("pairs", (np.zeros(2000, np.float32),)),
    ("rows", (np.zeros((500, 30)), np.zeros(30), np.zeros(500))),
    ("rows", (np.zeros((2, 50, 30)), np.zeros(30), np.zeros((2, 50)))),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_a_footprint_is_what_the_arguments_of_each_call_cover(k: Any, name: str, arguments: tuple[Any, ...]) -> None:
    plan = getattr(k, name)._plan(arguments, {})
    covers = footprint(plan)
    fixed = {"total": 8, "blur": 16, "pairs": 0, "rows": 30 * 8}[name]
    item = {"total": 8, "blur": 16, "pairs": 12, "rows": 30 * 8 + 8}[name]
    for call in range(plan.calls):
        _, start, stop = plan.where(call)
        assert covers.items(call, call + 1) == stop - start
        assert covers.bytes(call, call + 1) == fixed + (stop - start) * item


@given(
    st.integers(1, 50), st.integers(1, 20), st.integers(0, 30), st.integers(0, 30), st.integers(0, 9), st.integers(0, 9)
)
def test_footprints_add_up(length: int, chunk: int, first: int, more: int, call: int, item: int) -> None:
    chunk = min(chunk, length)
    covers = Footprint(call, item, Grid(length, chunk, -(-length // chunk)))
    together = covers.bytes(first, first + more)
    assert together == sum(covers.bytes(each, each + 1) for each in range(first, first + more))


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("pyffipar_sum_f64", "pf.sum"),
        ("pyffipar_min_where_i8", "pf.min"),
        ("pyffipar_sqdev_rows_f32", "pf.var"),
        ("pyffipar_moments_f64", "pf.var"),
        ("pyffipar_exact_dot_c128", "pf.dot"),
        ("pyffipar_fold_nanmax_f64", "pf.nanmax"),
        ("pyffipar_count_nonzero_u8", "pf.count_nonzero"),
        ("pyffipar_weighted_bincount", "pf.bincount"),
        ("sum_f64", "sum_f64"),
    ],
)
def test_kernels_are_called_what_users_call_them(symbol: str, name: str) -> None:
    assert tracing.Record(symbol, "n", tracing.Footprint(0, 8, Grid(0, 1, 1)), 1, 1).function == name

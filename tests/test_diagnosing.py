"""Why a call was not faster: each cause is found where it is, with its numbers, and no time is lost twice."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.partition import Grid
from pyffipar.timelines.diagnosing import Level, Lost, _account, diagnose
from pyffipar.timelines.tracing import Footprint, Record, Row

US, MS = 1_000, 1_000_000


def call(
    rows: Sequence[Row], *, begin: int = 0, run: tuple[int, int], end: int, threads: int = 2, tasks: int = 64,
    name: str = "f", executor: str = "native", covers: int = 0,
) -> Record:  # fmt: skip
    """A call that was recorded so."""
    record = Record(name, "n", Footprint(covers, 0, Grid(0, 1, 1)), tasks, tasks)
    record.begin, (record.begin_run, record.end_run), record.end = begin, run, end
    record.threads, record.executor = threads, executor
    record.arrays.append(np.array(rows, np.int64).reshape(-1, 7))
    return record


def span(worker: int, begin: int, end: int, cpu: float = 1.0, thread: int | None = None) -> Row:
    return Row(0, 1, worker, worker if thread is None else thread, begin, end, int(cpu * (end - begin)))


def told(*records: Record, cpus: int = 2, end: int | None = None) -> str:
    text = diagnose(records, 0, max(record.end for record in records) if end is None else end, cpus)
    assert "\n\n" not in text
    return " ".join(text.split())


def test_a_perfect_call_has_nothing_to_be_said_of() -> None:
    text = told(call([span(0, 0, 10 * MS), span(1, 0, 10 * MS)], run=(0, 10 * MS), end=10 * MS))
    assert text == (
        "1 call of f took 10 ms: 2.00 threads were inside the function on average, of 2 that could be used. Nothing"
        " else was in the way: only a faster function, or more CPUs, would help."
    )


def test_imbalance_is_told_with_the_longest_and_the_median() -> None:
    text = told(
        call([span(0, 0, 10 * MS), *(span(1, i * MS, (i + 1) * MS) for i in range(4))], run=(0, 10 * MS), end=10 * MS)
    )
    assert "30% to imbalance at the end" in text
    assert "the longest took 10 ms, the median 1 ms" in text


def test_planning_and_merging_are_told() -> None:
    record = call([span(0, 2 * MS, 6 * MS), span(1, 2 * MS, 6 * MS)], run=(2 * MS, 6 * MS), end=7 * MS)
    assert "43% to the serial part (2 ms of planning and 1 ms of merging" in told(record)


def test_workers_that_come_late_are_told() -> None:
    record = call(
        [span(0, 0, 5 * MS), span(0, 5 * MS, 10 * MS), span(1, 4 * MS, 10 * MS)], run=(0, 10 * MS), end=10 * MS
    )
    assert "20% to workers that were not there yet (they began 4 ms after" in told(record)


def test_workers_that_never_come_are_told() -> None:
    record = call([span(0, 0, 5 * MS), span(0, 5 * MS, 10 * MS)], run=(0, 10 * MS), end=10 * MS)
    text = told(record)
    assert "25% to workers that were not there yet (none came)" in text  # until the last task is claimed


def test_work_too_small_to_share_is_told() -> None:
    record = call([span(0, 0, 20 * US), span(0, 20 * US, 40 * US)], run=(0, 40 * US), end=40 * US)
    assert "50% to calls too small to share (40 us of work in each; waking a worker pays from 80 us on)" in told(record)


def test_time_between_tasks_is_told() -> None:
    rows = [span(w, i * 100 * US, (i * 100 + 60) * US) for w in (0, 1) for i in range(100)]
    text = told(call(rows, run=(0, 10 * MS), end=10 * MS))
    assert "40% to handing out (40 us between two tasks of a thread, which take 60 us" in text


def test_calls_side_by_side_are_oversubscription() -> None:
    records = [call([span(0, 0, 10 * MS, 0.5, thread)], run=(0, 10 * MS), end=10 * MS, tasks=8) for thread in range(4)]
    text = told(*records)
    assert "oversubscription (up to 4 threads were inside at once, on 2 CPUs: those inside had a CPU for 50%" in text
    assert "75% to oversubscription" in text
    assert "of the block" not in text  # together they took longer than it


def test_threads_beyond_the_cpus_are_no_loss_while_every_cpu_is_busy() -> None:
    rows = [span(worker, 0, 10 * MS, 0.25) for worker in range(8)]
    text = told(call(rows, run=(0, 10 * MS), end=10 * MS, threads=8))
    assert "Nothing else was in the way" in text


def test_waiting_inside_the_function_is_told() -> None:
    record = call([span(0, 0, 10 * MS, 0.2), span(1, 0, 10 * MS, 0.2)], run=(0, 10 * MS), end=10 * MS)
    assert "80% to waiting inside the function (those inside had a CPU for 20% of the time" in told(record)


def test_memory_bandwidth_is_told_where_a_thread_is_slower_beside_another() -> None:
    alone = [span(0, i * MS, (i + 1) * MS) for i in range(4)]
    beside = [span(w, (4 + 2 * i) * MS, (6 + 2 * i) * MS) for w in (0, 1) for i in range(3)]
    text = told(call([*alone, *beside], run=(0, 10 * MS), end=10 * MS, covers=16 * MS))
    assert "memory bandwidth (in f a thread moved 16 GB/s alone and 8 GB/s while 2 were inside)" in text
    assert "30% to memory bandwidth" in text
    assert "cannot tell" not in text


def test_what_the_trace_cannot_tell_about_memory_is_said() -> None:
    record = call([span(0, 0, MS), span(1, 0, MS)], run=(0, MS), end=MS, covers=16 * MS)
    assert "In f a thread moved 16 GB/s, 2 at once; none was ever alone, so this trace cannot tell" in told(record)


def test_a_rate_far_below_what_memory_streams_at_is_not_blamed_on_its_bandwidth() -> None:
    """As where a function computes, and the system finds pages for its new results."""
    alone = [span(0, i * MS, (i + 1) * MS) for i in range(4)]
    beside = [span(w, (4 + 2 * i) * MS, (6 + 2 * i) * MS) for w in (0, 1) for i in range(3)]
    text = told(call([*alone, *beside], run=(0, 10 * MS), end=10 * MS, covers=1_400_000))
    assert "to memory bandwidth" not in text
    assert "30% to each other (in f a thread moved 1.4 GB/s alone and 0.7 GB/s while 2 were inside: too little" in text
    assert "new pages" in text


def test_slow_functions_are_not_said_to_be_bound_by_memory() -> None:
    alone = [span(0, i * MS, (i + 1) * MS) for i in range(4)]
    beside = [span(w, (4 + 2 * i) * MS, (6 + 2 * i) * MS) for w in (0, 1) for i in range(3)]
    assert "memory" not in told(call([*alone, *beside], run=(0, 10 * MS), end=10 * MS, covers=100_000))


def test_what_limits_the_threads_is_told() -> None:
    one = call([span(0, 0, MS)], run=(0, MS), end=MS, tasks=1)
    assert "It had nothing to share out: one chunk, one item." in told(one)
    serial = call([span(0, 0, MS)], run=(0, MS), end=MS, threads=1, executor="serial")
    assert "It could use 1 of 2 CPUs (executor serial)." in told(serial)
    asked = call([span(0, 0, MS)], run=(0, MS), end=MS, threads=1)
    assert "It could use 1 of 2 CPUs (executor native, option threads)." in told(asked)
    assert "2 of the 2 calls could use 1 of 2 CPUs (executor native, serial, option threads)." in told(
        asked, call([span(0, MS, 2 * MS)], run=(MS, 2 * MS), end=2 * MS, threads=1, executor="serial")
    )
    assert "1 of the 2 calls had nothing to share out" in told(
        one, call([span(0, MS, 2 * MS)], run=(MS, 2 * MS), end=2 * MS)
    )
    assert "may use one CPU" in told(serial, cpus=1)


def test_calls_of_several_functions_and_the_rest_of_the_block_are_counted() -> None:
    records = [
        call([span(0, i * MS, i * MS + MS)], begin=i * MS, run=(i * MS, i * MS + MS), end=i * MS + MS, name=name)
        for i, name in enumerate("ffg")
    ]
    assert told(*records, end=12 * MS).startswith("2 calls of f and 1 call of g took 3 ms, 25% of the block:")


def test_spans_that_were_not_kept_are_told() -> None:
    record = call([span(0, 0, MS)], run=(0, MS), end=MS)
    record.dropped = 7
    assert told(record).endswith("7 spans were too many to be kept, so this is of a part.")


def test_nothing_recorded_is_said() -> None:
    assert diagnose([], 0, 1, 2) == "No call of a declared function was made and ended while the trace was on."


def test_a_call_without_chunks_can_be_told_of() -> None:
    assert told(call([], run=(0, 0), end=MS, tasks=0)).startswith("1 call of f took 1 ms")


def test_every_line_is_short() -> None:
    text = diagnose([call([span(0, 0, 10 * MS, 0.2)], run=(0, 10 * MS), end=20 * MS)], 0, 20 * MS, 2)
    assert max(map(len, text.split("\n"))) <= 100


@st.composite
def recorded(draw: st.DrawFn) -> Record:
    """A call with spans that do not overlap within a thread."""
    begin = draw(st.integers(1, 1000))
    start = begin + draw(st.integers(0, 100))
    rows, last = [], start
    for worker in range(draw(st.integers(0, 4))):
        at = start
        for _ in range(draw(st.integers(1, 5))):
            at += draw(st.integers(0, 50))
            end = at + draw(st.integers(0, 200))
            rows.append(span(worker, at, end))
            at = end
        last = max(last, at)
    stop = last + draw(st.integers(0, 50))
    return call(
        rows, begin=begin, run=(start, stop), end=stop + draw(st.integers(0, 50)), threads=draw(st.integers(1, 5))
    )


@given(st.lists(recorded(), min_size=1, max_size=4), st.integers(1, 4))
def test_every_moment_of_every_thread_goes_to_one_cause(records: list[Record], cpus: int) -> None:
    rows = [record.rows() for record in records]
    level = Level.of(np.concatenate(rows))
    for record, own in zip(records, rows, strict=True):
        lost = Lost()
        _account(lost, record, own, level, cpus)
        parts = [
            lost.inside, lost.planning, lost.merging, lost.small, lost.late, lost.handing, lost.imbalance, lost.others,
        ]  # fmt: skip
        assert all(part >= 0 for part in parts)
        assert sum(parts) == pytest.approx(lost.whole)


@given(st.lists(recorded(), min_size=1, max_size=4), st.integers(1, 4))
def test_any_trace_can_be_told_of(records: list[Record], cpus: int) -> None:
    text = told(*records, cpus=cpus)
    assert not re.search(r"nan|inf\b", text)


@given(recorded())
def test_a_level_counts_what_is_under_way(record: Record) -> None:
    rows = record.rows()
    level = Level.of(rows)
    times = np.arange(record.begin, record.end + 1)
    wanted = [int(((rows[:, 4] <= at) & (rows[:, 5] > at)).sum()) for at in times.tolist()]
    assert level.at(times).tolist() == wanted
    if len(rows):
        mean = level.mean(np.array([record.begin]), np.array([record.end]))[0]
        assert mean == pytest.approx(sum(wanted) / max(record.end - record.begin, 1))

"""Timelines: what is recorded can be read, saved in a format that viewers know, drawn and told in words."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.options import EXECUTORS
from pyffipar.partition import Grid
from pyffipar.timelines.timeline import _lanes
from pyffipar.timelines.tracing import Footprint, Record

every_executor = pytest.mark.parametrize("executor", EXECUTORS)

SOURCE = r"""
#include <stddef.h>
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void twice(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = 2 * x[i]; }
"""
DECLARATIONS = """
double total(size_t n, const double x[n]) reduction(+);
void twice(size_t n, const double x[n], double y[n]) chunk(min = 1000, max = 1000);
"""


@pytest.fixture(scope="module")
def k() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@every_executor
def test_spans_say_what_was_worked_on(k: Any, executor: str) -> None:
    with pf.trace() as t:
        k.twice.options(executor=executor, threads=2)(np.zeros(10_500))
    (call,) = t.calls
    assert (call.function, call.executor, call.chunks) == ("twice", executor, 11)
    assert 0 <= call.start <= call.run <= call.merge <= call.end
    spans = sorted(t.spans, key=lambda span: span.first)
    assert [span.items for span in spans] == [(1000 * span.first, min(1000 * span.last, 10_500)) for span in spans]
    assert sum(span.bytes for span in spans) == 16 * 10_500
    for span in spans:
        assert (span.call, span.function) == (0, "twice")
        assert call.run <= span.start <= span.end <= call.merge


def test_items_are_told_where_calls_are_neighbours(k: Any) -> None:
    with pf.trace() as t:
        k.twice.options(executor="serial")(np.zeros((3, 10_000)))
    items = {span.first: span.items for span in t.spans}
    assert all(items[first] == (first % 10 * 1000, first % 10 * 1000 + 1000) for first in items)
    with pf.trace() as t:
        pf.load("m", "double exp(double x);").exp(np.zeros(100))
    assert {span.items for span in t.spans} == {()}


def test_a_trace_is_made_once() -> None:
    t = pf.trace()
    with t:
        pass
    with pytest.raises(RuntimeError, match=r"make another one with pf.trace\(\)"), t:
        pass


def test_traces_can_be_nested(k: Any) -> None:
    with pf.trace() as outer:
        k.total(np.ones(10))
        with pf.trace() as inner:
            k.total(np.ones(10))
    assert (len(outer.calls), len(inner.calls)) == (2, 1)


def test_calls_under_way_are_left_out(k: Any) -> None:
    seen = []
    with pf.trace() as t:
        k.total.options(progress=lambda _done, _all: seen.append(len(t.calls)))(np.ones(10))
    assert set(seen) == {0}
    assert len(t.calls) == 1
    assert repr(t) == "<Trace of 1 calls>"


def test_it_is_told_in_one_paragraph(k: Any) -> None:
    with pf.trace() as t:
        k.total.options(executor="serial")(np.ones(1000))
    text = str(t)
    assert text.startswith("1 call of total took ")
    assert "\n\n" not in text


# --- the Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU


def check_event(event: dict[str, Any]) -> None:
    """The fields of the two kinds of events there are, and their types."""
    assert isinstance(event["pid"], int)
    if event["ph"] == "M":
        fields = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}
        field = fields[event["name"]]
        assert list(event["args"]) == [field]
        assert isinstance(event["args"][field], str if field == "name" else int)
        assert (event["name"] == "process_name") == ("tid" not in event)
        return
    assert event["ph"] == "X"
    assert set(event) == {"ph", "name", "cat", "pid", "tid", "ts", "dur", "args"}
    assert isinstance(event["name"], str)
    assert isinstance(event["cat"], str)
    assert isinstance(event["tid"], int)
    assert isinstance(event["args"], dict)
    assert event["ts"] >= 0  # microseconds
    assert event["dur"] >= 0


def check_nesting(events: list[dict[str, Any]]) -> None:
    """On one thread, events lie inside each other or side by side: viewers know no other way to draw them."""
    threads: dict[int, list[tuple[int, int]]] = {}
    for event in events:
        begin = round(event["ts"] * 1e3)
        threads.setdefault(event["tid"], []).append((begin, begin + round(event["dur"] * 1e3)))
    for spans in threads.values():
        around: list[int] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while around and around[-1] <= begin:
                around.pop()
            assert not around or end <= around[-1]
            around.append(end)


@every_executor
def test_a_saved_trace_has_the_fields_of_its_format(k: Any, tmp_path: Path, executor: str) -> None:
    inner = k.total.options(executor=executor)
    apply = pf.compile(
        "#include <stddef.h>\ndouble apply(double (*f)(double), size_t n, const double *x) { return f(x[0]); }",
        "double apply(double (*f)(double), size_t n, const double x[n]) reduction(+);",
    ).apply
    here = "serial" if executor == "processes" else executor  # a callback cannot be called in another process
    with pf.trace() as t:
        with ThreadPoolExecutor(3) as pool, pf.options(executor=executor, threads=2):
            list(pool.map(inner, [np.ones(100_000)] * 6))
            k.twice(np.ones(50_000))
        apply.options(executor=here, threads=1)(lambda value: float(inner(np.full(20, value))), np.ones(1))
    t.save(tmp_path / "t.json")
    saved = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert set(saved) == {"traceEvents", "displayTimeUnit"}
    assert saved["displayTimeUnit"] in ("ms", "ns")
    for event in saved["traceEvents"]:
        check_event(event)
    complete = [event for event in saved["traceEvents"] if event["ph"] == "X"]
    check_nesting(complete)
    assert len([event for event in complete if event["cat"] == "chunk"]) == len(t.spans)
    assert len([event for event in complete if event["cat"] == "call"]) == len(t.calls) == 9
    named = {event["tid"] for event in saved["traceEvents"] if event["name"] == "thread_name"}
    assert named == {event["tid"] for event in complete}
    assert {event["pid"] for event in saved["traceEvents"]} == {os.getpid()}


def test_a_saved_span_says_calls_items_bytes_and_rate(k: Any, tmp_path: Path) -> None:
    with pf.trace() as t:
        k.twice.options(executor="serial")(np.zeros(2500))
    t.save(str(tmp_path / "t.json"))
    events = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    chunks = [event for event in events if event.get("cat") == "chunk"]
    assert [event["args"]["n"] for event in chunks] == ["0..999", "1000..1999", "2000..2499"]
    assert [event["args"]["calls"] for event in chunks] == ["0..0", "1..1", "2..2"]
    assert [event["args"]["bytes"] for event in chunks] == [16_000, 16_000, 8_000]
    for event in chunks:
        assert event["args"]["GB/s"] == pytest.approx(event["args"]["bytes"] / event["dur"] / 1e3, abs=1e-3)


# --- lanes


def record(thread: int, name: str, rows: list[tuple[int, int, int]]) -> Record:
    """A call by `thread`, whose rows have a thread, a beginning and an end."""
    made = Record("f", "", Footprint(0, 0, Grid(0, 1, 1)), len(rows), len(rows))
    made.thread, made.thread_name = thread, name
    numbers = [(i, i + 1, 0, worker, begin, end, 0) for i, (worker, begin, end) in enumerate(rows)]
    made.arrays.append(np.array(numbers, np.int64).reshape(-1, 7))
    return made


def test_callers_come_first_and_threads_that_never_met_share_a_lane() -> None:
    one = record(7, "Main", [(7, 0, 10), (100, 0, 10), (101, 5, 10)])
    two = record(8, "Other", [(8, 20, 30), (102, 20, 30), (101, 22, 30)])
    places, names = _lanes([one, two])
    assert names == ["Main", "Other", "worker 1", "worker 2"]
    assert places == {7: 0, 8: 1, 100: 2, 101: 3, 102: 2}


@every_executor
def test_a_trace_can_be_drawn(k: Any, executor: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with pf.trace() as t:
        k.twice.options(executor=executor, threads=2)(np.zeros(10_000))
        k.total.options(executor="serial")(np.zeros(10_000))
    axes = t.plot()
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["twice", "total", "planning, merging"]
    lanes = [text.get_text() for text in axes.get_yticklabels()]
    assert lanes[0] == "MainThread"
    bars = sum(len(bars.get_paths()) for bars in axes.collections)
    assert bars == len(t.spans) + 2 * len(t.calls)
    given = plt.subplots()[1]
    assert t.plot(given) is given
    plt.close("all")


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pf.trace() as t:
        pass
    with pytest.raises(pf.MissingExtraError, match=r"pip install 'pyffipar\[plot\]'"):
        t.plot()


def test_a_trace_is_not_saved_as_a_picture(tmp_path: Path) -> None:
    with pf.trace() as t:
        pass
    with pytest.raises(ValueError, match=r"x\.png' would hold JSON.*let it end in \.json.*savefig"):
        t.save(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
    t.save(tmp_path / "without_suffix")


def test_what_are_no_axes_is_refused() -> None:
    pytest.importorskip("matplotlib")
    with pf.trace() as t:
        pass
    with pytest.raises(TypeError, match=r"plot: axes is 3 \(int\); matplotlib's Axes are wanted"):
        t.plot(3)  # type: ignore[arg-type]  # that is the point

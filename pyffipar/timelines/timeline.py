"""Timelines: what was recorded of the calls made inside a ``with`` block, to look at, to draw and to explain."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import missing_extra, shown
from ..system.cpus import usable_cpus
from . import tracing
from .tracing import Record, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY = "#999999"
# Okabe and Ito's colours, which the colour-blind tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One call of a declared function.

    Attributes
    ----------
    function, executor : str
    threads : int
        Most threads that were allowed to work on it, the calling one included.
    thread : int
        The calling thread, by the system's number.
    chunks, tasks : int
        Foreign calls, and the pieces in which they were handed out.
    start, run, merge, end : float
        Seconds since the trace began: the call began, its first chunk could begin, its last chunk had ended, it
        returned.
    """

    function: str
    executor: str
    threads: int
    thread: int
    chunks: int
    tasks: int
    start: float
    run: float
    merge: float
    end: float


@dataclass(frozen=True, slots=True)
class Span:
    """What one thread did in one go: a task, or several that it claimed together because they are short.

    Attributes
    ----------
    call : int
        Which call it belongs to: the index into `Trace.calls`.
    function : str
    worker : int
        Which of those that worked on the call it was; 0 is the calling thread.
    thread : int
        The system's number of the thread.
    start, end : float
        Seconds since the trace began.
    cpu : float
        Seconds in which the thread had a CPU.
    first, last : int
        The foreign calls it made, by their numbers: the last one is not among them.
    items : tuple of int
        The part of the size that is cut, without its end; empty where nothing was cut or several items were worked on.
    bytes : int
        What the arguments of these calls cover.
    """

    call: int
    function: str
    worker: int
    thread: int
    start: float
    end: float
    cpu: float
    first: int
    last: int
    items: tuple[int, int] | tuple[()]
    bytes: int


class Trace:
    """What calls did, thread by thread; made by `trace`.

    Attributes
    ----------
    calls : tuple of TracedCall
        The calls that have ended.
    spans : tuple of Span
        What threads did for them, call by call in order of time.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._begin = self._end = 0

    def __enter__(self) -> Trace:  # noqa: PYI034 - nobody derives from it
        if self._begin:
            raise RuntimeError("this trace has been used: make another one with pf.trace()")
        self._begin = tracing.now()
        tracing.begin(self._records)
        return self

    def __exit__(self, *_: object) -> None:
        tracing.end(self._records)
        self._end = tracing.now()

    @property
    def calls(self) -> tuple[TracedCall, ...]:
        """Every call."""
        return tuple(
            TracedCall(
                record.function, record.executor, record.threads, record.thread, record.calls, record.tasks,
                *(self._seconds(at) for at in (record.begin, record.begin_run, record.end_run, record.end)),
            )
            for record in self._ended()
        )  # fmt: skip

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every span."""
        return tuple(
            self._span(index, record, row) for index, record in enumerate(self._ended()) for row in _rows(record)
        )

    def _span(self, index: int, record: Record, row: Row) -> Span:
        return Span(
            call=index,
            function=record.function,
            worker=row.worker,
            thread=row.thread,
            start=self._seconds(row.begin),
            end=self._seconds(row.end),
            cpu=row.cpu * 1e-9,
            first=row.first,
            last=row.last,
            items=_items(record, row),
            bytes=record.footprint.bytes(row.first, row.last),
        )

    def _ended(self) -> list[Record]:
        """Calls that are not under way any more."""
        return [record for record in self._records if record.end]

    def _seconds(self, at: int) -> float:
        return (at - self._begin) * 1e-9

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline as a file that https://ui.perfetto.dev and ``chrome://tracing`` open.

        Parameters
        ----------
        path : str or path
            Of a JSON file in the Trace Event Format, written anew; ends in ``.json`` if it has a suffix.

        Raises
        ------
        ValueError
            For another suffix.

        Examples
        --------
        >>> import json, pathlib, tempfile
        >>> import numpy as np, pyffipar as pf
        >>> with pf.trace() as t:
        ...     _ = pf.load("m", "double exp(double x);").exp(np.zeros(1000))
        >>> file = pathlib.Path(tempfile.mkdtemp(), "exp.json")
        >>> t.save(file)
        >>> sorted({event["ph"] for event in json.loads(file.read_text())["traceEvents"]})
        ['M', 'X']
        """
        import json

        if Path(path).suffix not in ("", ".json"):
            raise ValueError(
                f"save: {os.fspath(path)!r} would hold JSON, for Perfetto: let it end in .json; for a picture say "
                "t.plot().figure.savefig(...)"
            )
        events = [*self._names(), *self._events()]
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}), encoding="utf-8")

    def _names(self) -> Iterator[dict[str, Any]]:
        """Metadata: what process and threads are called, and which comes first."""
        pid = os.getpid()
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": "pyffipar"}}
        places, names = _lanes(self._ended())
        for thread, place in places.items():
            where = {"ph": "M", "pid": pid, "tid": thread}
            yield {**where, "name": "thread_name", "args": {"name": names[place]}}
            yield {**where, "name": "thread_sort_index", "args": {"sort_index": place}}

    def _events(self) -> Iterator[dict[str, Any]]:
        """Complete events: calls, their planning and merging, and spans inside them."""
        for record in self._ended():
            told = {
                "executor": record.executor, "threads": record.threads, "chunks": record.calls, "tasks": record.tasks,
            }  # fmt: skip
            caller = record.thread
            yield self._event(record.function, "call", caller, record.begin, record.end, told)
            yield self._event("plan", "plan", caller, record.begin, record.begin_run, {})
            for row in _rows(record):
                yield self._event(record.function, "chunk", row.thread, row.begin, row.end, _told(record, row))
            yield self._event("merge", "merge", caller, record.end_run, record.end, {})

    def _event(
        self, name: str, category: str, thread: int, begin: int, end: int, told: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "ph": "X", "name": name, "cat": category, "pid": os.getpid(), "tid": thread,
            "ts": (begin - self._begin) / 1e3, "dur": (end - begin) / 1e3, "args": told,
        }  # fmt: skip

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw a lane for every thread: chunks in the colour of their function, planning and merging in grey.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        try:
            import matplotlib.axes
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise missing_extra("plot() draws with matplotlib", "plot") from error
        if axes is not None and not isinstance(axes, matplotlib.axes.Axes):
            raise TypeError(f"plot: axes is {shown(axes)}; matplotlib's Axes are wanted, as plt.subplots() gives them")
        records = self._ended()
        places, names = _lanes(records)
        if axes is None:
            axes = plt.subplots(figsize=(9, 1.2 + 0.4 * len(names)), layout="constrained")[1]
        functions = list(dict.fromkeys(record.function for record in records))
        for record in records:
            colour = _COLOURS[functions.index(record.function) % len(_COLOURS)]
            self._draw(axes, record, places, colour)
        for function, colour in zip(functions, _COLOURS, strict=False):
            axes.plot([], [], "s", color=colour, label=function)
        axes.plot([], [], "s", color=_GREY, label="planning, merging")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
        return axes

    def _draw(self, axes: Axes, record: Record, places: dict[int, int], colour: str) -> None:
        """The bars of one call."""
        serial = ((record.begin, record.begin_run), (record.end_run, record.end))
        spans = [((begin - self._begin) / 1e6, (end - begin) / 1e6) for begin, end in serial]
        axes.broken_barh(spans, (places[record.thread] - 0.4, 0.8), color=_GREY)
        by_thread: dict[int, list[tuple[float, float]]] = {}
        for row in _rows(record):
            by_thread.setdefault(row.thread, []).append(((row.begin - self._begin) / 1e6, (row.end - row.begin) / 1e6))
        for thread, bars in by_thread.items():
            axes.broken_barh(bars, (places[thread] - 0.4, 0.8), color=colour, edgecolor="white", linewidth=0.2)

    def __str__(self) -> str:
        """One paragraph on why the calls were not faster."""
        from .diagnosing import diagnose

        return diagnose(self._ended(), self._begin, self._end or tracing.now(), usable_cpus())

    def __repr__(self) -> str:
        return f"<Trace of {len(self._ended())} calls>"


def _rows(record: Record) -> Iterator[Row]:
    return (Row(*row) for row in record.rows().tolist())


def _items(record: Record, row: Row) -> tuple[int, int] | tuple[()]:
    """The part of the size that is cut, where the calls are neighbours along it."""
    grid = record.footprint.grid
    if not record.split or row.first // grid.chunks != (row.last - 1) // grid.chunks:
        return ()
    return grid.span(row.first % grid.chunks)[0], grid.span((row.last - 1) % grid.chunks)[1]


def _told(record: Record, row: Row) -> dict[str, Any]:
    """What a viewer shows about a span."""
    covered = record.footprint.bytes(row.first, row.last)
    told = {"worker": row.worker, "calls": f"{row.first}..{row.last - 1}", "bytes": covered, "cpu_us": row.cpu / 1e3}
    if row.end > row.begin:
        told["GB/s"] = round(covered / (row.end - row.begin), 3)
    if items := _items(record, row):
        told[record.split] = f"{items[0]}..{items[1] - 1}"
    return told


def _lanes(records: list[Record]) -> tuple[dict[int, int], list[str]]:
    """Where each thread is shown, and what the places are called: callers first, then workers as they came.

    Threads that were never at work at the same time share a place: those of the executor ``threads`` live for one call.
    """
    names = {record.thread: record.thread_name for record in records}
    places = {thread: place for place, thread in enumerate(names)}
    work: dict[int, tuple[int, int]] = {}
    for row in (row for record in records for row in _rows(record) if row.thread not in names):
        begin, end = work.get(row.thread, (row.begin, row.end))
        work[row.thread] = min(begin, row.begin), max(end, row.end)
    free_from: list[int] = []
    for thread, (begin, end) in sorted(work.items(), key=lambda item: item[1]):
        place = next((place for place, free in enumerate(free_from) if free <= begin), len(free_from))
        free_from[place : place + 1] = [end]
        places[thread] = len(names) + place
    return places, [*names.values(), *(f"worker {place}" for place in range(1, len(free_from) + 1))]


def trace() -> Trace:
    """Record what calls do while a ``with`` block lasts: which thread worked on which chunk, and when.

    Calls of all threads of the process are recorded, with every executor, built-in kernels included; those that begin
    inside the block. A chunk that is recorded takes about a microsecond longer.

    Returns
    -------
    Trace
        To be printed, saved, drawn.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> exp = pf.load("m", "double exp(double x);").exp
    >>> with pf.trace() as t:
    ...     y = exp.options(executor="serial")(np.zeros(640))
    >>> t.calls[0].tasks, t.spans[0].bytes
    (64, 160)
    """
    return Trace()

"""Why calls were not faster: where the time of the threads they could have used went, from what was recorded.

A call that may use `q` threads has `q` seconds of thread time in every second it lasts. Each of these is spent inside
the function, or lost to exactly one of the causes below; what is inside may be slower than it could be.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tracing import Record, Row

Array = np.ndarray[Any, np.dtype[Any]]

# Under this much work workers that sleep are not woken: twice what that costs (``worth_waking`` of the native pool).
SMALL = 80_000  # ns
MENTIONED = 0.03  # of the thread time: what is less is not worth a sentence
WIDTH = 100

# Chunks that cover less say more about calls than about memory; and what moves less is not bound by it.
_TELLING_BYTES = 64 << 10
_TELLING_RATE = 1.0  # bytes per nanosecond of one thread
_STREAMING_RATE = 4.0  # a core that moves so much may well wait for memory; with less it hardly fills what memory has
_BESIDE = (
    ": too little to be short of memory bandwidth, but the first touch of new pages costs more in several threads at"
    " once, which `out=` with an array in use spares, and two CPUs may be one core"
)
_ALONE, _TOGETHER = 1.1, 1.5  # spans under way at the same time, on average
_SLOWER = 0.85  # rate beside others over rate alone, from which on sharing is told
_FIRST, _LAST, _WORKER, _THREAD, _BEGIN, _END, _CPU = range(len(Row._fields))


@dataclass(slots=True)
class Lost:
    """Thread time of calls, in nanoseconds, and what it went to.

    Attributes
    ----------
    whole, inside : float
        All there was, and what was spent inside functions by as many threads as had CPUs.
    planning, merging : float
        While the calling thread did this, and the others nothing.
    small, late, handing, imbalance, others : float
        Work too small to wake workers for; workers not there yet; time between two tasks of a thread; no task left for
        a thread while others still worked; CPUs busy with other calls.
    """

    whole: float = 0.0
    inside: float = 0.0
    planning: float = 0.0
    merging: float = 0.0
    small: float = 0.0
    late: float = 0.0
    handing: float = 0.0
    imbalance: float = 0.0
    others: float = 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """How many spans, of any call, are under way: `count` from each of `times` to the next."""

    times: Array
    count: Array
    area: Array = field(repr=False)

    @classmethod
    def of(cls, rows: Array) -> Level:
        """From all rows."""
        times = np.concatenate([rows[:, _BEGIN], rows[:, _END]])
        steps = np.repeat([1, -1], len(rows))
        order = np.lexsort((steps, times))  # at one moment ends come first: spans that touch are not both under way
        times, count = times[order], np.cumsum(steps[order])
        area = np.concatenate([[0], np.cumsum(count[:-1] * np.diff(times))]) if len(times) else times
        return cls(times, count, area)

    def at(self, times: Array) -> Array:
        """The count at, and just after, some times."""
        places = np.searchsorted(self.times, times, side="right") - 1
        return np.where(places >= 0, self.count[places], 0) if len(self.times) else np.zeros(len(times), np.int64)

    def mean(self, begin: Array, end: Array) -> Array:
        """The mean count over spans of time."""
        area = np.interp(end, self.times, self.area) - np.interp(begin, self.times, self.area)
        return np.asarray(area / np.maximum(end - begin, 1))


def diagnose(records: Sequence[Record], begin: int, end: int, cpus: int) -> str:
    """One paragraph.

    Parameters
    ----------
    records : sequence of Record
        Calls that have ended.
    begin, end : int
        Of the trace.
    cpus : int
        That this process may use.

    Returns
    -------
    str
    """
    if not records:
        return "No call of a declared function was made and ended while the trace was on."
    rows = [record.rows() for record in records]
    level = Level.of(np.concatenate(rows))
    lost = Lost()
    for record, own in zip(records, rows, strict=True):
        _account(lost, record, own, level, cpus)
    dropped = sum(record.dropped for record in records)
    sentences = [
        _opening(records, lost, end - begin),
        *_limits(records, cpus),
        *_reasons(records, rows, level, lost, cpus),
        *([f"{dropped} spans were too many to be kept, so this is of a part."] if dropped else []),
    ]
    return textwrap.fill(" ".join(sentences), WIDTH, break_on_hyphens=False)


def usable(record: Record, cpus: int) -> int:
    """Threads that a call could have used."""
    return max(1, min(record.threads, record.tasks, cpus))


def _account(lost: Lost, record: Record, rows: Array, level: Level, cpus: int) -> None:
    """Add up what became of the thread time of one call."""
    q = usable(record, cpus)
    lost.whole += q * (record.end - record.begin)
    lost.planning += q * (record.begin_run - record.begin)
    lost.merging += q * (record.end - record.end_run)
    own = Level.of(rows)
    within = level.times[(level.times > record.begin_run) & (level.times < record.end_run)]
    times = np.unique(np.concatenate([[record.begin_run], within, [record.end_run]]))
    lengths, starts = np.diff(times), times[:-1]
    here = np.minimum(own.at(starts), q)
    lost.inside += float(lengths @ here)
    elsewhere = level.at(starts) - own.at(starts)
    taken = np.minimum(q - here, np.maximum(0, elsewhere + q - cpus))
    lost.others += float(lengths @ taken)
    _account_missing(lost, rows, q, starts, lengths, q - here - taken)


def _account_missing(lost: Lost, rows: Array, q: int, starts: Array, lengths: Array, missing: Array) -> None:
    """Say of threads that were missing though CPUs were free whether they were late, between tasks, or without one."""
    joined = np.sort([rows[rows[:, _WORKER] == worker, _BEGIN].min() for worker in np.unique(rows[:, _WORKER])])
    work = float((rows[:, _END] - rows[:, _BEGIN]).sum())
    if work < SMALL and len(joined) < q:
        lost.small += float(lengths @ missing)
        return
    over = starts >= rows[:, _BEGIN].max() if len(rows) else np.ones(len(starts), bool)  # no task is left to claim
    absent = np.maximum(0, q - np.searchsorted(joined, starts, side="right"))
    late = np.where(over, 0, np.minimum(absent, missing))
    lost.imbalance += float(lengths @ np.where(over, missing, 0))
    lost.late += float(lengths @ late)
    lost.handing += float(lengths @ np.where(over, 0, missing - late))


def _opening(records: Sequence[Record], lost: Lost, whole: int) -> str:
    """What was called, how long it took, and how many threads were at work."""
    names = {record.function: 0 for record in records}
    for record in records:
        names[record.function] += 1
    calls = " and ".join(f"{count} call{'s' * (count > 1)} of {name}" for name, count in names.items())
    took = sum(record.end - record.begin for record in records)
    threads = lost.whole / max(took, 1)
    busy = lost.inside / max(took, 1)
    share = f", {took / whole:.0%} of the block" if whole > took else ""
    return (
        f"{calls} took {_time(took)}{share}: {busy:.2f} threads were inside the function on average,"
        f" of {threads:.3g} that could be used."
    )


def _limits(records: Sequence[Record], cpus: int) -> Iterator[str]:
    """What kept calls to fewer threads than there are CPUs."""
    single = sum(record.tasks <= 1 for record in records)
    few = sum(record.threads < min(cpus, record.tasks) for record in records)
    if cpus == 1:
        yield "This process may use one CPU, so no number of threads makes it faster."
        return
    if single:
        yield f"{_of(single, records)} had nothing to share out: one chunk, one item."
    if few:
        limited = [record for record in records if record.threads < min(cpus, record.tasks)]
        asked = sorted({record.threads for record in limited})
        names = sorted({record.executor or "none" for record in limited})
        # One thread is what `serial` is; the option says nothing there.
        why = f"executor {', '.join(names)}{'' if names == ['serial'] else ', option threads'}"
        yield f"{_of(few, records)} could use {_list(asked)} of {cpus} CPUs ({why})."


def _of(count: int, records: Sequence[Record]) -> str:
    return "It" if len(records) == 1 else f"{count} of the {len(records)} calls"


def _list(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))


def _reasons(records: Sequence[Record], rows: Sequence[Array], level: Level, lost: Lost, cpus: int) -> Iterator[str]:
    """What the time went to, the largest part first."""
    parts: list[tuple[float, str]] = [
        (lost.planning + lost.merging, _serial(records)),
        (lost.small, _small(records, rows, cpus)),
        (lost.late, _late(records, rows)),
        (lost.imbalance, _imbalance(rows)),
        (lost.handing, _handing(rows)),
        *_contention(rows, level, lost, cpus),
    ]
    shared = _bandwidth(records, rows, level)
    parts += shared
    told = sorted(((part / max(lost.whole, 1), words) for part, words in parts), reverse=True)
    told = [(part, words) for part, words in told if part >= MENTIONED]
    if told:
        yield "Of the threads' time went " + "; ".join(f"{part:.0%} to {words}" for part, words in told) + "."
    else:
        yield "Nothing else was in the way: only a faster function, or more CPUs, would help."
    if not shared:
        yield from _untold(records, rows, level)


def _serial(records: Sequence[Record]) -> str:
    planning = sum(record.begin_run - record.begin for record in records)
    merging = sum(record.end - record.end_run for record in records)
    return (
        f"the serial part ({_time(planning)} of planning and {_time(merging)} of merging, in one thread;"
        " `prepare` plans once for many calls)"
    )


def _small(records: Sequence[Record], rows: Sequence[Array], cpus: int) -> str:
    work = [float((own[:, _END] - own[:, _BEGIN]).sum()) for own in rows]
    few = [w for w, record in zip(work, records, strict=True) if w < SMALL and usable(record, cpus) > 1]
    middle = _time(float(np.median(few))) if few else "nothing"
    return f"calls too small to share ({middle} of work in each; waking a worker pays from {_time(SMALL)} on)"


def _late(records: Sequence[Record], rows: Sequence[Array]) -> str:
    waits = [
        float(own[own[:, _WORKER] == worker, _BEGIN].min() - record.begin_run)
        for record, own in zip(records, rows, strict=True)
        for worker in set(own[:, _WORKER].tolist()) - {0}
    ]
    came = f"they began {_time(float(np.median(waits)))} after the call's first chunk could" if waits else "none came"
    return f"workers that were not there yet ({came})"


def _imbalance(rows: Sequence[Array]) -> str:
    times = np.concatenate([own[:, _END] - own[:, _BEGIN] for own in rows])
    if not len(times):
        return "imbalance"
    return (
        f"imbalance at the end (threads found no task while others still worked; the longest took"
        f" {_time(float(times.max()))}, the median {_time(float(np.median(times)))}:"
        " smaller chunks, `chunk(max = ...)`, share better)"
    )


def _handing(rows: Sequence[Array]) -> str:
    gaps, times = [], []
    for own in rows:
        for worker in np.unique(own[:, _WORKER]):
            mine = own[own[:, _WORKER] == worker]
            gaps += (mine[1:, _BEGIN] - mine[:-1, _END]).tolist()
            times += (mine[:, _END] - mine[:, _BEGIN]).tolist()
    between = _time(float(np.mean(gaps))) if gaps else "nothing"
    inside = _time(float(np.mean(times))) if times else "nothing"
    return f"handing out ({between} between two tasks of a thread, which take {inside}: larger ones cost less of it)"


def _contention(rows: Sequence[Array], level: Level, lost: Lost, cpus: int) -> list[tuple[float, str]]:
    """What was lost for want of CPUs: those of threads that could not join, and of threads inside that had to wait."""
    everything = np.concatenate(rows)
    if not len(everything):
        return []
    peak = int(level.count.max())
    wall = float((everything[:, _END] - everything[:, _BEGIN]).sum())
    had = float(everything[:, _CPU].sum())
    waiting = max(0.0, lost.inside - had)
    share = f"those inside had a CPU for {had / max(wall, 1):.0%} of the time"
    if peak > cpus:
        words = f"oversubscription (up to {peak} threads were inside at once, on {cpus} CPUs: {share})"
        return [(lost.others + waiting, words)]
    return [
        (lost.others, f"other calls, which had the CPUs (up to {peak} threads were inside at once, on {cpus} CPUs)"),
        (waiting, f"waiting inside the function ({share}: other programs took it, or the function sleeps or reads)"),
    ]


def _bandwidth(records: Sequence[Record], rows: Sequence[Array], level: Level) -> list[tuple[float, str]]:
    """What functions lost by running beside each other: where a thread moved less than it did alone."""
    found = []
    for name in dict.fromkeys(record.function for record in records):
        spans, covered = _telling(name, records, rows)
        if not len(spans):
            continue
        beside = level.mean(spans[:, _BEGIN], spans[:, _END])
        time = np.maximum(spans[:, _CPU], 1)
        alone, together = beside < _ALONE, beside > _TOGETHER
        if not (alone.any() and together.any()):
            continue
        slow = covered[together].sum() / time[together].sum()
        fast = covered[alone].sum() / time[alone].sum()
        if slow > _SLOWER * fast or fast < _TELLING_RATE:
            continue
        lost = float((spans[together, _END] - spans[together, _BEGIN]).sum()) * (1 - slow / fast)
        rates = f"{fast:.3g} GB/s alone and {slow:.3g} GB/s while {beside[together].mean():.2g} were inside"
        cause, hint = ("memory bandwidth", "") if fast >= _STREAMING_RATE else ("each other", _BESIDE)
        found.append((lost, f"{cause} (in {name} a thread moved {rates}{hint})"))
    return found


def _untold(records: Sequence[Record], rows: Sequence[Array], level: Level) -> Iterator[str]:
    """What the trace cannot tell: whether functions that move much are slowed down by running beside each other."""
    for name in dict.fromkeys(record.function for record in records):
        spans, covered = _telling(name, records, rows)
        if not len(spans):
            continue
        beside = level.mean(spans[:, _BEGIN], spans[:, _END])
        rate = float(covered.sum() / np.maximum(spans[:, _END] - spans[:, _BEGIN], 1).sum())
        if rate >= _STREAMING_RATE and beside.min() > _ALONE:
            yield (
                f"In {name} a thread moved {rate:.3g} GB/s, {beside.mean():.2g} at once; none was ever alone, so this"
                " trace cannot tell what memory bandwidth costs: trace a call with threads=1 beside it."
            )


def _telling(name: str, records: Sequence[Record], rows: Sequence[Array]) -> tuple[Array, Array]:
    """Spans of a function that are large enough to tell its rate and had a CPU all the time; and what they covered."""
    spans, covered = [np.empty((0, len(Row._fields)), np.int64)], [np.empty(0, np.int64)]
    for record, own in zip(records, rows, strict=True):
        if record.function == name:
            bytes_ = record.footprint.bytes(own[:, _FIRST], own[:, _LAST])
            keep = (bytes_ >= _TELLING_BYTES) & (own[:, _CPU] >= 0.9 * (own[:, _END] - own[:, _BEGIN]))
            spans.append(own[keep])
            covered.append(bytes_[keep])
    return np.concatenate(spans), np.concatenate(covered)


def _time(nanoseconds: float) -> str:
    """A length of time in the unit that fits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"

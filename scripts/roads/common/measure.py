"""One road measured: first what it proves, then what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import jobs
from .base import BuildError, Group, Missing, Road, Work
from .build import jobs_library
from .machine import Meter, peak_memory
from .server import Server
from .session import Session, WorkerError

CHUNKS = 8
"""The array is cut into so many on each road, whatever the number of workers."""

WITNESS_SIZE = 1_000_000
WITNESS_ROUNDS = 60
"""Calls in which a witness looks: one may be over before the witness is awake."""

INTERPRETED = ("Python", "Python 2")


@dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes
    ----------
    python_fib, native_fib : int
        fib of what, where Python computes and where compiled code does.
    size : int
        Doubles to add up.
    requests : int
        GETs.
    io_workers : tuple of int
        Numbers of workers for them.
    repeats : int
        Runs of which the median counts; of job io one, which waits far more than it computes.
    patience : int
        Milliseconds a rendezvous waits.
    spans, span_fib : int
        Calls of the timeline, and fib of what each computes.
    naps : int
        Samples for each switch interval.
    sizes : tuple of int
        Doubles, for the picture of moving arrays.
    limit : float
        Seconds one answer may take.
    """

    python_fib: int = 28
    native_fib: int = 39
    size: int = 8_000_000
    requests: int = 40
    io_workers: tuple[int, ...] = (1, 2, 5, 10, 40)
    repeats: int = 5
    patience: int = 1500
    spans: int = 12
    span_fib: int = 31
    naps: int = 40
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000, 8_000_000)
    limit: float = 120.0


FULL = Scale()
QUICK = Scale(
    python_fib=20,
    native_fib=27,
    size=100_000,
    requests=8,
    io_workers=(1, 2, 8),
    repeats=1,
    patience=1000,
    spans=8,
    span_fib=30,
    naps=5,
    sizes=(10_000, 100_000),
    limit=60.0,
)


@dataclass
class Row:
    """All that is known of a road after it was tried.

    Attributes
    ----------
    status : str
        ``measured``, ``absent`` (then ``reason`` and ``install`` say more) or ``failed`` (then ``reason``).
    proofs : dict
        For each proof: ``overlap``, what was ``expected``, and the numbers behind it.
    jobs : dict
        For each job a list of measurements, one for each number of workers.
    seconds : dict
        ``build``, ``start`` of the worker, ``prepare`` of job *cpu* or else *sum* (pools, compilers at run time).
    extras : dict
        ``spans``, ``sweep``, ``moving``.
    """

    name: str
    what: str
    group: str
    code: str
    note: str
    status: str = "measured"
    reason: str = ""
    install: str = ""
    interpreter: str = ""
    gil: bool | None = None
    proofs: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """What all roads share during a run: scale, cores, server, a folder to build in, and whom to tell of progress."""

    scale: Scale
    cores: int
    server: Server
    folder: Path
    tell: Callable[[str], None] = lambda _text: None

    def work(self, road: Road, job: str, workers: int) -> Work:
        """A job at this scale."""
        s = self.scale
        size, count = {
            "cpu": (s.python_fib if road.code in INTERPRETED else s.native_fib, max(self.cores, 2)),
            "sum": (s.size, CHUNKS),
            "io": (0, s.requests),
            "spans": (s.span_fib, s.spans),
            "sweep": (0, s.naps),
            "witness": (WITNESS_SIZE, WITNESS_ROUNDS),
        }.get(job, (0, workers))
        return Work(job, workers, size, count, self.server.port, s.patience)


def measure(road: Road, bench: Bench) -> Row:
    """Try a road: whatever goes wrong becomes part of its row."""
    row = Row(road.name, road.what, road.group.value, road.code, road.note)
    try:
        start = time.perf_counter()
        command = road.command(bench.folder)
        row.seconds["build"] = time.perf_counter() - start
        with Session(command, bench.scale.limit) as session:
            row.interpreter = session.hello["hello"]
            row.gil = session.hello["gil"]
            row.seconds["start"] = session.start_seconds
            if row.gil is False and road.group in (Group.HOLDS, Group.RELEASES):
                row.group = Group.NONE.value
            prove(road, bench, session, row)
            for job in road.jobs:
                time_job(road, bench, session, row, job)
            for extra in road.extras:
                row.extras[extra] = EXTRAS[extra](road, bench, session)
    except Missing as missing:
        row.status, row.reason, row.install = "absent", missing.reason, missing.install
    except (WorkerError, BuildError, OSError) as error:
        row.status, row.reason = "failed", str(error)
    return row


def expected(road: Road, proof: str, *, gil: bool | None) -> bool:
    """What a proof must show: without a GIL nothing is held, except by an event loop or by doing one thing at once."""
    if gil is False and proof in ("native", "interpreted", "witness"):
        return True
    if gil is False and proof == "requests" and road.code not in INTERPRETED:
        return True
    return road.overlaps[proof]


def prove(road: Road, bench: Bench, session: Session, row: Row) -> None:
    """The proofs that need no clock."""
    for proof in road.overlaps:
        bench.tell(f"{road.name}: {proof}")
        workers = min(2, road.most_workers)
        job = "io" if proof == "requests" else proof
        session.prepare(bench.work(road, job, workers))
        bench.server.count()
        value = session.run()["value"]
        if proof == "requests":
            numbers = {"workers": workers, **bench.server.count()}
            overlap = numbers["most"] > 1
        else:
            wanted = 1 if proof == "witness" else 2
            numbers = {"met": int(value), "of": wanted}
            overlap = value == wanted
        row.proofs[proof] = {"overlap": overlap, "expected": expected(road, proof, gil=row.gil), **numbers}


def worker_counts(road: Road, bench: Bench, job: str) -> list[int]:
    """With how many workers a job is timed."""
    wanted = bench.scale.io_workers if job == "io" else (1, bench.cores)
    return sorted({min(workers, road.most_workers) for workers in wanted})


def time_job(road: Road, bench: Bench, session: Session, row: Row, job: str) -> None:
    """A job with one worker and with more."""
    row.jobs[job] = []
    for workers in worker_counts(road, bench, job):
        bench.tell(f"{road.name}: {job}, {workers} workers")
        result = timed(bench, session, bench.work(road, job, workers))
        row.seconds.setdefault("prepare", result["prepare"])
        row.jobs[job].append(result)


def timed(bench: Bench, session: Session, work: Work) -> dict[str, Any]:
    """One job with one number of workers: the run with the median time, its CPU, and what others used meanwhile."""
    ready = session.prepare(work)
    session.run()  # the first run pages memory in and warms compilers up
    bench.server.count()
    runs = []
    for _ in range(1 if work.job == "io" else bench.scale.repeats):
        start = Meter.read(session.pid, bench.server.pid)
        result = session.run()
        runs.append({**result, **Meter.read(session.pid, bench.server.pid).since(start)})
    run = sorted(runs, key=lambda each: each["seconds"])[len(runs) // 2]
    elapsed = sum(each["elapsed"] for each in runs)
    others = sum(each["others"] for each in runs)
    return {
        "workers": work.workers,
        "size": work.size,
        "count": work.count,
        **{key: run[key] for key in ("value", "seconds", "cpu", "cores")},
        "elapsed": elapsed,
        "others": others / elapsed,
        "moved": ready["moved"],
        "prepare": ready["seconds"],
        "memory": peak_memory(session.pid),
        "most": bench.server.count()["most"],
    }


def right_value(job: str, measurement: dict[str, Any]) -> bool:
    """Whether a job came out as it must."""
    value, size = measurement["value"], measurement["size"]
    if job == "cpu":
        return bool(value == jobs.expected_fib(size))
    if job == "sum":
        return bool(value == jobs.expected_sum(size))
    return bool(value > 0)


def spans(road: Road, bench: Bench, session: Session) -> dict[str, Any]:
    """When two threads were inside native calls, and for how long both were."""
    bench.tell(f"{road.name}: spans")
    session.prepare(bench.work(road, "spans", 2))
    rows = session.run()["value"]
    return {"spans": rows, "together": together(rows)}


def together(rows: list[list[float]]) -> float:
    """Seconds with two or more calls inside.

    Examples
    --------
    >>> together([[0.0, 1.0, 0], [1.0, 2.0, 1]])
    0.0
    >>> together([[0.0, 2.0, 0], [1.0, 3.0, 1]])
    1.0
    """
    # At one instant, ends come before starts: calls that touch do not overlap.
    events = sorted([(start, 1) for start, _, _ in rows] + [(stop, -1) for _, stop, _ in rows])
    inside, before, seconds = 0, 0.0, 0.0
    for when, step in events:
        if inside > 1:
            seconds += when - before
        inside += step
        before = when
    return seconds


def sweep(road: Road, bench: Bench, session: Session) -> list[dict[str, float]]:
    """What the switch interval does."""
    bench.tell(f"{road.name}: switch intervals")
    session.prepare(bench.work(road, "sweep", 2))
    rows: list[dict[str, float]] = session.run()["value"]
    return rows


def moving(road: Road, bench: Bench, session: Session) -> list[dict[str, Any]]:
    """The same C sum on two workers, for arrays of growing size."""
    library = str(jobs_library(bench.folder))
    rows = []
    for size in bench.scale.sizes:
        bench.tell(f"{road.name}: {size} doubles")
        port = bench.server.port
        rows.append(timed(bench, session, Work("sum", 2, size, CHUNKS, port, code="c", library=library)))
    return rows


EXTRAS: dict[str, Callable[[Road, Bench, Session], Any]] = {"spans": spans, "sweep": sweep, "moving": moving}

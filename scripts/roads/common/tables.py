"""The two tables, as words: terminal, page and documentation show the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .base import Group

NONE = "\N{EN DASH}"
MIB = 1 << 20


@dataclass(frozen=True)
class Line:
    """One row: the road, what is in its cells, and if it could not be had, why."""

    road: str
    cells: tuple[str, ...]
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose rows come in sections.

    Attributes
    ----------
    name, title : str
        For anchors, and for people.
    columns : tuple of str
        Headings; the first one is the road's name.
    sections : list of (str, list of Line)
        What a group is called, and its roads.
    foot : str
        How to read it.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    sections: list[tuple[str, list[Line]]]
    foot: str


def tables(result: dict[str, Any]) -> tuple[Table, Table]:
    """Both tables of a result."""
    return overlap_table(result), figures_table(result)


def yes_no(row: dict[str, Any], *proofs: str) -> str:
    """What a road's proofs say."""
    for proof in proofs:
        if proof in row["proofs"]:
            said = row["proofs"][proof]
            answer = "yes" if said["overlap"] else "no"
            return answer if said["overlap"] == said["expected"] else f"{answer} (unexpected)"
    return NONE


def remark(row: dict[str, Any]) -> str:
    """Why a road has no figures."""
    if row["status"] == "absent":
        return f"absent: {row['reason']}. To have it: {row['install']}"
    return f"failed: {row['reason']}" if row["status"] == "failed" else ""


def grouped(rows: Iterable[dict[str, Any]], cells: Any) -> list[tuple[str, list[Line]]]:
    """Rows by group, groups in their order."""
    known = list(rows)
    sections = []
    for group in Group:
        lines = [Line(r["name"], cells(r), remark(r)) for r in known if r["group"] == group.value]
        if lines:
            sections.append((group.value, lines))
    return sections


def overlap_table(result: dict[str, Any]) -> Table:
    """Table 1: who overlaps."""

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        requests = row["proofs"].get("requests")
        flight = f"{requests['most']} of {requests['workers']}" if requests else NONE
        return (
            row["code"],
            yes_no(row, "native", "witness"),
            yes_no(row, "interpreted"),
            flight,
            row["interpreter"] or NONE,
        )

    return Table(
        "overlap",
        "Who overlaps",
        (
            "road",
            "code that runs",
            "native calls overlap",
            "interpreted code overlaps",
            "requests in flight",
            "interpreter",
        ),
        grouped(result["roads"], cells),
        "Proved without a clock: two calls meet inside C, two pieces of interpreted code meet, the server counts "
        "requests in flight. NumPy: a Python thread runs while another one is inside np.sum.",
    )


def seconds(value: float) -> str:
    """A time with three digits and its unit."""
    if value < 0.1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s"


def size(value: float) -> str:
    """A number of bytes."""
    if value < 10_000:
        return f"{value:.0f} B"
    return f"{value / MIB:.0f} MiB" if value > MIB else f"{value / 1024:.0f} KiB"


def times(row: dict[str, Any], job: str) -> str:
    """A job's times, one for each number of workers."""
    runs = row["jobs"].get(job, [])
    return " / ".join(seconds(run["seconds"]) for run in runs) or NONE


def last(row: dict[str, Any], job: str, key: str) -> float | None:
    """A figure of a job with most workers."""
    runs = row["jobs"].get(job)
    return runs[-1][key] if runs else None


def others(runs: list[dict[str, Any]]) -> str:
    """Cores other programs kept busy during all runs of a road; they are told in steps of 10 ms."""
    elapsed = sum(run["elapsed"] for run in runs)
    if elapsed < 0.1:
        return NONE
    return f"{sum(run['others'] * run['elapsed'] for run in runs) / elapsed:.2f}"


def shown_io(settings: dict[str, Any]) -> list[int]:
    """Numbers of workers for which the table has the times of job io."""
    counts: list[int] = settings["io_workers"]
    return [workers for workers in counts if workers in (1, 2, 10, counts[-1])]


def figures(row: dict[str, Any], settings: dict[str, Any]) -> tuple[str, ...]:
    """A road's cells in table 2."""
    cores = [last(row, job, "cores") for job in ("cpu", "sum")]
    runs = [run for job in row["jobs"].values() for run in job]
    memory = max((run["memory"] for run in row["jobs"].get("sum", [])), default=None)
    moved = last(row, "sum", "moved")
    io = [run for run in row["jobs"].get("io", []) if run["workers"] in shown_io(settings)]
    start = row["seconds"].get("start")
    return (
        times(row, "cpu"),
        times(row, "sum"),
        " / ".join(f"{run['seconds']:.2f}" for run in io) or NONE,
        " / ".join(NONE if busy is None else f"{busy:.2f}" for busy in cores),
        NONE if start is None else seconds(start + row["seconds"].get("prepare", 0.0)),
        NONE if moved is None else size(moved),
        NONE if memory is None else size(memory),
        others(runs),
    )


def figures_table(result: dict[str, Any]) -> Table:
    """Table 2: what it takes."""
    settings = result["settings"]
    cores = f"1 / {settings['cores']} workers"
    columns = (
        "road",
        f"cpu, {cores}",
        f"sum, {cores}",
        f"io, {', '.join(map(str, shown_io(settings)))} workers, s",
        "cores busy, cpu / sum",
        "start-up",
        "moved (sum)",
        "peak memory (sum)",
        "others' cores",
    )
    return Table(
        "figures", "What it takes", columns, grouped(result["roads"], lambda row: figures(row, settings)), key(settings)
    )


def key(settings: dict[str, Any]) -> str:
    """How to read table 2."""
    return (
        f"cpu: {settings['calls']} calls of fib({settings['python_fib']}) where Python computes, "
        f"fib({settings['native_fib']}) where compiled code does. "
        f"sum: {settings['size']:,} doubles in {settings['chunks']} chunks. "
        f"io: {settings['requests']} GETs answered after {settings['wait_ms']} ms; roads that allow fewer workers stop "
        f"earlier. Medians of {settings['repeats']}, io once. "
        "Cores busy: CPU time of the worker and its children over wall time. "
        "Start-up: the worker's start and its first preparation, compiling beforehand not counted. Others' cores: what "
        "other programs used meanwhile. Times compare within a row; between rows only where the same code runs."
    )

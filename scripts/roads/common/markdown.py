"""A result as Markdown, for the documentation: both tables, and in numbers what the pictures show."""

from __future__ import annotations

from typing import Any

from .tables import Table, seconds, tables

MOVERS = {
    "ctypes-cdll": "threads",
    "mp-forkserver-shared": "processes, shared memory",
    "mp-forkserver": "processes, pickled",
}


def document(result: dict[str, Any]) -> str:
    """All of it."""
    rows = {row["name"]: row for row in result["roads"] if row["status"] == "measured"}
    parts = [text for table in tables(result) for text in (f"## {table.title}", sections(table), table.foot)]
    for title, lines in (("Spans", spans(rows)), ("Moving", moving(rows)), ("Switch interval", sweep(rows))):
        if lines:
            parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def head(*columns: str) -> list[str]:
    """The first two lines of a table."""
    return ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]


def sections(table: Table) -> str:
    """A table with its groups."""
    lines = head(*table.columns)
    width = len(table.columns)
    for group, rows in table.sections:
        lines.append(f"| **{group}** |" + " |" * (width - 1))
        for line in rows:
            cells = (line.remark, *[""] * (width - 2)) if line.remark else line.cells
            lines.append("| " + " | ".join((line.road, *cells)) + " |")
    return "\n".join(lines)


def spans(rows: dict[str, Any]) -> list[str]:
    """For how long two threads were inside native calls."""
    lines = head("road", "calls", "both threads inside")
    known = [(name, row["extras"]["spans"]) for name, row in rows.items() if "spans" in row["extras"]]
    for name, found in known:
        end = max(stop for _, stop, _ in found["spans"])
        lines.append(f"| {name} | {len(found['spans'])} in {seconds(end)} | {seconds(found['together'])} |")
    return lines if known else []


def moving(rows: dict[str, Any]) -> list[str]:
    """The same sum, however the array gets to the workers."""
    known = {label: rows[name]["extras"]["moving"] for name, label in MOVERS.items() if name in rows}
    if not known:
        return []
    lines = head("array", *known, "bytes pickled")
    for runs in zip(*known.values(), strict=True):
        cells = [seconds(run["seconds"]) for run in runs]
        moved = max(run["moved"] for run in runs)
        lines.append(f"| {8 * runs[0]['size'] / 1e6:g} MB | {' | '.join(cells)} | {moved:,} |")
    return lines


def sweep(rows: dict[str, Any]) -> list[str]:
    """What the switch interval does."""
    known = {name: row["extras"]["sweep"] for name, row in rows.items() if "sweep" in row["extras"]}
    if not known:
        return []
    lines = head("interval", *(f"{name}: {what}" for name in known for what in ("wait", "calls a second")))
    for points in zip(*known.values(), strict=True):
        cells = [cell for point in points for cell in (seconds(point["wait"]), f"{point['calls']:,.0f}")]
        lines.append(f"| {1e3 * points[0]['interval']:g} ms | {' | '.join(cells)} |")
    return lines

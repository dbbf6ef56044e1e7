"""Tables and progress on a terminal, through rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from .tables import Table

WIDE = 170
"""Columns where there is no terminal to ask."""


def console(*, errors: bool) -> Console:
    """Standard output, or standard error if that carries JSON."""
    stream = sys.stderr if errors else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDE)


def show(table: Table, where: Console) -> None:
    """Print a table."""
    drawn = RichTable(
        title=table.title, box=box.SIMPLE_HEAD, caption=table.foot, caption_justify="left", pad_edge=False
    )
    for column in table.columns:
        drawn.add_column(column)
    for group, lines in table.sections:
        drawn.add_section()
        drawn.add_row(f"[bold]{escape(group)}")
        for line in lines:
            cells = line.cells if not line.remark else ("[dim]see below",)
            drawn.add_row(escape(line.road), *cells)
    where.print(drawn)


def show_remarks(table: Table, where: Console) -> None:
    """Print why roads are missing."""
    for _, lines in table.sections:
        for line in lines:
            if line.remark:
                where.print(f"[bold]{escape(line.road)}[/bold] {escape(line.remark)}", highlight=False)


@contextmanager
def progress(total: int, where: Console) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """A bar: how to say what is being done, and how to say that one more road is."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=where, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield (lambda text: bar.update(task, description=escape(text))), (lambda: bar.advance(task))

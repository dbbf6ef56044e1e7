"""Jython: Python 2.7 on the Java machine."""

from __future__ import annotations

from .common.base import FOREIGN, Command, Group, Road, program

START = 120.0
"""Seconds it may take to start: it was seen to take 37."""

ROADS = (
    Road(
        name="jython",
        what="Python on the Java machine, whose threads need no GIL. It speaks Python 2.7 and has no NumPy.",
        group=Group.NONE,
        code="Python 2",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=lambda _folder: Command(
            (program("jython", "there is no jython on PATH", "apt-get install jython"), str(FOREIGN / "plain.py2")),
            patience=START,
        ),
    ),
)

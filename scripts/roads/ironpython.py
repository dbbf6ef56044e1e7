"""IronPython: Python on .NET or mono."""

from __future__ import annotations

from .common.base import FOREIGN, Command, Group, Road, program

START = 60.0

ROADS = (
    Road(
        name="ironpython",
        what="Python on .NET or mono, without a GIL. The file it runs is the one Jython runs.",
        group=Group.NONE,
        code="Python 2",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=lambda _folder: Command(
            (
                program(
                    "ipy",
                    "there is no ipy on PATH; Debian and PyPI have no IronPython",
                    "a release from ironpython.net, its ipy on PATH",
                ),
                str(FOREIGN / "plain.py2"),
            ),
            patience=START,
        ),
    ),
)

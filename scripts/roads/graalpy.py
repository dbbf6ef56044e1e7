"""GraalPy: Python on the GraalVM."""

from __future__ import annotations

from .common.base import Group, Road, program, worker

ROADS = (
    Road(
        name="graalpy",
        what="The same threads on GraalPy, Python on top of a Java machine. Unlike Java it has a GIL, since "
        "version 21.1.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": False, "requests": True},
        command=lambda _folder: worker(
            "threads",
            "",
            interpreter=program(
                "graalpy",
                "there is no graalpy on PATH; Debian and PyPI have none",
                "a release from graalpy.org, its bin on PATH",
            ),
        ),
    ),
)

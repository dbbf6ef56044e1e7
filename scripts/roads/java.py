"""Java: threads that share everything and take no turns."""

from __future__ import annotations

from pathlib import Path

from .common.base import FOREIGN, Command, Group, Road, program
from .common.build import call

INSTALL = "apt-get install default-jdk-headless"


def command(folder: Path) -> Command:
    """The worker, compiled."""
    java = program("java", "there is no java on PATH", INSTALL)
    javac = program("javac", "there is no Java compiler on PATH", INSTALL)
    if not (folder / "java" / "Roads.class").exists():
        (folder / "java").mkdir(parents=True, exist_ok=True)
        call([javac, "-encoding", "UTF-8", "-d", str(folder / "java"), str(FOREIGN / "Roads.java")], folder)
    return Command((java, "-cp", str(folder / "java"), "Roads"))


ROADS = (
    Road(
        name="java",
        what="The jobs rewritten in Java, on threads that share one heap. It is another language, not another way "
        "to run Python.",
        group=Group.NONE,
        code="Java",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=command,
    ),
)

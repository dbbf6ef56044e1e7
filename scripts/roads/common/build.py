"""Compiling on the spot, into a folder of this run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .base import FOREIGN, BuildError, compiler

LIMIT = 120.0


def call(words: list[str], folder: Path) -> None:
    """Run a compiler in a folder; its complaints become the error."""
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{words[0]} took more than {LIMIT:.0f} s") from error
    if done.returncode:
        raise BuildError(f"{' '.join(words)}:\n{done.stderr[-2000:] or done.stdout[-2000:]}")


def shared_object(target: Path, source: Path, *flags: str) -> Path:
    """Compile one C file to a shared object, unless it is there already."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        words = [compiler(), "-O2", "-fPIC", "-shared", f"-I{FOREIGN}", *flags, str(source), "-o", str(target)]
        call(words, target.parent)
    return target


def jobs_library(folder: Path) -> Path:
    """The jobs in C as a plain library, for all who load one."""
    return shared_object(folder / "libjobs.so", FOREIGN / "jobs.c")

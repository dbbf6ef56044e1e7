"""Other Pythons on this machine."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .base import Missing

LIMIT = 20.0


@functools.cache
def says_yes(interpreter: str, question: str) -> bool:
    """Whether an interpreter starts and an expression is true there."""
    try:
        done = subprocess.run(
            [interpreter, "-c", f"import sys; sys.exit(0 if ({question}) else 1)"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def candidates(names: Iterable[str]) -> Iterator[str]:
    """The running interpreter, then those on PATH, then pyenv's of the same versions."""
    yield sys.executable
    for name in names:
        found = shutil.which(name)
        if found:
            yield found
    root = os.environ.get("PYENV_ROOT")
    if root:
        for name in names:
            version = name.removeprefix("python")
            pattern = f"{version[:-1]}.*t" if version.endswith("t") else f"{version}.*[0-9]"
            yield from map(str, sorted(Path(root, "versions").glob(f"{pattern}/bin/python")))


def find(names: tuple[str, ...], question: str, reason: str, install: str) -> str:
    """The first interpreter for which a question is answered with yes, or `Missing`."""
    for interpreter in candidates(names):
        if says_yes(interpreter, question):
            return interpreter
    raise Missing(reason, install)

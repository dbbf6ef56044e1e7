"""What the tests of errors, cancelling, nesting, forking and exit share."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parent.resolve()

Scene = Callable[..., "subprocess.CompletedProcess[str]"]

_OPENING = """
import gc, os, signal, sys, threading, time
import numpy as np
import pyffipar as pf
from stage import *
executor = sys.argv[1]
threads = thread_count(executor)
"""


@pytest.fixture(scope="session")
def stage() -> ModuleType:
    """The module that the tests share with the programs they start."""
    specification = importlib.util.spec_from_file_location("stage", FOLDER / "stage.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.functions()  # compiled now: tests with limits need not wait for the compiler
    return module


@pytest.fixture
def gate(stage: ModuleType) -> Any:
    """Holds and counts the calls of one test."""
    return stage.Gate()


@pytest.fixture
def scene(stage: ModuleType, tmp_path: Path) -> Scene:
    """Run a program of its own: what it plays may crash, hang or end the process."""

    numbers = itertools.count()  # several may play at once

    def play(
        code: str, executor: str = "native", *, expect: int | None = 0, limit: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
        settings = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        file = tmp_path / f"scene{next(numbers)}.py"
        file.write_text(_OPENING + textwrap.dedent(code))
        ended = subprocess.run(
            [sys.executable, str(file), executor], env={**settings, **environment}, cwd=tmp_path,
            capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip
        if expect is not None and ended.returncode != expect:
            pytest.fail(f"status {ended.returncode}, wanted {expect}\n{ended.stdout}\n{ended.stderr}")
        return ended

    return play

"""What ``import pyffipar`` costs and does, counted in modules, threads and files rather than in time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyffipar

# Needed for some calls only; each takes milliseconds, some bring dozens of others.
LATE = {"asyncio", "cffi", "dask", "distributed", "multiprocessing", "numba", "pycparser", "threadpoolctl", "tqdm"}
MOST = 75  # modules that are neither NumPy's nor ours; there were 60 when this was written, of 0.4 ms each

PROGRAM = """
import json, sys, threading
import numpy
before = set(sys.modules)
import pyffipar
new = sorted(set(sys.modules) - before)
maps = open("/proc/self/maps").read() if sys.platform == "linux" else ""
print(json.dumps({"new": new, "threads": threading.active_count(), "is_open": "libpyffipar" in maps}))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    """What a fresh interpreter has after the import that it had not with NumPy alone."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(pyffipar.__file__).parents[1],
    )
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_modules_that_few_calls_need_are_not_imported(imported: dict[str, Any]) -> None:
    assert not LATE & set(imported["new"])


def test_few_modules_are_imported_besides_numpys(imported: dict[str, Any]) -> None:
    others = [name for name in imported["new"] if name.split(".")[0] not in ("pyffipar", "numpy")]
    assert len(others) <= MOST, others


def test_nothing_is_started_and_our_library_is_not_even_opened(imported: dict[str, Any]) -> None:
    assert imported["threads"] == 1
    assert not imported["is_open"]

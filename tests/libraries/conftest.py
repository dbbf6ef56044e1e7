"""Debian's own binaries: a missing one is skipped loudly on a developer's machine and fails in CI (``CI=true``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyffipar as pf
from pyffipar.errors import CompileError, LibraryError
from pyffipar.options import EXECUTORS
from pyffipar.sources.compiling import preprocess
from pyffipar.sources.recipes import Recipe

Open = Callable[..., pf.Library]
Apart = Callable[[str], Any]

# What these libraries give out are addresses, which mean something in the process that asked for them only.
HERE = tuple(executor for executor in EXECUTORS if executor != "processes")
THREADS = {"serial": (1,)}  # any other executor: alone, two, and more than there are cores here


@pytest.fixture(scope="session")
def need() -> Open:
    """Open a library that a package of the distribution brings."""

    def opened(name: str, package: str, declarations: str = "", **keywords: Any) -> pf.Library:
        try:
            if "contracts" not in keywords and (header := keywords.pop("header", None)):
                preprocess(Recipe(f"#include <{header}>\n"))  # is it there?
            return pf.load(name, declarations, **keywords)
        except (LibraryError, CompileError) as error:  # the library is not there, or its header
            if os.environ.get("CI", "").lower() in ("true", "1"):
                pytest.fail(f"{error} (CI installs {package})")
            pytest.skip(f"{error}: install {package}")

    return opened


@pytest.fixture(
    params=[(executor, threads) for executor in HERE for threads in THREADS.get(executor, (1, 2, 5))],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def everywhere(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Run a test on every executor of this process with several numbers of threads."""
    executor, threads = request.param
    with pf.options(executor=executor, threads=threads):
        yield {"executor": executor, "threads": threads}


_MEASURING = """
import json, threading, tracemalloc
import numpy as np
import pyffipar as pf

def status(word):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(word))

def anonymous(call):
    # The process's own memory while `call` runs: pages of files, which the system takes back, left out.
    peak, done = [0], threading.Event()
    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], 1024 * status("RssAnon:"))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        value = call()
    finally:
        done.set()
        watcher.join()
    return {"anonymous": peak[0], "value": value}

def grown(call):
    # Bytes by which the process's peak grows while `call` runs, and Python's own peak in bytes.
    call()  # what is made once: workers, tables, the parser
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = status("VmRSS:")
    tracemalloc.start()
    value = call()
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"resident": 1024 * (status("VmHWM:") - before), "traced": traced, "value": value}
"""


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    """Run Python source in a fresh interpreter that has ``grown`` and ``anonymous``; gives what it prints."""

    def run(source: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURING + source],
            cwd=tmp_path,  # a folder without sources: what is installed is measured
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run

"""What ``import pyffipar`` costs and does, counted in modules, threads and files rather than in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyffipar

# Needed for some calls only; each takes milliseconds, some bring dozens of others.
LATE = {"asyncio", "cffi", "dask", "distributed", "multiprocessing", "numba", "pycparser", "threadpoolctl", "tqdm"}
LATE |= {"difflib", "hashlib", "json", "random", "shutil", "socket", "tempfile"}
# Ours, for what few programs do: compiling, reading headers, other processes, stubs, timelines in words.
OURS_LATE = {
    f"pyffipar.{name}"
    for name in (
        *("kernels", "lazy", "stubs", "timelines.diagnosing", "language.headers", "language.contracts"),
        *("language.c_signatures", "executors.futures", "executors.processes", "executors.serving"),
        *("sources.authoring", "sources.compiling", "sources.compile_cache", "sources.function_sources"),
    )
}
MOST = 55  # modules that are neither NumPy's nor ours; there were 40 when this was written, of 0.4 ms each

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


def test_modules_of_ours_that_a_first_call_does_not_need_come_later(imported: dict[str, Any]) -> None:
    package = Path(pyffipar.__file__).parent
    for name in OURS_LATE:
        place = package.joinpath(*name.split(".")[1:])
        assert place.is_dir() or place.with_suffix(".py").is_file(), f"{name} is no module"
    assert not OURS_LATE & set(imported["new"])


def test_what_comes_later_is_there_when_it_is_asked_for() -> None:
    program = """
import sys, pyffipar as pf
assert not {"pyffipar.kernels", "pyffipar.sources.compile_cache"} & set(sys.modules)
assert set(pf.__all__) | {"kernels"} <= set(dir(pf))
assert pf.sum([1.0, 2.0]) == 3.0
assert pf.kernels.sum is pf.sum is pf.__dict__["sum"]
assert pf.compile_cache.__name__ == "pyffipar.sources.compile_cache"
assert not hasattr(pf, "sums")
from pyffipar import *
assert mean is pf.mean
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(pyffipar.__file__).parents[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks")
def test_a_fork_waits_for_what_another_thread_imports(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("input()\n")
    program = """
import os, signal, sys, threading
from pyffipar.system.forking import late_import

def work():
    with late_import():
        import slow

def fork():
    child = os.fork()
    if not child:
        signal.alarm(20)  # where it would wait for ever
        work()
        os._exit(0)
    codes.append(os.waitpid(child, 0)[1])

codes = []
os.register_at_fork(before=lambda: print("forking", flush=True))  # the last one registered is called first
importing, forking = threading.Thread(target=work), threading.Thread(target=fork)
importing.start()
while "slow" not in sys.modules:
    pass
forking.start()
importing.join()
forking.join()
sys.exit(codes != [0])
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "forking\n"
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.wait() == 0


def test_few_modules_are_imported_besides_numpys(imported: dict[str, Any]) -> None:
    others = [name for name in imported["new"] if name.split(".")[0] not in ("pyffipar", "numpy")]
    assert len(others) <= MOST, others


def test_nothing_is_started_and_our_library_is_not_even_opened(imported: dict[str, Any]) -> None:
    assert imported["threads"] == 1
    assert not imported["is_open"]

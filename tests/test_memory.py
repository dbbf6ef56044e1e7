"""What a call adds to the memory of the process, measured in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1 << 20
WORKERS = 2
SLACK = 6 * MIB  # stacks, allocator pools, pages of the libraries touched for the first time

PRELUDE = """
import resource, sys
import numpy as np
import pyffipar as pf

k = pf.compile('''
#include <stddef.h>
double total(size_t n, const double *x) {{ double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }}
void twice(size_t n, const double *x, double *y) {{ for (size_t i = 0; i < n; i++) y[i] = 2 * x[i]; }}
void blur(size_t n, const double *x, double *y) {{ for (size_t i = 0; i < n; i++) y[i] = x[i - 1] + x[i] + x[i + 1]; }}
''', '''
double total(size_t n, const double x[n]) reduction(+);
void twice(size_t n, const double x[n], double y[n]);
void blur(size_t n, const double x[-1 : n + 2], double y[n]) boundary(reflect);
''')
pf.set_options(threads={workers}, executor="native")
N = {items}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def zeros(dtype):
    array = np.zeros(N, dtype)
    array[:] = 1  # every page is there before anything is measured
    return array

small = np.ones(100_000, np.float32)
k.total(small), k.twice(small), k.blur(small)  # code, pool and workers are there too
"""


def growth(tmp_path: Path, items: int, call: str) -> int:
    """Bytes by which the process's peak grows during a call."""
    code = PRELUDE.format(workers=WORKERS, items=items) + call
    script = tmp_path / "measure.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


CASES = {
    "other dtype": "x = zeros(np.float32); before = peak(); k.total(x); print(peak() - before)",
    "other byte order": "x = zeros('>f8'); before = peak(); k.total(x); print(peak() - before)",
    "strided": "x = zeros(np.float64)[::2]; before = peak(); k.total(x); print(peak() - before)",
    "backwards": "x = zeros(np.float64)[::-1]; before = peak(); k.total(x); print(peak() - before)",
    "misaligned": (
        "raw = np.ones(8 * N + 1, np.uint8); x = raw[1:].view(np.float64); "
        "before = peak(); k.total(x); print(peak() - before)"
    ),
    "output of another dtype": (
        "x = zeros(np.float32); y = zeros(np.float32); before = peak(); k.twice(x, out=y); print(peak() - before)"
    ),
    "boundary": (
        "x = zeros(np.float64); y = zeros(np.float64); before = peak(); k.blur(x, out=y); print(peak() - before)"
    ),
}


@pytest.mark.parametrize("layout", CASES)
def test_buffers_stay_small_whatever_the_array(tmp_path: Path, layout: str) -> None:
    assert growth(tmp_path, 8 * MIB, CASES[layout]) <= WORKERS * MIB + SLACK


@pytest.mark.slow
def test_a_gigabyte_passes_through_a_mebibyte_per_worker(tmp_path: Path) -> None:
    assert growth(tmp_path, 1 << 28, CASES["other dtype"]) <= WORKERS * MIB + SLACK

"""What a call adds to the memory of its process at most, as a share of its arrays; each in a process of its own."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from .harness import Report

THREADS = 2
MIB = 1 << 20
ITEMS = 64 * MIB  # doubles: 512 MiB
# Stacks, pools of the allocator, pages of libraries touched for the first time: what a call takes however small.
SLACK = 6 * MIB
PRELUDE = """
import ctypes, resource
import numpy as np
import pyffipar as pf

k = pf.compile('''
#include <stddef.h>
#include <stdint.h>
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void twice(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = 2 * x[i]; }
void blur(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = x[i - 1] + x[i] + x[i + 1]; }
size_t positive(size_t n, const double *x, double *y) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++) if (x[i] > 0) y[m++] = x[i];
    return m;
}
void histogram(size_t n, const double *x, size_t bins, int64_t *counts) {
    for (size_t i = 0; i < n; i++) counts[(size_t)x[i] % bins]++;
}
''', '''
double total(size_t n, const double x[n]) reduction(+);
void twice(size_t n, const double x[n], double y[n]);
void blur(size_t n, const double x[-1 : n + 2], double y[n]) boundary(reflect);
size_t positive(size_t n, const double x[n], double y[n]) reduction(concat: y);
void histogram(size_t n, const double x[n], size_t bins, int64_t counts[bins]) reduction(+: counts);
''')
pf.set_options(threads=THREADS)
plain = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_size_t, ctypes.c_void_p)(('total', ctypes.CDLL(k.path)))

def ones(dtype, items=None, value=1):
    array = np.empty(ITEMS if items is None else items, dtype)
    array[:] = value  # every page is there before anything is measured
    return array

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

small = ones(np.float32, 100_000)
k.total(small), k.twice(small), k.blur(small), k.positive(small), k.histogram(small, bins=10)  # code, pool and workers
"""
# For each: the arrays, the call, and whether it makes an array as long as its input (which then counts as one).
CASES: dict[str, tuple[str, str, float]] = {
    "the type it wants": ("x = ones(np.float64)", "k.total(x)", 0.0),
    "float32 for double": ("x = ones(np.float32)", "k.total(x)", 0.0),
    "the other byte order": ("x = ones('>f8')", "k.total(x)", 0.0),
    "every second element": ("x = ones(np.float64)[::2]", "k.total(x)", 0.0),
    "backwards": ("x = ones(np.float64)[::-1]", "k.total(x)", 0.0),
    "misaligned": ("raw = ones(np.uint8, 8 * ITEMS + 1); x = raw[1:].view(np.float64)", "k.total(x)", 0.0),
    "output of another type": ("x, y = ones(np.float32), ones(np.float32)", "k.twice(x, out=y)", 0.0),
    "overlap, with what stands beyond": ("x, y = ones(np.float64), ones(np.float64)", "k.blur(x, out=y)", 0.0),
    "broadcast rows": ("x = np.broadcast_to(ones(np.float64, ITEMS // 8), (8, ITEMS // 8))", "k.total(x)", 0.0),
    "private copies of 1000 counts": ("x = ones(np.float64)", "k.histogram(x, bins=1000)", 0.0),
    "an output that is new": ("x = ones(np.float64)", "kept = k.twice(x)", 1.0),
    "pieces joined to one, all of it used": ("x = ones(np.float64)", "kept = k.positive(x)", 1.0),
    "pieces joined to one, none used": ("x = ones(np.float64, value=-1)", "kept = k.positive(x)", 0.0),
}
PEERS: dict[str, tuple[str, str]] = {
    "float32 for double, np.ascontiguousarray and ctypes": (
        "x = ones(np.float32)",
        "y = np.ascontiguousarray(x, np.float64); plain(ITEMS, y.ctypes.data)",
    ),
    "every second element, np.ascontiguousarray and ctypes": (
        "x = ones(np.float64)[::2]",
        "y = np.ascontiguousarray(x); plain(len(y), y.ctypes.data)",
    ),
}


SPARSE = 20 * 10**9  # bytes of a file that is mostly holes: more than there is memory for, here and there
# Reads a file through zlib's crc32 and a sum, and tells the two and by how much its peak grew meanwhile.
THROUGH = """
import sys
import numpy as np
import pyffipar as pf

z = pf.load("z", '''uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));''')
z.crc32(0, bytes(10**6)), pf.sum(np.zeros(10**6))
x = np.memmap(sys.argv[1], np.float64, "r")

def status(word):
    lines = open("/proc/self/status").read().split("\\n")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(word))

before = status("VmRSS:")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
print(int(z.crc32(0, x.view(np.uint8))), float(pf.sum(x)), status("VmHWM:") - before)
"""


def run(*, quick: bool) -> Report:
    """Measure every case and hold it against its goal."""
    report = Report()
    items = ITEMS // 8 if quick else ITEMS
    for name, (arrays, call, output) in CASES.items():
        extra, size = _growth(items, arrays, call)
        if output:
            report.compare(f"{name}: extra / input", extra / size, at_most=output + (SLACK + THREADS * MIB) / size)
        else:
            report.compare(f"{name}: extra", extra / MIB, at_most=THREADS + SLACK / MIB, unit="MiB")
            report.compare(f"{name}: extra / input", extra / size)
    for name, (arrays, call) in PEERS.items():
        extra, size = _growth(items, arrays, call)
        report.compare(f"{name}: extra / input", extra / size)
    _go_through_a_file(report, SPARSE // 100 if quick else SPARSE)
    return report


def _go_through_a_file(report: Report, size: int) -> None:
    """A mapped file that is larger than what may stay of it."""
    if not Path("/proc/self/clear_refs").exists():
        report.missing.append("a large file: the peak of a process can be measured anew on Linux only")
        return
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        file = Path(folder, "sparse.bin")
        with file.open("wb") as whole:
            whole.seek(size - 8)
            whole.write(struct.pack("d", 3.0))
        command = [sys.executable, "-c", THROUGH, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    _, total, extra = done.stdout.split()
    if float(total) != 3.0:
        raise AssertionError(f"the sum of a file with a single 3.0 in it is {total}")
    name = f"a mapped file of {size / 1e9:.3g} GB, crc32 and sum"
    report.compare(f"{name}: extra", int(extra) / MIB, at_most=1000, unit="MiB")


def _growth(items: int, arrays: str, call: str) -> tuple[int, int]:
    """Bytes by which a process's peak grows during a call, and those of its input."""
    measured = f"before = peak()\n{call}\nprint(peak() - before, x.nbytes)"
    code = f"THREADS, ITEMS = {THREADS}, {items}\n{PRELUDE}\n{arrays}\n{measured}"
    # Not in the folder of the sources: what is installed is what is measured.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.home())
    extra, size = map(int, done.stdout.split())
    return extra, size

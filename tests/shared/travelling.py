"""Functions of every kind to be pickled, and ways to send them: to this process and to others."""

from __future__ import annotations

import ctypes
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

restore: Any = import_module("pyffipar.function").restore
restore_library: Any = import_module("pyffipar.library").restore_library

ZLIB = """
    uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));
"""
SOURCE = r"""
#include <stddef.h>
#include <stdlib.h>
typedef struct { double x, y; } point;
enum { FINE = 7 };
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
double norms(size_t n, const point *p) { double s = 0; for (size_t i = 0; i < n; i++) s += p[i].x * p[i].y; return s; }
int check(double x) { return x < 0 ? 3 : 7; }
const char *words(int code) { return code == 3 ? "a negative number" : "?"; }
static double thrice(double x) { return 3 * x; }
double (*fastest)(double) = thrice;
double *box_new(void) { return calloc(1, sizeof(double)); }
double *box_copy(const double *box) { double *copy = box_new(); *copy = *box; return copy; }
void box_free(double *box) { free(box); }
double boxed(struct box *box, double x) { return x + *(double *)box; }
double ready = 0;
void set_up(void) { ready = 5; }
double get(double x) { return x + ready; }
"""
DECLARATIONS = """
typedef double real;  typedef struct { real x, y; } point;  typedef char unused;
enum { BAD = 1, FINE = 7 };
real total(size_t n, const real x[n]) reduction(+);
double norms(size_t n, const point p[n]) reduction(+);
int check(double x) status(FINE, words);
double (*fastest)(double x);
double boxed(struct box *box, double x) private(box = box_copy, box_free);
double get(double x) init(set_up);
"""
TEXT = "double total(size_t n, const double x[n]) reduction(+);"
POINTS = np.array([(1.0, 2.0), (3.0, 4.0)], [("x", "f8"), ("y", "f8")])

# What is called to see that a function behaves the same.
CALLS: dict[str, Callable[[Any], Any]] = {
    "total": lambda f: f(np.arange(10_000.0)),
    "norms": lambda f: f(POINTS),
    "check": lambda f: f(np.ones(3)),
    "fastest": lambda f: f([1.0, 2.0]).tolist(),
    "boxed": lambda f: f(ctypes.pointer(ctypes.c_double(0.5)), [1.0, 2.0]).tolist(),
    "get": lambda f: f(1.0),
}


def twin(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def build(cc: str, path: Path, source: str = SOURCE, *flags: str) -> Path:
    """A shared object of the test's own, replaced as an installer does it: by another file under the same name."""
    source_file = path.with_suffix(".c")
    source_file.write_text(source)
    made = path.with_suffix(".made")
    subprocess.run([cc, "-shared", "-fPIC", *flags, str(source_file), "-o", str(made)], check=True)
    made.replace(path)
    return path


def elsewhere(code: str, data: bytes, **environment: str) -> str:
    """What a process of its own prints that unpickles `data` as `f`."""
    program = "import pickle, sys, warnings\nimport numpy as np\nimport pyffipar as pf\n"
    program += "read = lambda: pickle.loads(sys.stdin.buffer.read())\n" + textwrap.dedent(code)
    command = [sys.executable, "-c", program]
    settings = {**os.environ, **environment}
    # In a folder without sources, which would be imported instead of the installed package.
    ended = subprocess.run(command, input=data, capture_output=True, env=settings, check=False, cwd="/")
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()

"""Type stubs: mypy takes them, takes right calls and refuses wrong ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyffipar as pf

SOURCE = """
#include <stddef.h>
double dot(size_t n, const double *x, const double *y) { return n ? *x * *y + dot(n - 1, x + 1, y + 1) : 0; }
void scale(size_t n, double a, const float *x, float *y) { while (n--) y[n] = a * x[n]; }
void hist(size_t n, const double *x, size_t bins, double lo, double hi, long *counts) { (void)x; counts[bins - 1] = n; }
int ends(size_t n, const short *x, short *y, unsigned char *z) { while (n--) { y[n] = x[n]; z[n] = 1; } return 0; }
void twice(size_t n, double *x) { while (n--) x[n] *= 2; }
double power(double y, double a, double x) { return a * x + y; }
double weighed(size_t n, const double *w) { (void)w; return n; }
double declare(double x) { return x; }
double lambda(double x) { return x; }
void each(double (*f)(double), void *state, double in) { (void)f; (void)state; (void)in; }
"""
DECLARATIONS = """
double dot(size_t n, const double x[n], const double y[n]) reduction(+);
void scale(size_t n, double a, const float x[n], float y[n]);
void hist(size_t n, const double x[n], size_t bins, double lo, double hi, long counts[bins]) reduction(+: counts);
int ends(size_t n, const short x[n], short y[n], unsigned char z[n]) status(0);
void twice(size_t n, double x[n]) inout(x);
double power(double y, double a, double x) default(a = 2);
double weighed(size_t n, const double w[n]) default(w = NULL) reduction(+);
double declare(double x);
double lambda(double x);
void each(double (*f)(double x), void *state, double in);
"""

RIGHT = """
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
import pyffipar
from kernels import library as k

x, f, s, c = np.ones(3), np.ones(3, np.float32), np.ones(3, np.int16), np.zeros(4, np.int64)
number: float = k.dot(x, y=[1.0, 2.0, 3.0])
more: NDArray[np.float64] = k.dot(x, x, axis=-1, keepdims=True, out=np.empty(1))
scaled: NDArray[np.float32] = k.scale(2.0, f)
k.scale([1.0, 2.0], f, y=np.empty((2, 3), np.float32))
counts: NDArray[np.int64] = k.hist(x, 4, 0.0, 1.0)
k.hist(x, lo=0.0, hi=1.0, counts=c)
k.hist(x, lo=0.0, hi=1.0, out=c)
first, last = k.ends(s, out=(None, np.empty(3, np.uint8)))
short: NDArray[np.int16] = first
byte: NDArray[np.uint8] = last
k.twice(x)
k.power(1.0, x=3.0)
k.power(1.0, 2.0, 3.0)
again: NDArray[np.float32] = k.scale.prepare(2.0, f)()
future: Future[float] = k.dot.options(threads=2).submit(x, x)
k.dot.explain(x, x)
k.weighed(3)
k.weighed(3, None)
k.weighed(3, x)
k.weighed(w=x)
k.each(float, None, 1.0)
plain: pyffipar.Library = k
for function in k:
    print(function.__name__, k.path)
k.declare("void twice(size_t n, double x[n]) inout(x);")
"""

WRONG = {
    "k.dot(x)": "Missing positional argument",
    "k.dot(x, x, x)": "Too many positional arguments",
    "k.dot(x, z=x)": 'Unexpected keyword argument "z"',
    "k.dot(x, x, out=f)": 'Argument "out"',
    "k.dot({1.0}, x)": "Argument 1",
    "k.dot(None, x)": "Argument 1",
    "k.weighed()": "require at least one argument",
    "k.weighed(w=None)": "No overload variant",
    "k.dott(x, x)": 'has no attribute "dott"',
    "k.lambda_(1.0)": 'has no attribute "lambda_"',
    "k.scale(2.0, f).upper()": 'has no attribute "upper"',
    "k.hist(x, 0.0, 1.0)": "No overload variant",
    "k.hist(x, lo=0.0, hi=1.0)": "No overload variant",
    "k.hist(x, 4.5, 0.0, 1.0)": "No overload variant",
    "k.twice([1.0])": "Argument 1",
    "k.twice(f)": "Argument 1",
    "text: str = k.scale(2.0, f)": "Incompatible types in assignment",
    "k.scale.prepare(2.0)": "Missing positional argument",
    "k.dot.submit(x)": "Missing positional argument",
    "k.each(float, None, in_=1.0)": "Unexpected keyword argument",
    "k.power(1.0)": "No overload variant",
}


@pytest.fixture
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says about the stub and a program with right and wrong calls, by the line it says it about."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("project")
    text = pf.compile(SOURCE, DECLARATIONS).stub(folder / "kernels.pyi")
    assert (folder / "kernels.pyi").read_text() == text
    (folder / "kernels.py").write_text("import pyffipar\nlibrary = pyffipar.compile('...', '...')\n")
    program = RIGHT + "\n".join(WRONG) + "\n"
    (folder / "user.py").write_text(program)
    package = Path(str(pf.__file__)).parents[1]
    where = "" if package.name == "site-packages" else f"mypy_path = {package}\n"  # installed ones are found anyway
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = true\n{where}")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "kernels.pyi", "user.py"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not told.stderr
    lines = {"kernels.pyi": text.split("\n"), "user.py": program.split("\n")}
    found = re.findall(r"^(kernels\.pyi|user\.py):(\d+): error: (.*)$", told.stdout, re.MULTILINE)
    return {lines[file][int(number) - 1]: said for file, number, said in found}


@pytest.mark.slow
def test_mypy_takes_the_stub_and_right_calls(complaints: dict[str, str]) -> None:
    assert {line: said for line, said in complaints.items() if line not in WRONG} == {}


@pytest.mark.slow
@pytest.mark.parametrize("call", WRONG)
def test_mypy_refuses_a_wrong_call(complaints: dict[str, str], call: str) -> None:
    assert WRONG[call] in complaints.get(call, "nothing")


def test_right_calls_run(library: pf.Library) -> None:
    """What the stub allows is what calls take."""
    program = RIGHT.replace("from kernels import library as k\n", "")
    exec(compile(program, "user.py", "exec"), {"k": library})  # noqa: S102 - the program above


def test_a_stub_says_what_it_is_for(library: pf.Library) -> None:
    text = library.stub(name="zlib")
    assert text.startswith('"""Types of the functions of <compiled source>, written by pyffipar.')
    assert text.endswith("\nzlib: _Type_of_zlib\n")
    assert "_declare" not in text
    assert "_lambda" not in text
    assert "\n    dot: _dot\n" in text


def test_a_stub_without_functions_is_a_stub(library: pf.Library) -> None:
    text = pf.load(library.path).stub()
    assert text.endswith("is an error\n\nlibrary: _Type_of_library\n")
    compile(text, "stub", "exec")


@pytest.mark.parametrize("name", ["", "a b", "lambda", "1"])
def test_a_variable_has_a_name(library: pf.Library, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a variable"):
        library.stub(name=name)


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers look for this file; it lies in the wheel because it lies in the package."""
    assert (Path(str(pf.__file__)).parent / "py.typed").is_file()

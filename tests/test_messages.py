"""What a slip is answered with: the function, the argument, what was given and what was wanted, nobody else's words."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

x = np.arange(10.0)


@pytest.fixture(scope="module")
def k() -> pf.Library:
    return pf.compile(
        r"""
        #include <stddef.h>
        double dot(size_t n, const double *x, const double *y) { return n ? x[0] * y[0] : 0; }
        double apply(double (*f)(double), double x) { return f(x); }
        int count(int (*f)(int), int x) { return f(x); }
        """,
        """
        double dot(size_t n, const double x[n], const double y[n]) reduction(+);
        double apply(double (*f)(double), double x);
        int count(int (*f)(int), int x);
        """,
    )


def message(call: Callable[[], object], error: type[Exception]) -> str:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


NO_TEXT = [3, b"double erf(double x);", Path("m.h"), None]


@pytest.mark.parametrize("text", NO_TEXT, ids=repr)
def test_declarations_are_texts(text: Any) -> None:
    wanted = f"{text!r} ({type(text).__name__}); the text of C prototypes is wanted, as a str"
    assert message(lambda: pf.load("m", text), TypeError) == f"the declaration is {wanted}"
    assert message(lambda: pf.function("m", text), TypeError) == f"the declaration is {wanted}"
    assert "a text of C prototypes is wanted" in message(lambda: pf.compile("int f;", text), TypeError)


def test_contracts_are_texts() -> None:
    contracts: Any = ["hypot"]
    told = message(lambda: pf.load("m", header="math.h", contracts=contracts), TypeError)
    assert told.startswith("contracts is ['hypot'] (list); a text")


def test_a_header_that_declares_nothing_is_told() -> None:
    told = message(lambda: pf.load("m", header="math.h"), TypeError)
    assert told == "nothing in math.h is declared: give contracts=, since it has no line #pragma pyffipar"


@pytest.mark.parametrize("path", ["foo.c", "src/my kernels.cpp", "./a.h\n"])
def test_a_path_is_no_source(path: str) -> None:
    told = message(lambda: pf.compile(path, "double f(double x);"), ValueError)
    assert told == f"compile takes the source itself, and {path!r} looks like a path: Path({path!r}).read_text()"
    source: Any = Path(path)
    assert "the source is" in message(lambda: pf.compile(source, "double f(double x);"), TypeError)


def test_callables_are_functions_by_name() -> None:
    wrong: Any = {"a": 3}
    told = "callables['a'] is 3 (int); a name and a function that merges are wanted"
    assert message(lambda: pf.load("m", "double erf(double x);", callables=wrong), TypeError) == told
    assert message(lambda: pf.function("m", "double erf(double x);", callables=wrong), TypeError) == told
    assert message(lambda: pf.compile("int f;", callables=wrong), TypeError) == told
    wrong = [max]
    assert "a dict of functions by name is wanted" in message(lambda: pf.load("m", callables=wrong), TypeError)


def test_a_companion_that_is_not_there_is_pointed_at() -> None:
    text = "double erf(double x);\nint\nabs(int x)\n    status(0, nofn);"
    for told in (
        message(lambda: pf.load("m", text), pf.LibraryError),
        message(lambda: pf.function("m", text[22:]), pf.LibraryError),
        message(lambda: pf.compile("int abs(int x) { return x; }", text[22:]), pf.LibraryError),
    ):
        assert told.startswith("abs: ")
        first, line, caret = told.split("\n")
        assert first.endswith("has no function 'nofn'")
        assert line.endswith(":     status(0, nofn);")
        assert caret.index("^") == line.index("nofn")


def test_a_function_that_is_not_there_is_pointed_at() -> None:
    told = message(lambda: pf.load("m", "/* erff2 */ double erff2(double x);"), pf.LibraryError)
    assert "has no function 'erff2'; it has erff" in told
    assert told.endswith("\n  line 1: /* erff2 */ double erff2(double x);\n" + " " * 29 + "^")


@pytest.mark.parametrize(("written", "meant"), [("doubel", "double"), ("flot", "float"), ("sizet", "size_t")])
def test_a_slip_in_a_type_is_recognised(written: str, meant: str) -> None:
    for text in (f"{written} f(double x);", f"double f({written} x);", f"typedef double real; {written} f(double x);"):
        with pytest.raises(pf.PrototypeError, match=rf"unknown type {written}; did you mean {meant}\?"):
            pf.load("m", text)
    with pytest.raises(pf.PrototypeError, match=r"unknown type reall; did you mean real\?"):
        pf.load("m", "typedef double real; double f(reall x);")


def test_axes_that_are_not_there(k: Any) -> None:
    two = np.ones((2, 10))
    assert message(lambda: k.dot(x, x, axis=3), ValueError) == ("dot: x has shape (10,), so there is no axis 3: -1 … 0")
    assert message(lambda: k.dot(two, x, axes=[-3, 0]), ValueError) == (
        "dot: x has shape (2, 10), so there is no axis -3: -2 … 1"
    )
    assert message(lambda: k.dot(1.0, x, axis=0), ValueError) == (
        "dot: x has shape (), so there is no axis 0: none at all"
    )
    assert message(lambda: k.dot(x, x, axis="a"), TypeError) == (
        "dot: axis = 'a' (str); the number of a dimension is wanted"
    )
    assert message(lambda: k.dot(x, x, axes=["a", 0]), TypeError).startswith("dot: axes of x = 'a' (str); the number")
    assert message(lambda: k.dot(x, x, axes=3), TypeError).startswith("dot: axes = 3 (int); a list")
    assert message(lambda: k.dot(x, x, keepdims=True, out=np.empty(3)), ValueError) == (
        "dot: out has shape (3,); with keepdims=True dimension -1 wants extent 1"
    )


def test_axes_that_are_named_twice() -> None:
    whole = pf.compile(
        "double corner(int n, int m, const double *a) { return a[n * m - 1]; }",
        "double corner(int n, int m, const double a[n][m]) split();",
    )
    told = message(lambda: whole.corner(np.ones((2, 3)), axes=[(0, -2)]), ValueError)
    assert told == "corner: a: axes (0, -2) of shape (2, 3) name a dimension twice"


def test_ragged_lists_are_told_by_name(k: Any) -> None:
    told = message(lambda: k.dot([[1, 2], [3]], x), ValueError)
    assert told == "dot: x is no array: its parts have different lengths: [[1, 2], [3]] (list)"


def test_arguments_there_are_not(k: Any) -> None:
    assert message(lambda: k.dot(x, z=x), TypeError) == "dot has no argument z; it takes x, y"


def test_what_a_callback_returns_is_checked(k: Any) -> None:
    def words(_: float) -> Any:
        return "a"

    told = message(lambda: k.apply(words, 1.0), TypeError)
    assert told.startswith("apply: f: what test_what_a_callback_returns_is_checked.<locals>.words returned is double;")
    assert told.endswith("'a' (str) does not cast to it")
    assert "takes an integer, not 2.5 (float)" in message(lambda: k.count(lambda _: 2.5, 1), TypeError)
    assert "does not fit int" in message(lambda: k.count(lambda _: 2**31, 1), OverflowError)
    assert (k.apply(lambda _: 1, 1.0), k.count(lambda _: True, 1)) == (1.0, 1)


@pytest.mark.parametrize("name", ["sum", "prod", "min", "max", "any", "all", "mean", "var", "std", "argmax", "cumsum"])
def test_kernels_are_called_what_users_call_them(name: str) -> None:
    told = message(lambda: getattr(pf, name)(np.array(["abc"])), TypeError)
    assert told.startswith(f"{name}: there is no kernel for dtype <U3; there are kernels for bool, integers")


def test_times_are_numbers(k: Any) -> None:
    wrong: Any = "x"
    told = "compile_cache.clear: older_than = 'x' (str); seconds are wanted"
    assert message(lambda: pf.compile_cache.clear(older_than=wrong), TypeError) == told
    future = k.dot.submit(x, x)
    for method in ("result", "exception"):
        told = message(partial(getattr(future, method), timeout="x"), TypeError)
        assert told == f"{method}: timeout = 'x' (str); seconds are wanted, or None for no limit"
    assert future.result(timeout=np.float32(60)) == 0.0
    assert future.exception(60) is None


@pytest.mark.parametrize(
    ("module", "call", "extra"),
    [
        ("tqdm.auto", lambda k: k.dot.options(progress=True)(x, x), "progress"),
        ("matplotlib.pyplot", lambda _: pf.trace().plot(), "plot"),
        ("threadpoolctl", lambda _: pf.register_threadpoolctl(), "threadpoolctl"),
    ],
)
def test_a_line_that_installs_an_extra_works_in_every_shell(
    k: Any, monkeypatch: pytest.MonkeyPatch, module: str, call: Callable[[Any], object], extra: str
) -> None:
    """In zsh square brackets without quotes are a pattern."""
    importlib.import_module("pyffipar.watching")
    monkeypatch.setitem(sys.modules, module, None)
    assert message(lambda: call(k), pf.MissingExtraError).endswith(f": pip install 'pyffipar[{extra}]'")


@pytest.mark.parametrize("dtype", [int, "S3", object, np.longdouble], ids=str)
def test_a_variance_is_of_numbers_with_fractions(dtype: Any) -> None:
    wanted = f"var: dtype is {np.dtype(dtype)}; floats of 16 to 64 bits or complex numbers of 64 and 128 are wanted"
    assert message(lambda: pf.var(x, dtype=dtype), TypeError) == wanted
    assert message(lambda: pf.std(x, dtype=dtype), TypeError) == wanted

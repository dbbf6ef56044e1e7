"""What a user holds: functions and libraries, what they say about themselves, and what a declaration may change."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import Library
from pyffipar.options import EXECUTORS

SOURCE = r"""
#include <stddef.h>
void scale(size_t n, double a, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = a * x[i]; }
double dot(size_t n, const double *x, const double *y) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}
"""
SCALE = "void scale(size_t n, double a, const double x[n], double y[n]);"
DOT = "double dot(size_t n, const double x[n], const double y[n]) reduction(+);"


@pytest.fixture
def library() -> Library:
    return pf.compile(SOURCE, f"{SCALE}\n  {DOT}")


def test_a_function_says_what_it_is(library: Library) -> None:
    assert library.dot.__name__ == "dot"
    assert library.dot.declaration == DOT
    assert library.dot.library == library.path
    assert repr(library.dot) == f"<{DOT} from {library.path}>"
    assert str(library.dot.__doc__).splitlines()[2] == DOT
    assert str(library.dot.__doc__).endswith(f"\nFrom {library.path}.")


def test_a_library_says_what_it_holds(library: Library) -> None:
    assert [function.__name__ for function in library] == ["scale", "dot"]
    assert {"scale", "dot", "declare", "path"} <= set(dir(library))
    assert repr(library) == f"<Library {library.path}: scale, dot>"
    assert repr(pf.load(library.path)) == f"<Library {library.path}: nothing declared>"


def test_an_undeclared_function_is_named_with_those_that_are(library: Library) -> None:
    with pytest.raises(AttributeError) as caught:
        _ = library.dott
    assert str(caught.value) == (
        "dott is not declared; declared functions: scale, dot. Declare it with library.declare(...)"
    )
    assert not hasattr(library, "__wrapped__")


def test_more_can_be_declared_later(library: Library) -> None:
    later = pf.load(library.path)
    later.declare(DOT)
    later.declare(SCALE + DOT)
    assert later.dot([1.0, 2.0], [3.0, 4.0]) == 11.0


def test_all_of_a_text_is_declared_or_nothing(library: Library) -> None:
    later = pf.load(library.path)
    for text in (DOT + "double oops(double x);", DOT + "double scale(foo x);", DOT + SCALE + "double dot(size_t n);"):
        with pytest.raises((pf.PrototypeError, pf.LibraryError)):
            later.declare(text)
        assert list(later) == []


def test_one_name_has_one_meaning(library: Library) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        library.declare("\ndouble dot(size_t n, const double x[n], const double y[n]) split();")
    assert caught.value.message == f"dot is declared already, as {DOT}"
    assert (caught.value.line, caught.value.column) == (2, 8)
    library.declare(DOT.replace(" ", "  "))


def test_a_function_the_library_does_not_have_is_an_error(library: Library) -> None:
    with pytest.raises(pf.LibraryError, match="dott"):
        library.declare("double dott(double x);")


def test_a_merging_function_has_to_be_known(library: Library) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        pf.load(library.path, "double scale(size_t n, const double x[n]) reduction(join(_, _));")
    assert caught.value.message.startswith("scale: join merges, so declare it too, or give it in callables")
    assert caught.value.column == 53


def test_options_make_a_copy(library: Library) -> None:
    serial = library.dot.options(executor="serial")
    one = serial.options(threads=1)
    assert serial is not library.dot
    for function, executor, threads in ((library.dot, "native", None), (serial, "serial", None), (one, "serial", 1)):
        chosen = function._options()
        assert (chosen.executor, chosen.threads) == (executor, threads)
    with pf.options(executor="threads", threads=3):
        assert library.dot._options() == pf.current_options()
        assert (serial._options().executor, serial._options().threads) == ("serial", 3)
    with pytest.raises(ValueError, match="executor = 'gpu'"):
        library.dot.options(executor="gpu")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_prepared_calls_see_what_has_changed_in_the_arrays(library: Library, executor: str) -> None:
    x, y = np.ones(500), np.zeros(500)
    again = library.scale.options(executor=executor, threads=2).prepare(3.0, x, out=y)
    assert (y == 0).all()
    for value in (1.0, 2.0, -1.0):
        x[:] = value
        assert again() is y
        assert (y == 3 * value).all()
    total = library.dot.options(executor=executor, threads=2).prepare(x, x)
    assert [total(), total()] == [500.0, 500.0]
    x[:] = 2
    assert total() == 2000.0


@pytest.mark.parametrize("executor", EXECUTORS)
def test_submitted_calls_hold_their_arrays_and_can_be_awaited(library: Library, executor: str) -> None:
    dot = library.dot.options(executor=executor, threads=2)
    futures = [dot.submit(np.full(10_000, float(number)), np.ones(10_000)) for number in range(5)]
    assert [future.result(timeout=60) for future in futures] == [10_000.0 * number for number in range(5)]

    async def both() -> list[Any]:
        return [await dot.submit([1.0], [2.0]), await dot.submit([3.0], [4.0])]

    assert asyncio.run(both()) == [2.0, 12.0]


def test_what_is_wrong_with_a_submitted_call_is_told_before_it_starts(library: Library) -> None:
    with pytest.raises(ValueError, match=r"^dot: y has shape"):
        library.dot.submit(np.zeros(3), np.zeros(4))


def test_explaining_calls_nothing(library: Library) -> None:
    y = np.full(1000, 7.0)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        library.scale.options(threads=2).explain(2.0, np.ones(1000), out=y)
    assert (y == 7.0).all()
    assert told.getvalue().startswith(SCALE)
    assert "sizes: n = 1000\n" in told.getvalue()


def test_libraries_come_from_names_paths_and_open_ones(library: Library) -> None:
    import ctypes

    sources: list[Any] = [library.path, Path(library.path), ctypes.CDLL(library.path)]
    for source in sources:
        assert pf.load(source, DOT).dot([2.0], [3.0]) == 6.0
    assert pf.load("m", "double cbrt(double x);").cbrt(8.0) == 2.0


@pytest.mark.parametrize(
    ("axes", "expected"),
    [({"axis": 0}, lambda x: (x * x).sum(0)), ({"axis": -1}, lambda x: (x * x).sum(-1)),
     ({"axis": 0, "keepdims": True}, lambda x: (x * x).sum(0, keepdims=True)),
     ({"axes": [(1,), (1,)]}, lambda x: (x * x).sum(1))],
)  # fmt: skip
def test_core_dimensions_may_lie_elsewhere(
    library: Library, axes: dict[str, Any], expected: Callable[..., Any]
) -> None:
    x = np.arange(24.0).reshape(4, 6)
    found = library.dot(x, x, **axes)
    np.testing.assert_array_equal(found, expected(x))


def test_a_failed_compile_declares_nothing() -> None:
    with pytest.raises(pf.CompileError, match="oops"):
        pf.compile("int f(void) { return oops; }", "int f(void);")
    with pytest.raises(pf.PrototypeError):
        pf.compile("int f(void) { return 1; }", "int f(void")

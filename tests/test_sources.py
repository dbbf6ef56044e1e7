"""Arrays of other libraries are looked at where they lie, and what a C function cannot see is refused."""

from __future__ import annotations

import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pyffipar as pf

SOURCE = """
#include <stddef.h>
#include <stdint.h>
/* Where the first chunk lies: the same address means that nothing was copied. */
size_t place(size_t n, const double *x) { (void)n; return (size_t)(uintptr_t)x; }
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void fill(size_t n, double value, double *y) { for (size_t i = 0; i < n; i++) y[i] = value; }
"""
DECLARATIONS = """
size_t place(size_t n, const double x[n]) reduction(first);
double total(size_t n, const double x[n]) reduction(+);
void fill(size_t n, double value, double y[n]) split(n);
"""
VALUES = [1.0, 2.0, 3.0, 4.5]


class OnlyDLPack:
    """An array of a library that knows nothing of NumPy but the exchange protocol."""

    def __init__(self) -> None:
        self._array = np.array(VALUES)

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    @property
    def address(self) -> int:
        return int(self._array.ctypes.data)


class OnlyInterface:
    """An object with nothing but ``__array_interface__``."""

    def __init__(self) -> None:
        self._array = np.array(VALUES)
        self.__array_interface__ = self._array.__array_interface__

    @property
    def address(self) -> int:
        return int(self._array.ctypes.data)


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


def memmap(folder: Path) -> np.memmap[Any, Any]:
    mapped = np.memmap(folder / "values", np.float64, "w+", shape=(len(VALUES),))
    mapped[:] = VALUES
    return mapped


SOURCES: dict[str, Callable[[Path], tuple[Any, int]]] = {
    "pandas": lambda _: _with_address(pd.Series(VALUES), lambda series: series.to_numpy().ctypes.data),
    "polars": lambda _: _with_address(pl.Series(VALUES), lambda series: series.to_numpy().ctypes.data),
    "arrow": lambda _: _with_address(pa.array(VALUES), lambda column: column.buffers()[1].address),
    "memmap": lambda folder: _with_address(memmap(folder), lambda mapped: mapped.ctypes.data),
    "array.array": lambda _: _with_address(array.array("d", VALUES), lambda plain: plain.buffer_info()[0]),
    "memoryview": lambda _: _with_address(
        memoryview(array.array("d", VALUES)), lambda view: np.asarray(view).ctypes.data
    ),
    "DLPack": lambda _: _with_address(OnlyDLPack(), lambda other: other.address),
    "array interface": lambda _: _with_address(OnlyInterface(), lambda other: other.address),
}


def _with_address(source: Any, address: Callable[[Any], int]) -> tuple[Any, int]:
    return source, address(source)


@pytest.mark.parametrize("name", SOURCES)
def test_inputs_of_other_libraries_are_not_copied(library: pf.Library, tmp_path: Path, name: str) -> None:
    source, address = SOURCES[name](tmp_path)
    assert library.total(source) == sum(VALUES)
    assert library.place(source) == address


@pytest.mark.parametrize("name", ["memmap", "array.array", "array interface"])
def test_outputs_of_other_libraries_are_written_in_place(library: pf.Library, tmp_path: Path, name: str) -> None:
    source, _ = SOURCES[name](tmp_path)
    library.fill(value=7.0, out=source)
    np.testing.assert_array_equal(np.asarray(source), 7.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pa.array([1.0, None]), "total: x has nulls, which a C function cannot see: fill them first"),
        (pl.Series([1.0, None]), "total: x has nulls, which a C function cannot see: fill them first"),
        (pd.Series([1.0, None], dtype=object), "total: x has dtype object (Series); numbers are wanted"),
        (
            np.ma.array([1.0, 2.0], mask=[False, True]),
            "total: x has masked elements, which a C function cannot see: fill them first",
        ),
        (np.array(["a"]), "total: x has dtype <U1, which does not cast safely to double (float64)"),
        (
            np.array(["2026-01-01"], "M8[D]"),
            "total: x has dtype datetime64[D], which does not cast safely to double (float64)",
        ),
        ("text", "total: x has dtype <U4 (str); numbers are wanted"),
        (np.array([1.0], np.longdouble), "total: x has dtype float128, which does not cast safely to double (float64)"),
    ],
    ids=["arrow nulls", "polars nulls", "objects", "mask", "strings", "dates", "text", "long double"],
)
def test_what_a_c_function_cannot_see_is_refused(library: pf.Library, source: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        library.total(source)
    assert str(caught.value) == message


def test_a_masked_array_without_masked_elements_is_taken(library: pf.Library) -> None:
    assert library.total(np.ma.array(VALUES, mask=False)) == sum(VALUES)


def test_a_list_is_no_place_for_results(library: pf.Library) -> None:
    with pytest.raises(TypeError, match="written into, so it must be a NumPy array, not list"):
        library.fill(value=1.0, out=[0.0])

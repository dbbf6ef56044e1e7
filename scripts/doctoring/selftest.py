"""Trying: one cut and one lifted call with every executor; all must give the serial loop's bits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar import _native
from pyffipar.options import EXECUTORS

ORACLE = "serial"
LIMIT = 60.0  # s; a call that hangs is a finding, too
ITEMS = 100_000

# libm for a scalar function; our own library for one that is cut, because no compiler need be there.
LIFTED = "double hypot(double x, double y);"
CUT = "double pyffipar_sum_f64(size_t n, const double x[n]) reduction(+);"


@dataclass(frozen=True, slots=True)
class Trial:
    """One executor.

    Attributes
    ----------
    executor : str
    is_good : bool
    seconds : float
        For both calls.
    text : str
        What was wrong, or nothing.
    """

    executor: str
    is_good: bool
    seconds: float
    text: str


def try_executors() -> list[Trial]:
    """Every executor's trial, the oracle's first."""
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((2, ITEMS)) * 10.0 ** generator.integers(-9, 9, (2, ITEMS))
    wanted: list[bytes] = []
    trials = []
    for executor in sorted(EXECUTORS, key=lambda name: name != ORACLE):
        began = time.perf_counter()
        text = ""
        try:
            bits = _bits(executor, x, y)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what is looked for
            text = f"{type(error).__name__}: {error}"
        else:
            wanted = wanted or bits
            if bits != wanted:
                text = f"other bits than {ORACLE}'s"
        trials.append(Trial(executor, not text, time.perf_counter() - began, text))
    return trials


def _bits(executor: str, x: Any, y: Any) -> list[bytes]:
    """The results' bytes."""
    hypot = pf.load("m", LIFTED).hypot
    calls: list[tuple[pf.Function, tuple[Any, ...]]] = [(hypot, (x, y))]
    if _is_there():
        calls.append((pf.load(_native.library(), CUT).pyffipar_sum_f64, (x,)))
    chosen = {"executor": executor, "threads": 2, "timeout": LIMIT}
    return [np.asarray(function.options(**chosen)(*arguments)).tobytes() for function, arguments in calls]


def _is_there() -> bool:
    """Whether there is a native library: the other executors do without."""
    try:
        _native.library()
    except pf.NativeLibraryError:
        return False
    return True

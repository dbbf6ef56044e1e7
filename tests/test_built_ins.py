"""Functions of the native library as Python's own: where they can be made, told apart, and done without."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import _native
from pyffipar._native import built_ins
from pyffipar.executors.repertoire import Repertoire

pytestmark = pytest.mark.skipif(not built_ins.are_here(), reason="this Python cannot be given built-in functions")

x, y = np.linspace(1, 2, 100), np.linspace(3, 4, 100)


def test_ctypes_runs_jobs_where_built_in_functions_are_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_ins, "are_here", lambda: False)
    monkeypatch.setattr("pyffipar.memory.is_had", lambda: False)
    source = Path(__file__).with_name("kernels").joinpath("basics.c").read_text()
    declared = "double dot(size_t n, const double x[n], const double y[n]) reduction(+);"
    dot = pf.compile(source, declared).dot.options(threads=2)
    expected = dot.options(executor="serial")(x, y)
    again = dot.prepare(x, y)
    assert [again(), again(), dot(x, y), dot(x, y)] == [expected] * 4
    assert pf.sum(x) == pf.sum(x.copy())


def test_a_python_that_is_another_one_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = built_ins.are_here.__wrapped__
    assert asked()
    with monkeypatch.context() as patch:
        patch.setattr(sys.implementation, "name", "pypy")
        assert not asked()
    with monkeypatch.context() as patch:
        patch.setattr(built_ins, "_HEAD", built_ins._HEAD + 8)
        assert not asked()
    with monkeypatch.context() as patch:
        patch.setitem(built_ins._FUNCTIONS, "call", "PyNo_SuchFunction")
        assert not asked()


def test_a_capsule_of_somebody_else_is_refused() -> None:
    new_capsule, new_function = built_ins._makers()
    for name, flags in (("pyffipar_at_once", 0x4), ("pyffipar_recall", 0x82)):
        stranger = new_capsule(id(x), b"somebody else's", None)
        with pytest.raises(ValueError, match="incorrect name"):
            new_function(built_ins._definition(name, flags), stranger, None)()


def test_functions_know_how_they_are_called() -> None:
    assert "pyffipar_recall" in repr(Repertoire().recall)
    with pytest.raises(TypeError, match="no arguments"):
        built_ins.at_once(_native.Template(job=ctypes.pointer(_native.Job())))(1)  # type: ignore[call-arg]

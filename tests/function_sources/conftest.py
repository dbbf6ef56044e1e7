"""Modules that others have made, compiled once."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cffi
import pytest
from others import CYTHON, SOURCE, extension

numba: Any = importlib.import_module("numba")  # its own annotations cover only a part of it


@pytest.fixture(scope="module")
def built(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions.c").write_text(SOURCE)
    path = folder / "libfunctions.so"
    subprocess.run([cc, "-shared", "-fPIC", str(folder / "functions.c"), "-o", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def cython_module(cc: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("cython")
    (folder / "made_by_cython.pyx").write_text(CYTHON)
    subprocess.run([sys.executable, "-m", "cython", "made_by_cython.pyx"], cwd=folder, check=True, capture_output=True)
    return extension(cc, folder / "made_by_cython.c")


@pytest.fixture(scope="module")
def cffi_module(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    ffi = cffi.FFI()
    ffi.cdef("double twice(double x); double total(size_t n, const double *x); int any_number(int n, ...);")
    ffi.set_source("made_by_cffi", SOURCE)
    path = tmp_path_factory.mktemp("cffi") / "made_by_cffi.c"
    ffi.emit_c_code(str(path))
    return extension(cc, path)

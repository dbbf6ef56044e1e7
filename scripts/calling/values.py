"""Words of a command line → what a declared function takes: numbers, addresses, arrays mapped from files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from pyffipar.language.parameters import Parameter
from pyffipar.language.scalars import Scalar

Array = np.ndarray[Any, np.dtype[Any]]

FORMS = "FILE.npy, FILE:DTYPE or FILE:DTYPE:SHAPE (such as data.raw:float32 or x.bin:<f8:1000,3), or a list [1, 2]"
_RAW = re.compile(r"(?P<path>.+?):(?P<dtype>[^:]+)(?::(?P<shape>\d+(?:,\d+)*))?")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


class UsageError(Exception):
    """A command line that does not fit the declaration or the files."""


def value_of(parameter: Parameter, text: str) -> Any:
    """What a word stands for, by the parameter it is for.

    Raises
    ------
    UsageError
        If it stands for nothing that parameter could take.
    """
    if parameter.kind == "handle":
        return _address(parameter, text)
    if parameter.kind == "value" and parameter.scalar is not None:
        number = _number(parameter.scalar, text)
        if number is not None:
            return number
    if text.lstrip().startswith("["):
        return _listed(parameter, text)
    return array_in(parameter.name, text)


def _address(parameter: Parameter, text: str) -> int | None:
    if text.lower() in ("null", "none"):
        return None
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"--{parameter.name} {text}: {parameter} is a handle: NULL or an address is wanted") from None


def _number(scalar: Scalar, text: str) -> Any:
    """A number of that type; None where it is no number."""
    kind = scalar.dtype.kind
    try:
        if kind == "b":
            return _TRUTH.get(text.lower())
        if kind in "iu":
            return int(text, 0)
        return complex(text) if kind == "c" else float(text)
    except ValueError:
        return None


def _listed(parameter: Parameter, text: str) -> Array:
    try:
        return np.array(json.loads(text))
    except ValueError as error:
        raise UsageError(f"--{parameter.name} {text}: no list of numbers: {error}") from None


def array_in(name: str, text: str) -> Array:
    """An array mapped from a file, read-only."""
    path, dtype, shape = place(name, text)
    try:
        if dtype is None:
            loaded = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                raise UsageError(f"--{name} {text}: it holds several arrays; save the one that is meant as .npy")
            return loaded
        size = path.stat().st_size
        _check_size(f"--{name} {text}", size, dtype, shape)
        if size == 0:
            return np.empty(shape if shape is not None else 0, dtype)
        return np.memmap(path, dtype, "r", shape=shape)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"--{name} {text}: {error}") from None


def place(name: str, text: str) -> tuple[Path, np.dtype[Any] | None, tuple[int, ...] | None]:
    """File, dtype and shape; without a dtype it is a .npy file."""
    whole = Path(text)
    if whole.suffix in (".npy", ".npz") or whole.is_file():
        if whole.suffix not in (".npy", ".npz"):
            raise UsageError(f"--{name} {text}: which dtype has it? Say {text}:DTYPE, such as {text}:float64")
        return whole, None, None
    match = _RAW.fullmatch(text)
    if match is None:
        raise UsageError(f"--{name} {text}: there is no such file; wanted is {FORMS}")
    try:
        dtype = np.dtype(match["dtype"])
    except TypeError:
        raise UsageError(f"--{name} {text}: NumPy knows no dtype {match['dtype']}") from None
    shape = tuple(map(int, match["shape"].split(","))) if match["shape"] else None
    return Path(match["path"]), dtype, shape


def _check_size(what: str, size: int, dtype: np.dtype[Any], shape: tuple[int, ...] | None) -> None:
    """Refuse a file that does not hold just that many elements."""
    if shape is None:
        if size % dtype.itemsize:
            raise UsageError(f"{what}: {size} bytes are no whole number of {dtype} ({dtype.itemsize} bytes each)")
    elif math.prod(shape) * dtype.itemsize != size:
        wanted = math.prod(shape) * dtype.itemsize
        raise UsageError(f"{what}: the file has {size} bytes, {shape} of {dtype} are {wanted}")

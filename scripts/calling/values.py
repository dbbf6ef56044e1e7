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
_ZIP = b"PK"  # several arrays in one file
_RAW = re.compile(r"(?P<path>.+?):(?P<dtype>[^:]+)(?::(?P<shape>\d+(?:,\d+)*))?")
_NUMBERS = {"b": "true or false", "i": "an integer", "u": "an integer", "f": "a number", "c": "a complex number"}
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
        _check_is_file(parameter, parameter.scalar, text)
    if text.lstrip().startswith("["):
        return _listed(parameter, text)
    return array_in(parameter.name, text)


def file_of(parameter: Parameter, text: str) -> Path | None:
    """The file that a word has read, if any and if it is there."""
    if parameter.kind == "handle" or text.lstrip().startswith("["):
        return None
    if parameter.kind == "value" and parameter.scalar is not None and _number(parameter.scalar, text) is not None:
        return None
    try:
        path = place(parameter.name, text)[0]
    except UsageError:  # `value_of` says it
        return None
    return path if path.exists() else None


def _check_is_file(parameter: Parameter, scalar: Scalar, text: str) -> None:
    """Refuse what is neither a number of the type nor could be a file or a list."""
    if text.lstrip().startswith("[") or Path(text).suffix in (".npy", ".npz") or Path(text).exists():
        return
    if _RAW.fullmatch(text) is None:
        wanted = _NUMBERS[scalar.dtype.kind]
        raise UsageError(
            f"--{parameter.name} {text}: {parameter} takes {wanted}, which this is not, or an array of them, and there"
            f" is no such file; wanted is {wanted}, {FORMS}"
        )


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
            check_npy(f"--{name} {text}", path)
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


def check_npy(what: str, path: Path) -> None:
    """Refuse a file that is none of NumPy's before NumPy takes it for a pickle, and advises to trust it.

    Raises
    ------
    UsageError, OSError
    """
    with path.open("rb") as file:
        start = file.read(len(np.lib.format.MAGIC_PREFIX))
    if not start:
        raise UsageError(f"{what}: the file is empty")
    if start != np.lib.format.MAGIC_PREFIX and not start.startswith(_ZIP):
        raise UsageError(
            f"{what}: the file is no .npy file: it begins with {start!r}, not with {np.lib.format.MAGIC_PREFIX!r};"
            f" if it holds raw numbers, say {path}:DTYPE, such as {path}:float64"
        )


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

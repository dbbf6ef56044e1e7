"""Parallel FFI for NumPy: declare a C function, call it on arrays, on all cores, without the GIL.

Examples
--------
>>> import numpy as np
>>> import pyffipar as pf
>>> m = pf.load("m", "double hypot(double x, double y);")
>>> m.hypot(3.0, np.array([4.0, 0.0]))
array([5., 3.])
"""

from .errors import (
    ChunkError,
    CompileError,
    Failure,
    LibraryError,
    MissingExtraError,
    NativeLibraryError,
    PrototypeError,
    PyffiparError,
)
from .function import Function
from .library import Library, compile, load
from .options import Options, options, set_options
from .options import current as current_options
from .submitting import CallFuture
from .threadpools import register_threadpoolctl

__version__ = "0.1.0"

__all__ = [
    "CallFuture",
    "ChunkError",
    "CompileError",
    "Failure",
    "Function",
    "Library",
    "LibraryError",
    "MissingExtraError",
    "NativeLibraryError",
    "Options",
    "PrototypeError",
    "PyffiparError",
    "compile",
    "current_options",
    "load",
    "options",
    "register_threadpoolctl",
    "set_options",
]

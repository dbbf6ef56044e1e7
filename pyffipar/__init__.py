"""Parallel FFI for NumPy: declare a C function, call it on arrays, on all cores, without the GIL.

Examples
--------
>>> import numpy as np
>>> import pyffipar as pf
>>> m = pf.load("m", "double hypot(double x, double y);")
>>> m.hypot(3.0, np.array([4.0, 0.0]))
array([5., 3.])
"""

from .declaring import function
from .errors import (
    ChunkError,
    CompileError,
    Failure,
    LibraryChangedWarning,
    LibraryError,
    MissingExtraError,
    NativeLibraryError,
    PrototypeError,
    PyffiparError,
    UnpickleError,
)
from .function import Function
from .kernels import (
    all,
    any,
    argmax,
    argmin,
    bincount,
    count_nonzero,
    cumsum,
    dot,
    histogram,
    max,
    mean,
    min,
    nanmax,
    nanmean,
    nanmin,
    nansum,
    norm,
    prod,
    std,
    sum,
    var,
)
from .library import Library, compile, load
from .options import Options, options, set_options
from .options import current as current_options
from .sources import compile_cache
from .sources.pickling import UnpickleRequest
from .submitting import CallFuture
from .system.sharing import shared, shared_empty
from .threadpools import register_threadpoolctl
from .timelines.timeline import Span, Trace, TracedCall, trace

__version__ = "0.1.0"

__all__ = [
    "CallFuture",
    "ChunkError",
    "CompileError",
    "Failure",
    "Function",
    "Library",
    "LibraryChangedWarning",
    "LibraryError",
    "MissingExtraError",
    "NativeLibraryError",
    "Options",
    "PrototypeError",
    "PyffiparError",
    "Span",
    "Trace",
    "TracedCall",
    "UnpickleError",
    "UnpickleRequest",
    "all",
    "any",
    "argmax",
    "argmin",
    "bincount",
    "compile",
    "compile_cache",
    "count_nonzero",
    "cumsum",
    "current_options",
    "dot",
    "function",
    "histogram",
    "load",
    "max",
    "mean",
    "min",
    "nanmax",
    "nanmean",
    "nanmin",
    "nansum",
    "norm",
    "options",
    "prod",
    "register_threadpoolctl",
    "set_options",
    "shared",
    "shared_empty",
    "std",
    "sum",
    "trace",
    "var",
]

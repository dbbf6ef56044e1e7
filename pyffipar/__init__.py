"""Parallel FFI for NumPy: declare a C function, call it on arrays, on all cores, without the GIL.

Examples
--------
>>> import numpy as np
>>> import pyffipar as pf
>>> m = pf.load("m", "double hypot(double x, double y);")
>>> m.hypot(3.0, np.array([4.0, 0.0]))
array([5., 3.])
"""

from importlib import import_module
from typing import TYPE_CHECKING

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
from .library import Library, compile, load
from .options import Options, options, set_options
from .options import current as current_options
from .sources.pickling import UnpickleRequest
from .submitting import CallFuture
from .system.forking import late_import
from .system.sharing import shared, shared_empty
from .threadpools import register_threadpoolctl
from .timelines.timeline import Span, Trace, TracedCall, trace

if TYPE_CHECKING:
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
    from .sources import compile_cache

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

if not TYPE_CHECKING:  # with a `__getattr__` any name would look right to a type checker

    def __getattr__(name: str) -> object:
        """Import the built-in kernels and the compile cache when asked for, which many programs never do."""
        if name not in (*__all__, "kernels"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with late_import():
            if name == "compile_cache":
                found = import_module(".sources.compile_cache", __name__)
            else:
                kernels = import_module(".kernels", __name__)
                found = kernels if name == "kernels" else getattr(kernels, name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, "kernels"})

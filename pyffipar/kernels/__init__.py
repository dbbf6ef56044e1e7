"""The package's own kernels, declared like anyone's: ``pf.sum``, ``pf.dot`` and so on, with NumPy's signatures.

Results have the same bits for any number of threads, any executor, any memory alignment, and whatever vector
instructions the CPU has: lanes and chunks are fixed, nothing is fused.
"""

from .binning import bincount, cumsum, histogram
from .moments import dot, mean, norm, std, var
from .nans import nanmax, nanmean, nanmin, nansum
from .preparing import prepare
from .reductions import all, any, argmax, argmin, count_nonzero, max, min, prod, sum

__all__ = [
    "all", "any", "argmax", "argmin", "bincount", "count_nonzero", "cumsum", "dot", "histogram", "max", "mean", "min",
    "nanmax", "nanmean", "nanmin", "nansum", "norm", "prepare", "prod", "std", "sum", "var",
]  # fmt: skip

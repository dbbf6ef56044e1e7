"""The built-in kernels in the contract language, and the library they come from; each is declared when first wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..function import Function
from ..language.names import TypeNames
from ..language.prototype import read_prototypes
from ..library import Library
from ..partition import Limits
from ..plans.roles import Contract, analyse
from ..sources.symbols import Symbol
from ..system import forking
from ..system.addresses import address_of
from . import direct

Array = np.ndarray[Any, np.dtype[Any]]

# A chunk below this costs more to hand over than to work on; calls of so few items are a single foreign call.
SMALLEST_CHUNK = 16384
LIMITS = Limits(smallest=SMALLEST_CHUNK)  # what the chunk clause below says
SUM_LIMBS = 74  # int64s of sum_accumulator in cpp/kernels/wide_sum.hpp
PRODUCT_LIMBS = 141  # and of product_accumulator

_CUT = f"chunk(min = {SMALLEST_CHUNK})"

# X: the elements, M: which of them take part, R: rows of them, E: borders of bins, S: suffix of the symbol, T: type of
# the elements, W: type of sums and products. Where partial results are floating numbers, a fold of our own merges them
# all: a sum without error, minima with one rule for NaN and signs of zero.
_REDUCTION = {
    "sum": "{W} pyffipar_sum_{S}({X}) reduction({sums})",
    "prod": "{W} pyffipar_prod_{S}({X}) reduction(*)",
    "min": "{T} pyffipar_min_{S}({X}) reduction({minima})",
    "max": "{T} pyffipar_max_{S}({X}) reduction({maxima})",
    "sum_where": "{W} pyffipar_sum_where_{S}({X}, {M}) reduction({sums})",
    "prod_where": "{W} pyffipar_prod_where_{S}({X}, {M}) reduction(*)",
    "min_where": "{T} pyffipar_min_where_{S}({X}, {M}) reduction({minima})",
    "max_where": "{T} pyffipar_max_where_{S}({X}, {M}) reduction({maxima})",
    "sum_rows": "void pyffipar_sum_rows_{S}({R}, {W} r[m]) split(n) reduction(+: r)",
    "prod_rows": "void pyffipar_prod_rows_{S}({R}, {W} r[m]) split(n) reduction(*: r)",
    "min_rows": "void pyffipar_min_rows_{S}({R}, {T} r[m]) split(n) reduction(min: r)",
    "max_rows": "void pyffipar_max_rows_{S}({R}, {T} r[m]) split(n) reduction(max: r)",
    "argmin": "int64_t pyffipar_argmin_{S}({X}) reduction(argmin(x))",
    "argmax": "int64_t pyffipar_argmax_{S}({X}) reduction(argmax(x))",
    "any": "bool pyffipar_any_{S}({X}) reduction(||)",
    "all": "bool pyffipar_all_{S}({X}) reduction(&&)",
    "any_where": "bool pyffipar_any_where_{S}({X}, {M}) reduction(||)",
    "all_where": "bool pyffipar_all_where_{S}({X}, {M}) reduction(&&)",
    "count_nonzero": "int64_t pyffipar_count_nonzero_{S}({X}) reduction(+)",
    "cumsum": "void pyffipar_cumsum_{S}({X}, {W} start, {W} y[n]) split()",
    # floating types only
    "dot": "{T} pyffipar_dot_{S}({X}, const {T} y[n]) reduction({sums})",
    "sumsq": "{T} pyffipar_sumsq_{S}({X}, {T} scale) reduction({sums})",
    "sqdev": "{T} pyffipar_sqdev_{S}({X}, {T} mean) reduction({sums})",
    "sqdev_where": "{T} pyffipar_sqdev_where_{S}({X}, {M}, {T} mean)"
    " reduction({sums})",
    "sqdev_rows": "void pyffipar_sqdev_rows_{S}({R}, const {T} mean[m], {T} r[m])"
    " split(n) reduction(+: r)",
    "moments": "void pyffipar_moments_{S}({X}, double m[3]) reduction(pyffipar_fold_moments(_): m)",
    "nansum": "{T} pyffipar_nansum_{S}({X}) reduction({sums})",
    "nanmin": "{T} pyffipar_nanmin_{S}({X}) reduction(pyffipar_fold_nanmin_{S}(_))",
    "nanmax": "{T} pyffipar_nanmax_{S}({X}) reduction(pyffipar_fold_nanmax_{S}(_))",
    "count_numbers": "int64_t pyffipar_count_numbers_{S}({X}) reduction(+)",
    "exact_sum": f"void pyffipar_exact_sum_{{S}}({{X}}, int64_t acc[{SUM_LIMBS}]) reduction(+: acc)",
    "exact_dot": "void pyffipar_exact_dot_{S}({X}, const {T} y[n], int64_t acc[{L}])"
    " reduction(+: acc)",
    "histogram": "void pyffipar_histogram_{S}({X}, size_t bins, {E},"
    " double scale, int64_t counts[bins]) split(n) reduction(+: counts)",
}  # fmt: skip
_COMPLEX = {
    "sum": "void pyffipar_sum_{S}({X}, {T} r[1]) reduction(+: r)",
    "prod": "void pyffipar_prod_{S}({X}, {T} r[1]) reduction(*: r)",
    "dot": "void pyffipar_dot_{S}({X}, const {T} y[n], {T} r[1]) reduction(+: r)",
    "count_nonzero": _REDUCTION["count_nonzero"],
}
# Folds and the like are never cut: they take everything in one call.
_WHOLE = {
    **{
        f"fold_{rule}": f"{{T}} pyffipar_fold_{rule}_{{S}}(size_t k, const {{T}} parts[k]) split()"
        for rule in ("sum", "min", "max", "nanmin", "nanmax")
    },
    "fold_moments": "void pyffipar_fold_moments(size_t k, const double parts[k][3], double m[3]) split()",
    "round_sum": f"double pyffipar_round_sum(const int64_t acc[{SUM_LIMBS}], int32_t precision, int32_t least)",
    "round_dot": f"double pyffipar_round_dot(const int64_t acc[{PRODUCT_LIMBS}], int32_t precision, int32_t least)",
}
_BINNING = {
    "bincount": "void pyffipar_bincount(size_t n, const int64_t x[n], size_t bins, int64_t counts[bins])"
    " split(n) reduction(+: counts)",
    "weighted_bincount": "void pyffipar_weighted_bincount(size_t n, const int64_t x[n], const double weights[n],"
    " size_t bins, double sums[bins]) split(n) reduction(+: sums)",
    "weighted_histogram": "void pyffipar_weighted_histogram(size_t n, const double x[n], const double weights[n],"
    " size_t bins, {E}, double scale, double sums[bins]) split(n) reduction(+: sums)",
}
_C_TYPES = {
    "f32": "float", "f64": "double", "c64": "float _Complex", "c128": "double _Complex",
    **{f"{sign}{bits}": f"{'u' * (sign == 'u')}int{bits}_t" for sign in "iu" for bits in (8, 16, 32, 64)},
}  # fmt: skip
_ACCUMULATORS = {"i": "int64_t", "u": "uint64_t"}
_PARTS = {
    "X": "size_t n, const {T} x[n]",
    "M": "const uint8_t mask[n]",
    "R": "size_t n, size_t m, ptrdiff_t apart, const {T} x[0 : n : apart][m]",
    "E": "const double edges[bins + 1]",
}
_DTYPES = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}
_FOLD = re.compile(r"reduction\((pyffipar_(fold_\w+))\(_\)")

# Reductions of one value whose partial results one function merges.
MERGES = {
    "sum": "fold_sum", "nansum": "fold_sum", "dot": "fold_sum", "min": "fold_min", "max": "fold_max",
    "nanmin": "fold_nanmin", "nanmax": "fold_nanmax",
}  # fmt: skip

_lock = forking.Lock()


def suffix(dtype: np.dtype[Any]) -> str:
    """How kernels for a dtype are called; those for bytes serve ``bool``."""
    return "u8" if dtype.kind == "b" else f"{dtype.kind}{8 * dtype.itemsize}"


def has_kernels(dtype: np.dtype[Any]) -> bool:
    """Whether there are kernels for a dtype."""
    return suffix(dtype) in _C_TYPES


@cache
def _libraries() -> tuple[Library, Library]:
    """The one for folds and rounding, and the one for everything that is cut."""
    opened = direct.own_library()
    origin = direct.KernelOrigin()
    return Library(opened, origin=origin), Library(opened, origin=origin)


@cache
def kernel(family: str, dtype: np.dtype[Any] | None = None) -> Function:
    """A built-in kernel, for elements of one dtype where it depends on that."""
    name = suffix(dtype) if dtype is not None else ""
    symbol = f"pyffipar_{family}_{name}" if name else f"pyffipar_{family}"
    text = declaration(family, name)
    whole, cut = _libraries()
    library = whole if family in _WHOLE else cut
    fold = _FOLD.search(text)
    with _lock:
        library.declare(f"{text};", {} if fold is None else {fold[1]: fold_of(fold[2])})
    function: Function = getattr(library, symbol)
    return function


@cache
def contract_of(family: str, dtype: np.dtype[Any]) -> tuple[Contract, Symbol]:
    """What a kernel's declaration says, and where it is."""
    name = suffix(dtype)
    (prototype,) = read_prototypes(f"{declaration(family, name)};", TypeNames())
    return analyse(prototype), direct.own_library().symbol(f"pyffipar_{family}_{name}")


class Fold:
    """Merges all partial results of a call by a kernel: directly for a single call, through its declaration for many.

    Parameters
    ----------
    name : str
        As in ``pyffipar_fold_sum_f64``, less the prefix.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        family, _, last = name.rpartition("_")
        self._dtype = _DTYPES.get(last)
        self._family = name if self._dtype is None else family
        self._returns = self._dtype is not None
        self._call = direct.foreign(f"pyffipar_{name}", self._dtype, 1 if self._returns else 2)

    def __reduce__(self) -> tuple[Callable[[str], Fold], tuple[str]]:
        return fold_of, (self._name,)

    def of(self, partials: Array) -> Callable[[], Any]:
        """What merges this very array, one-dimensional and contiguous, whenever it is called; keep the array alive."""
        return direct.bound(self._call, partials)

    def __call__(self, partials: Array) -> Any:
        """Merge along the axis of the chunks: the last one, or the last but one in front of arrays."""
        if partials.ndim == 1 and partials.flags.c_contiguous:
            return self.of(partials)()
        if self._returns:
            return kernel(self._family, self._dtype)(partials)
        if partials.ndim == 2:
            packed = np.ascontiguousarray(partials)
            merged = np.empty(partials.shape[1:], partials.dtype)
            self._call(len(packed), address_of(packed), address_of(merged))
            return merged
        return kernel(self._family)(partials)


@cache
def fold_of(name: str) -> Fold:
    """The one of that name."""
    return Fold(name)


def declaration(family: str, name: str) -> str:
    """The declaration of a kernel for the dtype with suffix `name`."""
    if not name:
        return _WHOLE[family] if family in _WHOLE else f"{_BINNING[family].format(**_PARTS)} {_CUT}"
    values = {
        **{part: text.format(T=_C_TYPES[name]) if "{T}" in text else text for part, text in _PARTS.items()},
        "S": name,
        "T": _C_TYPES[name],
        "W": _ACCUMULATORS.get(name[0], _C_TYPES[name]),
        "sums": f"pyffipar_fold_sum_{name}(_)" if name[0] == "f" else "+",
        "minima": f"pyffipar_fold_min_{name}(_)" if name[0] == "f" else "min",
        "maxima": f"pyffipar_fold_max_{name}(_)" if name[0] == "f" else "max",
        "L": PRODUCT_LIMBS if name == "f64" else SUM_LIMBS,
    }
    if family in _WHOLE:
        return _WHOLE[family].format(**values)
    text = (_COMPLEX if name[0] == "c" else _REDUCTION)[family].format(**values)
    return text if text.endswith("split()") else f"{text} {_CUT}"

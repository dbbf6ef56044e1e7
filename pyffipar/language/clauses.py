"""What the clauses behind a prototype say, as values: ``reduction(+)``, ``split(n)``, ``carry(crc = 0)`` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ..partition import Limits

RETURNED = ""  # stands for the returned value where a parameter's name is wanted

OPERATORS = ("+", "*", "min", "max", "&", "|", "^", "&&", "||", "mean", "hypot", "first", "last", "concat")
LOCATORS = ("argmin", "argmax")
BOUNDARIES = ("reflect", "mirror", "nearest", "wrap", "constant")
Number = int | float


@dataclass(frozen=True, slots=True)
class Reduction:
    """How partial results of one thing merge.

    Attributes
    ----------
    operator : str
        An operator of the language, or the name of a function.
    operands : tuple of str
        What stood in its own brackets: ``("x",)`` in ``argmin(x)``, ``("_", "_", "len")`` in ``g(_, _, len)``. With
        one ``_`` a function takes the partial results of all chunks as one array, first chunk first.
    position : int
        Offset in the declaration text.
    """

    operator: str
    operands: tuple[str, ...] = ()
    position: int = 0

    @property
    def is_builtin(self) -> bool:
        """Whether it is an operator of the language rather than a function somebody wrote."""
        return self.operator in OPERATORS or self.operator in LOCATORS

    @property
    def is_whole(self) -> bool:
        """Whether a function takes all partial results at once, as in ``g(_)``, instead of two at a time."""
        return self.operands.count("_") == 1

    def __str__(self) -> str:
        return f"{self.operator}({', '.join(self.operands)})" if self.operands else self.operator


@dataclass(frozen=True, slots=True)
class Status:
    """What a returned status means.

    Attributes
    ----------
    expected : int or str
        The value that means success, or the size whose value does.
    describe : str or None
        Foreign function that gives the text of a code: ``const char *f(int)``.
    """

    expected: int | str
    describe: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """A call written in a clause; `arguments` are ``_`` (the caller's handle), integers, or further calls."""

    name: str
    arguments: tuple[str | int | ForeignCall, ...]


@dataclass(frozen=True, slots=True)
class Private:
    """How every worker gets a handle of its own.

    Attributes
    ----------
    clone : ForeignCall
        Makes one.
    free, reset : str or None
        Foreign functions that take it: the first ends it, the second empties a fresh one.
    """

    clone: ForeignCall
    free: str | None = None
    reset: str | None = None


@dataclass(frozen=True, slots=True)
class Boundary:
    """What stands beyond the ends of a halo: a mode, and the value of ``constant``."""

    mode: str
    value: Number = 0


@dataclass(frozen=True, slots=True)
class Clauses:
    """All clauses of one declaration; `positions` says where each stands.

    Attributes
    ----------
    split : str or None
        The size calls are cut along; ``""`` for ``split()``: never cut; None where the declaration does not say.
    boundaries : dict
        By array; the name ``""`` means every array with a halo.
    default : dict
        By parameter; None is NULL, for arrays and handles that may be left out.
    init : str or None
        Foreign function called once after loading.
    """

    reductions: Mapping[str, Reduction] = field(default_factory=dict)
    split: str | None = None
    directions: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    fixed: Mapping[str, Number] = field(default_factory=dict)
    default: Mapping[str, Number | None] = field(default_factory=dict)
    carry: Mapping[str, Number] = field(default_factory=dict)
    linear: Mapping[str, Fraction] = field(default_factory=dict)
    status: Status | None = None
    private: Mapping[str, Private] = field(default_factory=dict)
    boundaries: Mapping[str, Boundary] = field(default_factory=dict)
    init: str | None = None
    positions: Mapping[str, int] = field(default_factory=dict)

"""Prototype + arrays → a frozen plan: how every C argument is made for every call, the grid, and how to merge.

A *call* is one (item, chunk) pair: items count through the loop shape in C order, chunks through the grid along the
size that is cut. Calls are numbered ``item * chunks + chunk``. Planning starts no threads and calls nothing.

What is made anew for every call, however small, is a named tuple: frozen dataclasses take four times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .. import partition
from ..kinds import Kind
from ..language.clauses import Private, Reduction, Status
from ..language.parameters import Parameter
from ..language.scalars import Scalar
from .callbacks import Callback
from .roles import Contract

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Argument:
    """How one C argument (or the returned value) is made for every call.

    Attributes
    ----------
    name : str
    kind : Kind
    scalar : Scalar or None
        C type of the value or of the elements; None for a handle.
    value : object
        CONSTANT: the value itself; CARRY: the value in all chunks but the first.
    array : ndarray or None
        Where the data lies: the loop dimensions (and, with `per_call`, the chunks), then the core.
    core_ndim : int
    factor, offset : int
        If `factor` is not 0 the leading core dimension is cut: a chunk covers ``factor * length + offset`` elements
        from ``factor * start - before`` on.
    lowers : tuple of int
        For every core dimension the first index the function reads, counted from the pointer it gets.
    boundary : Parameter or None
        The parameter whose boundary clause says what stands beyond the ends, `before` elements in front and `after`
        behind.
    step : Fraction
        LINEAR: by how much it advances per item.
    read, written : bool
        What the function does with the elements.
    per_call : bool
        Every call has its own place: `array` has the chunks as a dimension behind the loop's.
    """

    name: str
    kind: Kind
    scalar: Scalar | None
    value: Any = None
    array: Array | None = None
    core_ndim: int = 0
    factor: int = 0
    offset: int = 0
    lowers: tuple[int, ...] = ()
    boundary: Parameter | None = None
    step: Fraction = Fraction(0)
    read: bool = False
    written: bool = False
    per_call: bool = False

    def without_memory(self) -> Argument:
        """The same with an array that is nothing but shape and dtype: to outlive a call, and still tell sizes."""
        if self.array is None:
            return self
        return replace(self, array=np.broadcast_to(np.zeros((), self.array.dtype), self.array.shape))


class Merge(NamedTuple):
    """Partial results and where they go.

    Attributes
    ----------
    name : str
        The array's name, or ``return``.
    reduction : Reduction
    partials : ndarray
        Shape of `into` with the chunks behind the loop dimensions. Under ``concat`` the lengths that are used.
    into : ndarray
    keep : bool
        Whether what `into` held before takes part.
    values : ndarray or None
        Under ``argmin`` and ``argmax`` what the indices point into.
    operands : dict
        Whole values that a merging function takes by name.
    """

    name: str
    reduction: Reduction
    partials: Array
    into: Array
    keep: bool
    values: Array | None = None
    operands: Mapping[str, Any] | None = None


class Result(NamedTuple):
    """What the caller gets: an array by name, and whether it is the caller's own."""

    name: str
    array: Array
    given: bool


class Outcome(NamedTuple):
    """Where one execution of a plan leaves what comes of it."""

    merges: tuple[Merge, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class PrivateHandle:
    """A handle of which every worker, or every task, gets a copy.

    Attributes
    ----------
    name : str
    original : int
        The caller's.
    private : Private
        Which foreign functions make and end one.
    reduction : Reduction or None
        How copies merge into the original; then there is one for every task, else one for every worker.
    """

    name: str
    original: int
    private: Private
    reduction: Reduction | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an executor needs to know about one call.

    Attributes
    ----------
    contract : Contract
    sizes : dict
    loop_shape : tuple of int
    grid : Grid
        Along the size that is cut; one chunk if none is.
    calls : int
        Foreign calls in all; 0 when there is nothing to do.
    grain : int
        Calls handed to a worker at once.
    arguments : tuple of Argument
        In C order.
    returned : Argument or None
        Where returned values are kept.
    handles : tuple of PrivateHandle
    outcome : Outcome
        Partial results, how they merge, and what the caller gets.
    alive : tuple
        Owners of memory that no array here holds.
    callbacks : tuple of Callback
        Python callables that C is given pointers to.
    """

    contract: Contract
    sizes: dict[str, int]
    loop_shape: tuple[int, ...]
    grid: partition.Grid
    calls: int
    grain: int
    arguments: tuple[Argument, ...]
    returned: Argument | None
    handles: tuple[PrivateHandle, ...]
    outcome: Outcome
    alive: tuple[Any, ...]
    callbacks: tuple[Callback, ...]

    @property
    def status(self) -> Status | None:
        """What a returned status means, if the function returns one."""
        return self.contract.prototype.clauses.status

    @property
    def tasks(self) -> int:
        """Pieces of work that can be handed out."""
        return -(-self.calls // self.grain)

    def where(self, call: int) -> tuple[tuple[int, ...], int, int]:
        """Loop index, first item and end of a call."""
        item, chunk = divmod(call, self.grid.chunks)
        index = tuple(int(i) for i in np.unravel_index(item, self.loop_shape)) if self.loop_shape else ()
        return (index, *self.grid.span(chunk))

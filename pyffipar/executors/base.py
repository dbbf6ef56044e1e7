"""What every executor is given and promises."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..errors import ChunkError, Failure, note_others
from ..plans.foreign import Foreign
from ..plans.pieces import Piece
from ..plans.plan import Plan
from ..sources.symbols import Symbol
from ..watching import Watch

Array = np.ndarray[Any, np.dtype[Any]]


class Run(NamedTuple):
    """One execution of a plan.

    Attributes
    ----------
    plan : Plan
    symbol : Symbol
        The foreign function.
    threads : int
        Most threads that may work, the caller included.
    handles : dict
        Addresses of private handles by parameter name, by worker or by task.
    describe : callable
        The library's own words for a status.
    watch : Watch
        Looked at now and then; raises when the call is to end early.
    foreign : Foreign or None
        How another process finds the function; None for one of our own that is only called here.
    """

    plan: Plan
    symbol: Symbol
    threads: int
    handles: Mapping[str, Array]
    describe: Callable[[int], str]
    watch: Watch
    foreign: Foreign | None = None


class Executor(Protocol):
    """Carries out the calls of a plan.

    When `run` returns every call has been made; when it raises, no call is running any more. Which thread makes
    which call, and when, must not show in any array.
    """

    def is_here(self, watch: Watch) -> bool:
        """Whether the calls are made in this process, on handles that were made here."""

    def run(self, run: Run) -> None:
        """Make every call of ``run.plan``."""

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """What `run` does, with all done beforehand that can be; to be called with runs of this plan."""


def bad_status(run: Run, call: int, value: int, errno: int) -> Failure:
    """A call whose returned status does not mean success."""
    item, start, stop = run.plan.where(call)
    words = run.describe(value)
    text = f"returned {value}{f' ({words})' if words else ''}"
    if errno:
        text += f", errno {errno} ({os.strerror(errno)})"
    return Failure(item, start, stop, value, errno, text)


def piece_failure(piece: Piece, words: str) -> Failure:
    """A failure somewhere in a piece, nobody knows in which of its calls."""
    plan = piece.plan
    stop = piece.start + plan.grid.length
    if plan.calls == plan.grid.chunks:  # of one item
        return Failure(piece.item, piece.start, stop, None, 0, words)
    last = tuple(begin + extent - 1 for begin, extent in zip(piece.item, plan.loop_shape, strict=True))
    return Failure((), piece.start, stop, None, 0, f"somewhere from {piece.item} to {last} {words}")


def raise_failed(
    run: Run, done: int, errors: list[BaseException], failures: list[Failure], cause: Exception | None = None
) -> None:
    """Raise what went wrong with any piece; nothing if all went well.

    Parameters
    ----------
    run : Run
    done : int
        Calls that were made.
    errors : list of BaseException
        What ended the work on a piece; the first is raised, with notes on the others.
    failures : list of Failure
        Calls that failed.
    cause : Exception, optional
        Of the failures.
    """
    if errors:
        first, *others = errors
        note_others(first, others, "another worker failed as well")
        raise first
    run.watch.finished(done)
    if failures:
        ordered = sorted(failures, key=lambda failure: (failure.item, failure.start))
        raise chunk_error(run, tuple(ordered)) from cause


def chunk_error(run: Run, failures: tuple[Failure, ...]) -> ChunkError:
    """One error for all calls that failed, the first in call order in front."""
    contract = run.plan.contract
    name = contract.prototype.name
    lines = []
    for failure in failures:
        where = f" at {failure.item}" if failure.item else ""
        span = f" on {contract.split} = {failure.start} … {failure.stop}" if contract.split else ""
        lines.append(f"{name}{where}{span} {failure.text}")
    return ChunkError("\n".join(lines), name, failures)

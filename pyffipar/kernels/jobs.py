"""A kernel over plain arrays, planned and laid out for the native pool once, to be run on other arrays of that size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..binding import bind
from ..executors import Run, executor
from ..planning import make_plan
from ..recall import Rebasable
from ..watching import Watch
from .declarations import contract_of

Array = np.ndarray[Any, np.dtype[Any]]


class Job:
    """One kernel, one size, one number of threads; not to be run twice at a time.

    Parameters
    ----------
    family : str
    dtype : dtype
    threads : int
    arrays : tuple of ndarray
        Contiguous, of equal size; whoever runs the job keeps them alive.
    """

    def __init__(self, family: str, dtype: np.dtype[Any], threads: int, arrays: tuple[Array, ...]) -> None:
        contract, symbol = contract_of(family, dtype)
        flat = tuple(array.reshape(-1) for array in arrays)
        plan = make_plan(contract, bind(contract, flat, {}))
        self.threads = threads
        self._names = tuple(parameter.name for parameter in contract.arguments)
        self._partials = plan.outcome.merges[0].partials
        call = executor("native").prepare(plan, symbol, threads)
        assert isinstance(call, Rebasable)  # it has calls to make
        self._call = call
        # a job that waits for its next call must not keep this one's arrays alive
        arguments = tuple(replace(a, array=None) if a.array is not None else a for a in plan.arguments)
        self._plan = replace(plan, arguments=arguments)
        self._call.forget(self._plan)
        self._symbol = symbol

    def run(self, arrays: tuple[Array, ...] | None = None) -> Array:
        """The partial results, on the arrays of the last time or on others."""
        if arrays is not None:
            for name, array in zip(self._names, arrays, strict=True):
                self._call.rebase(name, array)
        with Watch(self._plan) as watch:
            self._call(Run(self._plan, self._symbol, self.threads, {}, _no_words, watch))
        return self._partials


def _no_words(code: int) -> str:
    """Built-in kernels return no status."""
    return str(code)

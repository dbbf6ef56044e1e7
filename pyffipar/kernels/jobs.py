"""A kernel over plain arrays, planned and laid out for the native pool once, to be run on other arrays of that size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..executors import executor, native
from ..plans.binding import bind
from ..plans.planning import make_plan
from ..system.addresses import address_of
from .declarations import contract_of

Array = np.ndarray[Any, np.dtype[Any]]
Merging = Callable[[Array], Callable[[], Any]]


class Job:
    """One kernel, one size, one number of threads; not to be run twice at a time.

    Parameters
    ----------
    family : str
    dtype : dtype
    threads : int
    arrays : tuple of ndarray
        Contiguous, of equal size; whoever runs the job keeps them alive.
    merge : callable
        Makes of the array for partial results what will merge them.
    """

    def __init__(
        self, family: str, dtype: np.dtype[Any], threads: int, arrays: tuple[Array, ...], merge: Merging
    ) -> None:
        contract, symbol = contract_of(family, dtype)
        flat = tuple(array.reshape(-1) for array in arrays)
        plan = make_plan(contract, bind(contract, flat, {}))
        self.threads = threads
        self._names = tuple(parameter.name for parameter in contract.arguments)
        self._partials = plan.outcome.merges[0].partials
        self._merged = merge(self._partials)
        call = executor("native").prepare(plan, symbol, threads)
        assert isinstance(call, native.Job)  # it has calls to make
        self._call = call
        # a job that waits for its next call must not keep this one's arrays alive
        self._call.forget(replace(plan, arguments=tuple(argument.without_memory() for argument in plan.arguments)))
        self._symbol = symbol

    def run(self, arrays: tuple[Array, ...] | None = None) -> Any:
        """The merged result, on the arrays of the last time or on others."""
        if arrays is not None:
            for name, array in zip(self._names, arrays, strict=True):
                self._call.rebase(name, address_of(array))
        self._call.run_plain(self._symbol, self.threads, _no_words)
        return self._merged()


def _no_words(code: int) -> str:
    """Built-in kernels return no status."""
    return str(code)

"""NumPy called from threads."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

from .common import jobs
from .common.base import Group, Prepared, Road, Work, module, worker
from .common.calls import LONGEST_SWITCH, Calls, by_threads

INSTALL = "pip install numpy"


def setup(variant: str) -> tuple[str, Any]:
    """Import NumPy."""
    return variant, importlib.import_module("numpy")


def prepare(state: tuple[str, Any], work: Work) -> Prepared:
    """Make a job ready for threads that call NumPy."""
    variant, np = state
    dtype = {"float64": np.float64, "object": object}[variant]

    def data(n: int) -> Any:
        return np.frombuffer(jobs.numbers(n)).astype(dtype)

    if work.job == "witness":
        values = data(work.size)
        return Prepared(lambda: int(any(witness(np, values) for _ in range(work.count))))
    calls = Calls(total=lambda values, start, stop: float(np.sum(values[start:stop])), data=data)
    return by_threads(calls, work)


def witness(np: Any, values: Any) -> bool:
    """Whether this thread runs Python while another one is inside np.sum.

    The other thread says so before it calls and after it has returned, and the interpreter does not switch threads by
    itself meanwhile. So "inside" can only be seen if NumPy lets go of the GIL. (np.sum and not np.add: an object array
    made for the result is zeroed without the GIL, though nothing else is done without it.)
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONGEST_SWITCH)
    inside = [False]

    def call() -> None:
        inside[0] = True
        np.sum(values)
        inside[0] = False

    seen = False
    try:
        thread = threading.Thread(target=call)
        thread.start()
        while thread.is_alive() and not seen:
            seen = inside[0]
        thread.join()
    finally:
        sys.setswitchinterval(before)
    return seen


def command(variant: str) -> Any:
    """The worker, if there is NumPy."""
    module("numpy", INSTALL)
    return worker("numpy_threads", variant)


ROADS = (
    Road(
        name="numpy",
        what="NumPy's own loops, called from threads on chunks of an array. They let go of the GIL for numeric "
        "dtypes; each call itself uses one core.",
        group=Group.RELEASES,
        code="NumPy",
        jobs=("sum",),
        overlaps={"witness": True},
        command=lambda _folder: command("float64"),
        note="np.sum adds pairwise; there is no fib in NumPy.",
    ),
    Road(
        name="numpy-object",
        what="The same calls on an array of dtype object. Every item is a Python object, so NumPy keeps the GIL.",
        group=Group.HOLDS,
        code="NumPy",
        jobs=("sum",),
        overlaps={"witness": False},
        command=lambda _folder: command("object"),
    ),
)

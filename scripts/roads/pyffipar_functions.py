"""pyffipar: C functions on arrays, declared by their prototypes."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import Any

from .common import jobs
from .common.base import Command, Group, Missing, Prepared, Road, Work, module, worker
from .common.calls import take_spans

INSTALL = "pip install pyffipar"
DECLARATIONS = """
long fib(int n) chunk(max = 1);
long timed_fib(int n) chunk(max = 1);
double total(size_t n, const double x[n]) reduction(+);
long get(int port) chunk(max = 1);
int meet(int wanted, int patience) chunk(max = 1);
"""


def setup(variant: str) -> tuple[str, Any, Any]:
    """Compile and declare the jobs; see whether the executor works."""
    pf = importlib.import_module("pyffipar")
    np = importlib.import_module("numpy")
    functions = pf.compile(jobs.source().read_text("utf-8"), DECLARATIONS)
    try:
        functions.fib.options(executor=variant, threads=2)(np.zeros(2, np.intc))
    except pf.NativeLibraryError as error:
        raise Missing(f"pyffipar has no native library here: {error}", INSTALL) from error
    return variant, functions, np


def prepare(state: tuple[str, Any, Any], work: Work) -> Prepared:
    """Make a job ready: one call on an array of arguments."""
    variant, functions, np = state
    chosen = {"executor": variant, "threads": work.workers}

    def lifted(name: str, *values: int) -> Any:
        arguments = [np.full(work.count, value, np.intc) for value in values]
        return partial(getattr(functions, name).options(**chosen), *arguments)

    if work.job == "cpu":
        fib = lifted("fib", work.size)
        return Prepared(lambda: int(fib().max()))
    if work.job == "io":
        get = lifted("get", work.port)
        return Prepared(lambda: int(get().min()))
    if work.job == "native":
        meet = lifted("meet", work.workers, work.patience)
        return Prepared(lambda: int(meet().sum()))
    if work.job == "spans":
        timed = lifted("timed_fib", work.size)
        return Prepared(lambda: (timed(), take_spans(functions.timed_fib.library))[1])
    if work.job == "sum":
        total = functions.total.options(**chosen)
        data = np.frombuffer(jobs.numbers(work.size))
        return Prepared(lambda: float(total(data)))
    raise NotImplementedError(f"no job {work.job!r} on this road")


def command(variant: str) -> Command:
    """The worker, if pyffipar is installed."""
    module("pyffipar", INSTALL)
    return worker("pyffipar_functions", variant)


ROADS = (
    Road(
        name="pyffipar-threads",
        what="A C function declared by its prototype, called once on whole arrays; chunks run on Python threads "
        "through ctypes. The declaration says how partial results merge.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda _folder: command("threads"),
        extras=("spans",),
    ),
    Road(
        name="pyffipar-native",
        what="The same call, the chunks on pyffipar's pool of native threads: one crossing of the border per "
        "call. The bits of the result do not depend on the number of threads.",
        note="A pool for computing: it has no more threads than there are cores.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda _folder: command("native"),
        most_workers=max(os.cpu_count() or 1, 2),
        extras=("spans",),
    ),
)

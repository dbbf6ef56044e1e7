"""Carrying out a plan: the calls, whoever makes them, looked after as far as they need it; then the merge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .executors import Run, executor, native
from .options import Options
from .plans.foreign import Foreign
from .plans.merging import ending, finish, has_copies, start
from .plans.plan import Outcome, Plan
from .watching import Watch


def carry_out(
    foreign: Foreign,
    chosen: Options,
    threads: int,
    plan: Plan,
    outcome: Outcome,
    run: Callable[[Run], None],
    stop: threading.Event | None = None,
) -> Any:
    """Make the calls of a plan, and merge.

    Parameters
    ----------
    foreign : Foreign
    chosen : Options
    threads : int
    plan : Plan
    outcome : Outcome
        Where the results of this call are; the plan's own, unless it is used again.
    run : callable
        What the executor made of the plan.
    stop : Event, optional
        Ends the call early when it is set.
    """
    if outcome.merges:
        start(plan)
    companions = foreign.companions
    if stop is None and isinstance(run, native.Job) and _is_plain(chosen, run):
        run.run_plain(foreign.symbol, threads, foreign.describe)
        return finish(plan, outcome, companions.functions)
    with Watch(plan, chosen.timeout, chosen.progress, stop) as watch:
        if not plan.handles or not executor(chosen.executor).is_here(watch):
            run(Run(plan, foreign.symbol, threads, {}, foreign.describe, watch, foreign))
            return finish(plan, outcome, companions.functions)
        with companions.private_handles(plan, threads) as handles:
            run(Run(plan, foreign.symbol, threads, handles, foreign.describe, watch, foreign))
            companions.merge_handles(plan, handles)
            return finish(plan, outcome, companions.functions)


def repeater(
    foreign: Foreign, chosen: Options, threads: int, plan: Plan, run: Callable[[Run], None]
) -> Callable[[], Any]:
    """What carries a plan out again and again, on the same arrays; parameters as of `carry_out`."""
    if not isinstance(run, native.Job) or not _is_plain(chosen, run):
        return partial(carry_out, foreign, chosen, threads, plan, plan.outcome, run)
    copies = has_copies(plan)
    run_plain, symbol, describe = run.run_plain, foreign.symbol, foreign.describe
    end = ending(plan, foreign.companions.functions)

    def repeat() -> Any:
        if copies:
            start(plan)
        run_plain(symbol, threads, describe)
        return end()

    return repeat


def _is_plain(chosen: Options, job: native.Job) -> bool:
    """Whether calls need looking after only if they take long."""
    return chosen.timeout is None and not chosen.progress and job.is_plain

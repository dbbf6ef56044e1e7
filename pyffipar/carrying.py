"""Carrying out a plan: the calls, whoever makes them, looked after as far as they need it; then the merge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .executors import Run, executor, native
from .options import Options
from .plans.foreign import Foreign
from .plans.merging import finish, start
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
    is_usual = stop is None and chosen.timeout is None and not chosen.progress
    if is_usual and isinstance(run, native.Job) and run.is_plain:
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

"""Carrying out a plan: the calls, whoever makes them, looked after as far as they need it; then the merge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .executors import Run, executor, native
from .executors.repertoire import Known, Repertoire, is_had
from .options import Options
from .plans.foreign import Foreign
from .plans.merging import ending, finish, has_copies, start
from .plans.plan import Outcome, Plan
from .watching import Watch, is_plain


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
    if stop is None and isinstance(run, native.Job) and _is_plain(chosen, is_plan_plain=run.is_plain):
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


def is_repeatable(chosen: Options, plan: Plan) -> bool:
    """Whether the native library can carry a plan out by itself."""
    return chosen.executor == "native" and _is_plain(chosen, is_plan_plain=is_plain(plan)) and is_had()


def learnt(foreign: Foreign, threads: int, plan: Plan, run: Callable[[Run], None]) -> Repertoire:
    """What knows how to carry a plan out on the same arrays, and nothing else, if it `is_repeatable`.

    Parameters are as of `carry_out`.
    """
    assert isinstance(run, native.Job)  # it is repeatable
    repertoire = Repertoire()
    repertoire.learn(
        Known(
            job=run,
            begin=partial(start, plan) if has_copies(plan) else None,
            take_up=lambda status: run.take_up(status, foreign.symbol, threads, foreign.describe),
            finish=ending(plan, foreign.companions.functions),
        )
    )
    return repertoire


def _is_plain(chosen: Options, *, is_plan_plain: bool) -> bool:
    """Whether calls need looking after only if they take long."""
    return chosen.timeout is None and not chosen.progress and is_plan_plain

"""Executors of `concurrent.futures` and all that look like them: threads of this process, processes, other machines."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import numpy as np

from ..errors import Failure
from ..plans.parcels import check_portable, make_order, make_parcel, reduced, written_arrays
from ..plans.pieces import Piece
from ..plans.plan import Plan
from ..sources.symbols import Symbol
from ..timelines.tracing import running
from ..watching import Watch
from . import pools, remote
from .base import Run, piece_failure, raise_failed
from .portions import Portions
from .serving import run_alone
from .threads import work_together

SECONDS = 0.05  # that a portion should take: pools of others take milliseconds to send one
SIZE = 16 << 20  # bytes of arrays that go with a portion of more than one task


class Futures:
    """A pool of the user's own.

    Parameters
    ----------
    pool : Executor
    """

    def __init__(self, pool: pools.Executor) -> None:
        self._pool = pool

    def is_here(self, watch: Watch) -> bool:
        """Whether its workers are threads of this process."""
        return pools.works_here(self._pool, watch)

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Nothing can be done beforehand."""
        return self.run

    def run(self, run: Run) -> None:
        """Make every call."""
        if not run.plan.calls:
            return
        if self.is_here(run.watch):
            self._run_here(run)
            return
        check_portable(run.plan, type(self._pool).__name__)
        if pools.is_inside(self._pool):  # this is one of the workers, and must not wait for others
            run_alone(run)
        else:
            with running(run.watch.recorder, type(self._pool).__name__, run.threads):
                _Errand(run, self._pool).run()

    def _run_here(self, run: Run) -> None:
        """By the pool's threads as far as they are free, and the calling one."""
        futures: list[Future[Any]] = []

        def begin(work: Callable[[int], None], worker: int) -> bool:
            futures.append(self._pool.submit(work, worker))
            return True

        try:
            work_together(run, begin, type(self._pool).__name__)
        finally:
            for future in futures:
                future.cancel()  # who has not begun has nothing to do any more


class _Errand:
    """One run on workers that share no memory with this process."""

    def __init__(self, run: Run, pool: pools.Executor) -> None:
        assert run.foreign is not None  # every declared function has one
        plan = run.plan
        self._run = run
        self._pool = pool
        self._given = frozenset(result.name for result in plan.outcome.results if result.given)
        self._portions = Portions(plan, run.threads, SECONDS, SIZE)
        self._order = make_order(plan, run.foreign, remote.lay)
        self._data = remote.packed(self._order)  # what cannot be sent is refused here
        self._key = os.urandom(16)
        self._sent: dict[Future[bytes], Piece] = {}
        self._done = 0  # calls
        self._failures: list[Failure] = []
        self._errors: list[BaseException] = []
        self._cause: Exception | None = None  # of the pool's own

    def run(self) -> None:
        """Make the calls; results are written where they belong, piece by whole piece."""
        watch = self._run.watch
        watch.hold_signals()
        try:
            while self._send():
                ready, _ = wait(self._sent, watch.patience(), FIRST_COMPLETED)
                for future in ready:
                    self._receive(future, self._sent.pop(future))
                watch.look(self._done)
        finally:
            self._portions.close()
            for future in self._sent:
                future.cancel()  # workers that are at it have no array of ours
        raise_failed(self._run, self._done, self._errors, self._failures, self._cause)

    def _send(self) -> bool:
        """Send as much as the workers have use for; whether anything is on its way."""
        most = self._run.threads * self._portions.ahead()
        while len(self._sent) < most and (piece := self._portions.take()) is not None:
            parcel = remote.packed(make_parcel(piece, self._order, self._given, remote.lay))
            try:
                future = self._pool.submit(remote.perform, self._key, self._data, parcel)
            except Exception as error:  # noqa: BLE001 - whatever a pool says that takes nothing any more
                self._lose(piece, error)
                break
            self._sent[future] = piece
        return bool(self._sent)

    def _receive(self, future: Future[bytes], piece: Piece) -> None:
        """Take what a worker has sent back."""
        try:
            result = remote.unpacked(future.result())
        except Exception as error:  # noqa: BLE001 - a pool raises what it likes, and so does unpickling
            self._lose(piece, error)
        else:
            self._take(result, piece)

    def _take(self, result: remote.Result, piece: Piece) -> None:
        if result.error is not None:
            self._errors.append(result.error)
        elif result.report.failures:
            self._failures += [piece.in_whole(failure) for failure in result.report.failures]
        else:
            for (_, array), written in zip(written_arrays(piece.plan), result.written, strict=True):
                np.copyto(reduced(array), written)
            if (recorder := self._run.watch.recorder) is not None and result.report.effort is not None:
                recorder.note_elsewhere(piece.first, piece.first + piece.plan.calls, result.report.effort)
            self._done += piece.plan.calls
            self._portions.learn(piece.plan.calls, result.report.seconds)
            return
        self._give_up()

    def _lose(self, piece: Piece, error: Exception) -> None:
        """The pool has lost a piece."""
        self._cause = self._cause or error
        self._failures.append(piece_failure(piece, f"failed: {type(self._pool).__name__} lost it: {error!r}"))
        self._give_up()

    def _give_up(self) -> None:
        """Begin nothing more, as something has failed; what runs may fail as well."""
        self._portions.close()
        self._sent = {future: piece for future, piece in self._sent.items() if not future.cancel()}

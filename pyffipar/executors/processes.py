"""Worker processes: a foreign function that crashes ends one of them, and nothing else."""

from __future__ import annotations

import pickle
import selectors
import time
from collections.abc import Callable

from ..errors import ChunkError, Failure
from ..plans.parcels import Order, check_portable, make_order, make_parcel
from ..plans.plan import Plan
from ..sources.symbols import Symbol
from ..system import nesting
from ..system.floating import environment
from ..system.sharing import Segment, Sources, make_segment
from ..threadpools import limited
from ..timelines.tracing import running
from ..watching import Watch
from .base import Run, piece_failure, raise_failed
from .placing import Files, Load
from .portions import Portions
from .serving import Report, run_alone
from .workers import Pool, Worker, pool

SECONDS = 0.005  # that a portion should take: some twenty times what it costs to send it
SIZE = 4 << 20  # bytes of arrays that go with a portion of more than one task
HESITATION = 0.005  # s; a call that is over by then has no use for a second worker
GRACE = 0.5  # s; chunks that run when a call is to end early get so long, then their workers are killed
# Strided arrays keep their strides in a worker's memory: what that may waste.
WASTE = 256 << 20  # bytes


class Processes:
    """Processes that make the calls of pieces, lent from a pool that lives as long as this process."""

    def is_here(self, watch: Watch) -> bool:
        """No."""
        return False

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Nothing can be done beforehand."""
        return self.run

    def run(self, run: Run) -> None:
        """Make every call."""
        if not run.plan.calls:
            return
        check_portable(run.plan, 'executor="processes"')
        if nesting.is_employed():  # a worker has no workers
            run_alone(run)
            return
        with Sources() as sources:
            campaign = _Campaign(run, sources, pool())
            with running(run.watch.recorder, "processes", campaign.most):
                campaign.run()


class _Campaign:
    """One run on some workers."""

    def __init__(self, run: Run, sources: Sources, workers: Pool) -> None:
        plan = run.plan
        self._run = run
        self._pool = workers
        self._name = plan.contract.prototype.name
        self._files = Files(plan, sources)
        self._given = frozenset(result.name for result in plan.outcome.results if result.given)
        self.most = min(limited(run.threads), plan.tasks)
        self._portions = Portions(plan, self.most, SECONDS, SIZE, self._files.names)
        self._crew: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._done = 0  # calls
        self._shown = 0
        self._begin = time.monotonic()
        self._failures: list[Failure] = []
        self._errors: list[BaseException] = []
        load = Load(self._files)
        assert run.foreign is not None  # every declared function has one
        self._order: Order = make_order(plan, run.foreign.nearby(), load.lay)
        self._data = pickle.dumps(self._order, protocol=5)  # what cannot be sent is refused here
        self._environment = environment()
        self._common: Segment | None = None
        if load.size:
            self._common = make_segment(load.size)
            load.fill(self._common.memory, 0)
        self._size = load.size

    def run(self) -> None:
        """Make the calls; when this returns or raises, no worker is in the arrays."""
        self._run.watch.hold_signals()
        try:
            self._hire(1)
            while self._feed():
                self._look_after()
        except BaseException:
            self._end_early()
            raise
        finally:
            self._dismiss()
        raise_failed(self._run, self._done, self._errors, self._failures)

    # --- who works

    def _hire(self, wanted: int) -> None:
        """Take so many more workers, at least one if there is none."""
        look = None if self._crew else self._look
        for worker in self._pool.take(wanted, self.most, look):
            self._crew.append(worker)
            self._selector.register(worker, selectors.EVENT_READ)
            descriptors = list(self._files.descriptors)
            if self._common is not None:
                descriptors.append(self._common.descriptor)
            try:
                worker.take_order(self._data, self._size, self._environment, descriptors)
            except OSError:
                self._lose(worker)

    def _is_worth_more(self) -> bool:
        if len(self._crew) >= self.most or not self._portions.is_left():
            return False
        return self._portions.seconds_left() > HESITATION or time.monotonic() - self._begin > HESITATION

    def _leave_to_others(self) -> None:
        """Give one worker back if other calls have none."""
        if self._pool.waiting and len(self._crew) > 1:
            for worker in self._crew:
                if not worker.assigned:
                    self._clear_up([worker])
                    return

    # --- what they do

    def _feed(self) -> bool:
        """Give everybody something to do; whether anybody has, or can have."""
        if self._is_worth_more():
            self._hire(self.most - len(self._crew))
        spared = self._crew[-1] if self._pool.waiting and len(self._crew) > 1 else None
        for depth in range(1, self._portions.ahead() + 1):
            for worker in list(self._crew):
                if len(worker.assigned) < depth and worker is not spared and not self._assign(worker):
                    break
        self._leave_to_others()
        is_new = bool(self._crew) and self._portions.is_left()  # somebody who came in place of another just now
        return is_new or any(worker.assigned for worker in self._crew)

    def _assign(self, worker: Worker) -> bool:
        """Give a worker the next piece; whether there was one."""
        piece = self._portions.take()
        if piece is None:
            return False
        load = Load(self._files)
        parcel = make_parcel(piece, self._order, self._given, load.lay)
        if load.touched > WASTE and load.touched > 2 * load.content:
            raise ValueError(self._too_wide(load))
        if not worker.has_room(load):
            self._portions.give_back(piece)
            return True
        try:
            worker.assign(piece, parcel, load)
        except OSError:
            self._portions.give_back(piece)
            self._lose(worker)
        return True

    def _too_wide(self, load: Load) -> str:
        return (
            f"{self._name}: a chunk has {load.content} bytes, but with the strides of {load.widest}, which the "
            f"function is told, it takes {load.touched} bytes of a worker's memory: keep the array in pf.shared_empty "
            f"or a memmap, where workers read it in place, or pass a contiguous copy"
        )

    def _look_after(self) -> None:
        """Wait for answers, but not longer than until the next look."""
        patience = self._run.watch.patience()
        if len(self._crew) == 1 < self.most and self._portions.is_left():
            patience = min(patience, HESITATION)
        ready = self._selector.select(patience)
        for key, _ in ready:
            self._hear(key.fileobj)  # type: ignore[arg-type]  # a worker was registered
        if not ready:
            for worker in [worker for worker in self._crew if worker.assigned and worker.has_ended()]:
                self._lose(worker)
        self._look()

    def _hear(self, worker: Worker) -> None:
        """Take one answer."""
        try:
            assigned, answer = worker.answer()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if isinstance(answer, BaseException):
            self._errors.append(answer)
        elif isinstance(answer, Report) and answer.failures:
            self._failures += [assigned.piece.in_whole(failure) for failure in answer.failures]
        elif not answer.dropped:
            worker.take_out(assigned)
            calls, first = assigned.piece.plan.calls, assigned.piece.first
            if (recorder := self._run.watch.recorder) is not None and answer.effort is not None:
                recorder.note_elsewhere(first, first + calls, answer.effort)
            self._done += calls
            self._portions.learn(calls, answer.seconds)
            return
        self._give_up()

    def _give_up(self) -> None:
        """Begin nothing more, as something has failed."""
        self._portions.close()
        for worker in self._crew:
            worker.stop()

    def _look(self) -> float:
        """Report progress, and see whether the call is to end; how long to wait until the next look."""
        self._shown = max(self._shown, self._done + sum(worker.done for worker in self._crew))
        self._run.watch.look(min(self._shown, self._run.plan.calls))
        return self._run.watch.patience()

    # --- how it ends

    def _lose(self, worker: Worker) -> None:
        """A worker has ended by itself: whatever it was doing is the failure of its first piece."""
        self._crew.remove(worker)
        self._selector.unregister(worker)
        if worker.was_gone():
            self._replace(worker)
            return
        assigned = worker.assigned
        try:
            text = worker.obituary()
        except OSError as error:  # it was never started
            text = f"could not be started: {error}"
            if self._crew:  # those there are can do it
                self._take_back(worker)
        if assigned:
            if not worker.is_inside(assigned[0]):
                text += " before it began"
            self._failures.append(piece_failure(assigned[0].piece, f"failed: its worker process {text}"))
            self._give_up()
        elif not self._crew:
            self._errors.append(ChunkError(f"{self._name}: a worker process {text}", self._name))
            self._give_up()
        assigned.clear()
        self._pool.bury(worker)

    def _replace(self, worker: Worker) -> None:
        """Do without a worker that was killed while it was idle, as if that had been seen before it was taken."""
        self._take_back(worker)
        worker.reap()
        self._pool.bury(worker)
        if not self._crew and self._portions.is_left():
            self._hire(1)

    def _take_back(self, worker: Worker) -> None:
        """Let others have what a worker was given."""
        for one in reversed(worker.assigned):
            self._portions.give_back(one.piece)
        worker.assigned.clear()

    def _end_early(self) -> None:
        """Leave out what has not begun, wait a little for what runs, and kill who does not come to an end."""
        self._give_up()
        deadline = time.monotonic() + GRACE
        while (busy := [worker for worker in self._crew if worker.assigned]) and time.monotonic() < deadline:
            for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
                self._hear(key.fileobj)  # type: ignore[arg-type]  # as above
        for worker in busy:
            self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        self._crew.remove(worker)
        self._selector.unregister(worker)
        worker.kill()
        worker.assigned.clear()
        self._pool.bury(worker)

    def _dismiss(self) -> None:
        """Let workers clear up, and give them back."""
        self._clear_up(list(self._crew))
        self._selector.close()
        if self._common is not None:
            self._common.close()

    def _clear_up(self, workers: list[Worker]) -> None:
        """End the order for some of the workers, who have nothing more to do."""
        asked = []
        for worker in workers:
            try:
                worker.end_order()
                asked.append(worker)
            except OSError:
                self._lose(worker)
        for worker in asked:
            try:
                error = worker.cleared_up()
            except (EOFError, OSError):
                self._lose(worker)
                continue
            if error is not None:
                self._errors.append(error)
            self._crew.remove(worker)
            self._selector.unregister(worker)
            self._pool.give_back(worker)

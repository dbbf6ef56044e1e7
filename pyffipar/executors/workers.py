"""Worker processes as their parent sees them: what each has been given, and the pool that lends them to calls."""

from __future__ import annotations

import mmap
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .. import watching
from ..plans.parcels import Parcel
from ..plans.pieces import Piece
from ..system import forking
from ..system.sharing import make_segment
from .launching import Launcher, LostStatus, Process, wait
from .placing import HEADER, Header, Load
from .wire import Wire

AHEAD = 2  # pieces a worker is given before it has answered: so it has the next one when it is done
KEPT = 1 << 24  # bytes of the largest window that a worker keeps between calls
# How long a process that has hung up, or was killed, may take until the system says how it ended.
ENDING = 5.0  # s


class Assigned(NamedTuple):
    """A piece that a worker has been given."""

    piece: Piece
    load: Load
    number: int
    base: int


class Worker:
    """One worker process."""

    def __init__(self, process: Process, wire: Wire) -> None:
        self._process = process
        self._wire = wire
        self._window: mmap.mmap | None = None
        self._header: Header | None = None
        self._half = 0  # bytes of each half of the window, which are filled by turns
        self._given = 0
        self._has_served = False
        self._has_answered = False  # in its present order
        self.assigned: deque[Assigned] = deque()

    def fileno(self) -> int:
        """For those who wait for an answer."""
        return self._wire.fileno()

    def has_room(self, load: Load) -> bool:
        """Whether a load can be assigned now."""
        return len(self.assigned) < AHEAD and (load.size <= self._half or not self.assigned)

    def take_order(self, data: bytes, size: int, environment: bytes, descriptors: Sequence[int]) -> None:
        """Get it ready for the pieces of an order."""
        self._has_answered = False
        if self._header is not None:
            self._header.stop(now=False)
        self._wire.send(("order", data, size, environment), descriptors)

    def assign(self, piece: Piece, parcel: Parcel, load: Load) -> None:
        """Give it a piece; there must be room."""
        if load.size > self._half or self._window is None:
            self._widen(load.size)
        assert self._window is not None
        self._given += 1
        base = HEADER + self._half * (self._given % AHEAD)
        load.fill(self._window, base)
        self._wire.send(("parcel", self._given, base, parcel))
        self.assigned.append(Assigned(piece, load, self._given, base))

    def _widen(self, size: int) -> None:
        """Give it a window whose halves hold so much; memory is taken only where something is put."""
        self._half = -(-max(2 * size, KEPT // AHEAD - HEADER) // HEADER) * HEADER
        segment = make_segment(HEADER + AHEAD * self._half)
        self._window, self._header = segment.memory, Header(segment.memory)
        try:
            self._wire.send(("window", HEADER + AHEAD * self._half), (segment.descriptor,))
        finally:
            segment.close()

    def answer(self) -> tuple[Assigned, Any]:
        """Wait for what it says of the piece that was assigned first.

        Raises
        ------
        EOFError, OSError
            If it has ended.
        """
        answer, _ = self._wire.receive()
        self._has_answered = True
        return self.assigned.popleft(), answer

    def take_out(self, done: Assigned) -> None:
        """Put what it has written for a piece where it belongs."""
        assert self._window is not None
        done.load.take(self._window, done.base)

    def stop(self) -> None:
        """Ask it to leave out what it has not done yet."""
        if self._header is not None:
            self._header.stop(now=True)

    @property
    def done(self) -> int:
        """Calls that it has made of the piece it works on."""
        return self._header.done if self._header is not None and self.assigned else 0

    def is_inside(self, assigned: Assigned) -> bool:
        """Whether it has begun the calls of a piece."""
        return self._header is not None and self._header.begun >= assigned.number

    def was_gone(self) -> bool:
        """Whether one that has ended served an order before and has begun nothing of this one."""
        is_inside = bool(self.assigned) and self.is_inside(self.assigned[0])
        return self._has_served and not self._has_answered and not is_inside

    def end_order(self) -> None:
        """Ask it to clear up after an order."""
        keeps = self._window is None or HEADER + AHEAD * self._half <= KEPT
        self._wire.send(("end", keeps))
        if not keeps:
            self._drop_window()

    def cleared_up(self) -> BaseException | None:
        """Wait until it has; what went wrong with it.

        Raises
        ------
        EOFError, OSError
            If it has ended.
        """
        answer, _ = self._wire.receive()
        self._has_served = True
        return answer  # type: ignore[no-any-return]

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        try:
            return self._process.status() is not None
        except (LostStatus, OSError):
            return True

    def has_hung_up(self) -> bool:
        """Whether a worker that has nothing to do is gone: this is seen before its status is known."""
        return self._wire.is_readable()

    def kill(self) -> None:
        """End the process, whatever it does, and wait until it is gone."""
        self._process.end()
        with suppress(LostStatus, OSError):
            wait(self._process, ENDING)

    def obituary(self) -> str:
        """How the process ended, in words; it must have hung up.

        Raises
        ------
        OSError
            If it was never started.
        """
        try:
            status = wait(self._process, ENDING)
        except LostStatus:
            return "ended, and nobody knows how"
        if status is None:
            self.kill()
            return "closed its connection and was killed"
        if status >= 0:
            return f"ended with exit code {status}"
        try:
            return f"was killed by {signal.Signals(-status).name}"
        except ValueError:  # real-time signals have no names
            return f"was killed by signal {-status}"

    def reap(self) -> None:
        """Wait until the process is gone, which nobody is at the other end of."""
        with suppress(LostStatus, OSError):
            if wait(self._process, ENDING) is None:
                self.kill()

    def close(self) -> None:
        """Let go of it: it ends by itself when nobody is at the other end."""
        self._wire.close()
        self._drop_window()

    def _drop_window(self) -> None:
        self._window = self._header = None
        self._half = 0

    def abandon(self) -> None:
        """Let go of it in a forked child: it is the parent's."""
        self.close()
        self._process.abandon()


class Pool:
    """The workers of this process; calls take them, and give them back."""

    def __init__(self) -> None:
        self._launcher: Launcher | None = None
        self._changed = threading.Condition()
        self._all: set[Worker] = set()
        self._idle: list[Worker] = []
        self._starting = 0
        self._most = 0
        self.waiting = 0  # calls that have no worker at all

    def take(self, wanted: int, most: int, look: Callable[[], float] | None = None) -> list[Worker]:
        """Take up to so many workers, idle ones first.

        Parameters
        ----------
        wanted : int
        most : int
            How many the process may have as far as this call is concerned.
        look : callable, optional
            Wait until there is one; this is called meanwhile, and says how long to wait until it is called again.

        Raises
        ------
        OSError, RuntimeError
            If there is none, and none can be started.
        """
        with self._changed:
            self._most = max(self._most, most)
            while not self._idle and self._room() <= 0 and look is not None:
                self.waiting += 1
                try:
                    self._changed.wait(look())
                finally:
                    self.waiting -= 1
            taken = self._take_idle(wanted)
            new = max(0, min(wanted - len(taken), self._room()))
            self._starting += new
        for number in range(new):
            try:
                taken.append(self._start())
            except (OSError, RuntimeError):
                with self._changed:
                    self._starting -= new - number
                if not taken:
                    raise
                break
        return taken

    def _room(self) -> int:
        return self._most - len(self._all) - self._starting

    def _take_idle(self, wanted: int) -> list[Worker]:
        taken: list[Worker] = []
        while self._idle and len(taken) < wanted:
            worker = self._idle.pop()
            if worker.has_hung_up() or worker.has_ended():  # killed by somebody, while it had nothing to do
                self._all.discard(worker)
                worker.reap()
                worker.close()
            else:
                taken.append(worker)
        return taken

    def _start(self) -> Worker:
        with self._changed:
            if self._launcher is None:
                self._launcher = Launcher()
        worker = Worker(*self._launcher.start())
        with self._changed:
            self._starting -= 1
            self._all.add(worker)
        return worker

    def give_back(self, worker: Worker) -> None:
        """Let others have it."""
        with self._changed:
            self._idle.append(worker)
            self._changed.notify()

    def bury(self, worker: Worker) -> None:
        """Count it no more."""
        worker.close()
        with self._changed:
            self._all.discard(worker)
            self._changed.notify()

    def close(self) -> None:
        """Let every worker end: the interpreter is about to."""
        workers, self._all = self._all, set()
        for worker in workers:
            worker.close()
        if self._launcher is not None:
            self._launcher.hang_up()
            for worker in workers:
                worker.reap()
            self._launcher.close()

    def abandon(self) -> None:
        """Let go of everything in a forked child: the workers are its parent's."""
        for worker in self._all:
            worker.abandon()
        if self._launcher is not None:
            self._launcher.abandon()


_pool = Pool()


def pool() -> Pool:
    """The one of this process."""
    return _pool


@forking.in_child
def _make_another() -> None:
    global _pool  # noqa: PLW0603 - one per process
    _pool.abandon()
    _pool = Pool()


@watching.at_the_end
def _close_it() -> None:
    _pool.close()

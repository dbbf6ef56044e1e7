"""The program of a worker process: makes the calls of the pieces it is sent, until its parent is gone."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import _native
from ..errors import ChunkError, Failure, NativeLibraryError
from ..options import set_options
from ..plans.handles import flush_streams
from ..plans.parcels import Mould, Order, Parcel, open_parcel, over
from ..plans.plan import Plan
from ..system.floating import taken_over
from ..system.mappings import lies_in_memory
from ..system.nesting import employ
from ..timelines.tracing import Effort, effort, moment
from ..watching import Watch
from .base import Executor, Run
from .native import Native
from .placing import HEADER, Header, InFile, InSegment, Place
from .serial import Serial
from .wire import Wire

Array = np.ndarray[Any, np.dtype[Any]]

KEPT = 1.0  # s; what a worker keeps for the next call, it keeps so long


class Report(NamedTuple):
    """What came of a piece.

    Attributes
    ----------
    failures : tuple of Failure
        As the piece counts.
    seconds : float
        What its calls took.
    dropped : bool
        Whether calls were left out, because that was asked for.
    effort : Effort or None
        For a trace: who made its calls and when, if all were made.
    """

    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
    dropped: bool = False
    effort: Effort | None = None


def local_executor() -> Executor:
    """What makes the calls of a piece in this process: the native pool on one thread, which a loop stands in for."""
    try:
        _native.library()
    except NativeLibraryError:
        return Serial()
    return Native()


def make_calls(order: Order, plan: Plan, handles: dict[str, Array], watch: Watch) -> Report:
    """Make the calls of a piece in this thread; what fails is told, not raised."""
    foreign = order.foreign
    run = Run(plan, foreign.symbol, 1, handles, foreign.describe, watch)
    begun = moment()
    try:
        local_executor().run(run)
    except ChunkError as error:
        return Report(error.failures)
    taken = effort(begun)
    return Report((), (taken.end - taken.begin) * 1e-9, effort=taken)


def run_alone(run: Run) -> None:
    """Make all calls of a run in this thread, with a handle of its own where others would make theirs."""
    assert run.foreign is not None  # every declared function has one
    with run.foreign.companions.private_handles(run.plan, 1) as handles:
        local_executor().run(run._replace(threads=1, handles=handles))


def main(channel: int, life: int) -> NoReturn:
    """Serve the process at the other end of the channel, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, args=(life,), daemon=True).start()
    employ()
    set_options(unpickle="allow")  # what comes is our own parent's, through a socket without a name
    workplace = _Workplace(Wire(socket.socket(fileno=channel)))
    try:
        while True:
            workplace.obey()
    except (EOFError, OSError):
        flush_streams()
        sys.stdout.flush()
        os._exit(0)


def _end_with_parent(life: int) -> None:
    """Wait until nobody holds the other end of a pipe any more; foreign code may go on for ever, so it is not asked."""
    os.read(life, 1)
    os._exit(1)


class _Workplace:
    """What a worker knows: its window, the order it works on, and where it is asked to stop."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._window = mmap.mmap(-1, HEADER)  # until it is given one
        self._header = Header(self._window)
        self._kept = _KeptMappings()
        self._job: _Job | None = None
        self._broken: BaseException | None = None  # why the order cannot be carried out

    def obey(self) -> None:
        """Do the next thing that is asked for."""
        if self._kept and not self._wire.is_readable(KEPT):
            self._kept.clear()
        (what, *details), descriptors = self._wire.receive()
        do: dict[str, Callable[..., None]] = {
            "window": self._take_window, "order": self._take_order, "parcel": self._work, "end": self._end,
        }  # fmt: skip
        do[what](*details, descriptors)

    def _take_window(self, size: int, descriptors: list[int]) -> None:
        (descriptor,) = descriptors
        self._window = mmap.mmap(descriptor, size)
        self._header = Header(self._window)
        os.close(descriptor)

    def _take_order(self, data: bytes, size: int, environment: bytes, descriptors: list[int]) -> None:
        """Get ready for an order; what goes wrong is told with its first piece."""
        try:
            order = pickle.loads(data)  # noqa: S301 - our parent's
            self._job = _Job(order, descriptors, size, environment, self._kept)
        except Exception as error:  # noqa: BLE001 - told to the parent
            self._broken = error
            for descriptor in descriptors:
                os.close(descriptor)

    def _work(self, number: int, base: int, parcel: Parcel, _: list[int]) -> None:
        answer: Any
        try:
            answer = self._report(number, base, parcel)
        except CancelledError:
            answer = Report(dropped=True)
        except BaseException as error:  # noqa: BLE001 - told to the parent
            answer = picklable(error)
        self._header.done = 0
        self._wire.send(answer)

    def _report(self, number: int, base: int, parcel: Parcel) -> Report:
        if self._header.is_set():
            raise CancelledError
        if self._job is None:
            raise self._broken or RuntimeError("a piece came without an order")
        plan = self._job.plan(parcel, self._window, base)
        with Watch(plan, progress=self._tell, stop=self._header) as watch:
            handles = self._job.handles(plan)
            self._header.begun = number
            with taken_over(self._job.environment):
                return make_calls(self._job.order, plan, handles, watch)

    def _tell(self, done: int, _: int) -> None:
        self._header.done = done

    def _end(self, keeps_window: bool, _: list[int]) -> None:  # noqa: FBT001 - of a message
        """Clear up after an order, as the caller's arrays are the caller's again."""
        answer: BaseException | None = None
        if self._job is not None:
            try:
                self._job.close()
            except Exception as error:  # noqa: BLE001 - told to the parent
                answer = picklable(error)
        self._job = self._broken = None
        if not keeps_window:
            self._window = mmap.mmap(-1, HEADER)
            self._header = Header(self._window)
        flush_streams()
        self._wire.send(answer)


class _Job:
    """An order that is being carried out.

    Parameters
    ----------
    order : Order
    descriptors : list of int
        Of the files that its arrays lie in; the last one, if `size` is not 0, of the segment with those of its own.
    size : int
        Bytes of that segment.
    environment : bytes
        The floating-point environment to work in.
    kept : _KeptMappings
        Of files that earlier orders had, too.
    """

    def __init__(
        self, order: Order, descriptors: list[int], size: int, environment: bytes, kept: _KeptMappings
    ) -> None:
        self.order = order
        self._kept = kept
        self.environment = environment
        self._descriptors = descriptors
        self._made = ExitStack()
        self._handles: dict[str, Array] | None = None
        common = mmap.mmap(descriptors[-1], size) if size else None
        self._wholes = {}
        for number, part in order.wholes.items():
            assert part.mould is not None  # only arrays are seen whole
            self._wholes[number] = self._find(part.place, part.mould, common, 0, written=False)

    def plan(self, parcel: Parcel, window: mmap.mmap, base: int) -> Plan:
        """The plan of a piece whose arrays lie `base` bytes behind the window's beginning, or in files."""

        def find(place: Place, mould: Mould, written: bool) -> Array:  # noqa: FBT001 - a `Find`
            return self._find(place, mould, window, base, written=written)

        return open_parcel(self.order, parcel, find, self._wholes)

    def handles(self, plan: Plan) -> dict[str, Array]:
        """The handles of this worker alone, made with the first piece."""
        if self._handles is None:
            self._handles = self._made.enter_context(self.order.foreign.companions.private_handles(plan, 1))
        return self._handles

    def _find(self, place: Place, mould: Mould, memory: mmap.mmap | None, base: int, *, written: bool) -> Array:
        if isinstance(place, InSegment):
            return over(memory, base + place.offset, mould)
        descriptor = self._descriptors[place.file]
        if (whole := self._kept.whole(descriptor, written=written)) is not None:
            return over(whole, place.offset, mould)
        return _mapped(descriptor, place, mould, written=written)

    def close(self) -> None:
        """End the handles, and let go of files and memory."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        self._wholes.clear()
        self._made.close()


class _KeptMappings:
    """Files that lie in memory, mapped whole while orders follow one another.

    To find their pages again, one by one, takes several times as long as a sum over them. But what is mapped is not
    freed, whoever else lets go of it: so none is kept by a worker that has had nothing to do for a while.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, ...], mmap.mmap] = {}

    def whole(self, descriptor: int, *, written: bool) -> mmap.mmap | None:
        """The mapping of a file; None for one that has a place other than memory, and may be larger than that."""
        if not lies_in_memory(descriptor):
            return None
        file = os.fstat(descriptor)
        key = (file.st_dev, file.st_ino, file.st_size, written)
        if key not in self._found:
            access = mmap.ACCESS_WRITE if written else mmap.ACCESS_READ
            self._found[key] = mmap.mmap(descriptor, file.st_size, access=access)
        return self._found[key]

    def __bool__(self) -> bool:
        return bool(self._found)

    def clear(self) -> None:
        """Let go of all of them."""
        self._found.clear()


def _mapped(descriptor: int, place: InFile, mould: Mould, *, written: bool) -> Array:
    """An array in a file; only its own part is mapped, and only as long as the array lives."""
    below, above = mould.reach()
    first = (place.offset + below) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    access = mmap.ACCESS_WRITE if written else mmap.ACCESS_READ
    memory = mmap.mmap(descriptor, place.offset + above - first, access=access, offset=first)
    return over(memory, place.offset - first, mould)


def picklable(error: BaseException) -> BaseException:
    """An exception, or what it says if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what we have just made
    except Exception:  # noqa: BLE001 - classes of others do what they like
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error

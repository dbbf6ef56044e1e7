"""What looks after a call while it runs: deadline, cancelling, progress, and the end of the interpreter."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Protocol

from .errors import missing_extra
from .plans.handles import keep_for_ever
from .plans.plan import Plan
from .system.forking import in_child
from .system.interrupts import Shield
from .system.mappings import EVERY, Trail, is_large
from .threadpools import shut_down
from .timelines import tracing

# A call looks after signals, deadline and progress this often; a Ctrl-C waits so long at most, and for running chunks.
SLICE = 0.05  # s
# The interpreter's end waits so long for running chunks; the arrays of those that take longer are never freed.
LEAVE = 0.9  # s

Progress = Callable[[int, int], object]  # (calls done, calls in all)

# Calls of a plan whose arrays may be so large that it matters: chunks are of a mebibyte at most, or say otherwise.
MANY = 64

_running: set[Watch] = set()
_closing = threading.Event()
_last_actions: list[Callable[[], None]] = []


class Flag(Protocol):
    """What asks a call to end: a `threading.Event`, or something like it."""

    def is_set(self) -> bool:
        """Whether it is asked to."""


class Watch:
    """Looks after one call; a context manager around its execution.

    Parameters
    ----------
    plan : Plan
    timeout : float or None
        Seconds from now.
    progress : bool or callable
        True draws a bar with tqdm; a callable gets the calls done and the calls in all.
    stop : Flag, optional
        Set by whoever wants the call to end early.

    Attributes
    ----------
    recorder : Recorder or None
        Where the call's executor writes down what it does, while a trace is on.
    """

    __slots__ = (
        "_deadline", "_dropped", "_name", "_plan", "_progress", "_shield", "_slice", "_stop", "_thread", "_timeout",
        "_trail", "recorder",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        timeout: float | None = None,
        progress: bool | Progress = False,  # noqa: FBT001, FBT002 - an option of the same name and values
        stop: Flag | None = None,
    ) -> None:
        self._plan = plan
        self._name = plan.contract.prototype.name
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._stop = stop
        self._progress = _bar(plan) if progress is True else progress or None
        self._dropped = False
        self._shield: Shield | None = None  # made when it is wanted: most calls are over by then
        self._thread = threading.get_ident()
        self._trail: Trail | None = None
        self._slice = SLICE
        self.recorder = tracing.record(plan) if tracing.active else None
        if _may_pile_up(plan):
            self._follow()

    def _follow(self) -> None:
        """See whether the call goes through large files, whose pages are not to pile up in this process."""
        arguments = (*self._plan.arguments, self._plan.returned)
        trail = Trail(a.array for a in arguments if a is not None and a.array is not None)
        if trail:
            self._trail, self._slice = trail, EVERY

    def __enter__(self) -> Watch:  # noqa: PYI034 - nobody derives from it
        if _closing.is_set():
            raise RuntimeError(f"{self._name}: the interpreter is ending, so no call is started")
        for callback in self._plan.callbacks:
            callback.forget()
        _running.add(self)
        try:
            if self._plan.callbacks:
                self.hold_signals()
            self._show(0)
            if self._stop is not None:
                self.look(0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _running.discard(self)
        try:
            if isinstance(self._progress, _Bar):
                self._progress.close()
            if self._trail is not None:
                self._trail.release()
        finally:
            if self._shield is not None:
                self._shield.end()
            if self.recorder is not None:
                self.recorder.close()

    def hold_signals(self) -> None:
        """From now on what signals ask for is done by `look` and at the end: Ctrl-C ends no waiting for workers."""
        if self._shield is None:
            self._shield = Shield()
        self._shield.begin()

    def patience(self) -> float:
        """Seconds until the next look."""
        if self._deadline is None:
            return self._slice
        return min(self._slice, max(0.0, self._deadline - time.monotonic()))

    def look(self, done: int) -> None:
        """Report progress; raise if the call is to end now.

        Raises
        ------
        TimeoutError
            When the deadline has passed; says how far the call got.
        concurrent.futures.CancelledError
            When somebody asked for its end, or the interpreter is ending.
        Exception
            What a Python callback raised.
        """
        if self._shield is not None:
            self._shield.deliver()
        if self._trail is not None:
            self._trail.release()
        self.finished(done)
        if self._dropped or (self._stop is not None and self._stop.is_set()):
            raise CancelledError(f"{self._name}: cancelled after {done} of {self._plan.calls} calls")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError(
                f"{self._name}: not done after {self._timeout} s; {done} of {self._plan.calls} calls were made"
            )

    def finished(self, done: int) -> None:
        """Report the last progress; raise what a callback left behind."""
        self._show(done)
        for callback in self._plan.callbacks:
            callback.reraise()

    def is_in_this_thread(self) -> bool:
        """Whether the call was made by this thread."""
        return self._thread == threading.get_ident()

    def drop(self) -> None:
        """Ask for the end of the call, because the interpreter ends."""
        self._dropped = True

    def never_free(self) -> None:
        """Keep what the call works on: foreign code is still in it, and the process is about to end."""
        keep_for_ever(self._plan)

    def _show(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._plan.calls)


def is_plain(plan: Plan) -> bool:
    """Whether nothing of a plan needs looking after but signals and the interpreter's end."""
    return not (plan.callbacks or plan.handles or _may_pile_up(plan))


def _may_pile_up(plan: Plan) -> bool:
    """Whether a plan's arrays are so large that a file's pages matter, if they lie in one."""
    if plan.calls < MANY:
        return False
    return any(a is not None and a.array is not None and is_large(a.array) for a in (*plan.arguments, plan.returned))


class Part:
    """A watch over some of the calls that another one watches over.

    Parameters
    ----------
    whole : Watch
    before : int
        Calls that are done already.
    """

    def __init__(self, whole: Watch, before: int) -> None:
        self._whole = whole
        self._before = before
        self.hold_signals = whole.hold_signals
        self.patience = whole.patience
        self.recorder = whole.recorder and whole.recorder.part(before)

    def look(self, done: int) -> None:
        """As `Watch.look`."""
        self._whole.look(self._before + done)

    def finished(self, done: int) -> None:
        """As `Watch.finished`."""
        self._whole.finished(self._before + done)


@atexit.register
def _leave() -> None:
    """Stop what runs in the background; the interpreter is about to free the arrays it works on."""
    _closing.set()
    for watch in _running.copy():
        watch.drop()
    deadline = time.monotonic() + LEAVE
    shut_down(LEAVE)
    while _running and time.monotonic() < deadline:
        time.sleep(0.005)
    for watch in _running.copy():
        watch.never_free()
    for action in _last_actions:
        action()


def at_the_end(action: Callable[[], None]) -> Callable[[], None]:
    """Do something when the interpreter ends and calls have been waited for; a decorator."""
    _last_actions.append(action)
    return action


@in_child
def _stay() -> None:
    """Forget the calls of threads that are not in this child: nobody will end them."""
    _running.intersection_update([watch for watch in _running if watch.is_in_this_thread()])


class _Bar:
    """A tqdm bar that counts calls."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def __call__(self, done: int, _total: int) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _bar(plan: Plan) -> _Bar:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise missing_extra("progress=True draws with tqdm", "progress") from error
    split = plan.contract.split
    return _Bar(tqdm(total=plan.calls, desc=plan.contract.prototype.name, unit="chunk" if split else "item"))

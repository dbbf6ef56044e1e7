"""What looks after a call while it runs: deadline, cancelling, progress, and the end of the interpreter."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from .errors import MissingExtraError
from .handles import keep_for_ever
from .plan import Plan

# A call looks after signals, deadline and progress this often; a Ctrl-C waits so long at most, and for running chunks.
SLICE = 0.05  # s
# The interpreter's end waits so long for running chunks; the arrays of those that take longer are never freed.
LEAVE = 0.9  # s

Progress = Callable[[int, int], object]  # (calls done, calls in all)

_running: set[Watch] = set()
_closing = threading.Event()


class Watch:
    """Looks after one call; a context manager around its execution.

    Parameters
    ----------
    plan : Plan
    timeout : float or None
        Seconds from now.
    progress : bool or callable
        True draws a bar with tqdm; a callable gets the calls done and the calls in all.
    stop : threading.Event, optional
        Set by whoever wants the call to end early.
    """

    def __init__(
        self,
        plan: Plan,
        timeout: float | None = None,
        progress: bool | Progress = False,  # noqa: FBT001, FBT002 - an option of the same name and values
        stop: threading.Event | None = None,
    ) -> None:
        self._plan = plan
        self._name = plan.contract.prototype.name
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._stop = stop
        self._progress = _bar(plan) if progress is True else progress or None
        self._dropped = False

    def __enter__(self) -> Watch:  # noqa: PYI034 - nobody derives from it
        if _closing.is_set():
            raise RuntimeError(f"{self._name}: the interpreter is ending, so no call is started")
        _running.add(self)
        self._show(0)
        return self

    def __exit__(self, *_: object) -> None:
        _running.discard(self)
        if isinstance(self._progress, _Bar):
            self._progress.close()

    def patience(self) -> float:
        """Seconds until the next look."""
        if self._deadline is None:
            return SLICE
        return min(SLICE, max(0.0, self._deadline - time.monotonic()))

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
        self._show(done)
        for callback in self._plan.callbacks:
            callback.reraise()
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

    def drop(self) -> None:
        """Ask for the end of the call, because the interpreter ends."""
        self._dropped = True

    def never_free(self) -> None:
        """Keep what the call works on: foreign code is still in it, and the process is about to end."""
        keep_for_ever(self._plan)

    def _show(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._plan.calls)


@atexit.register
def _leave() -> None:
    """Stop what runs in the background; the interpreter is about to free the arrays it works on."""
    _closing.set()
    for watch in _running.copy():
        watch.drop()
    deadline = time.monotonic() + LEAVE
    while _running and time.monotonic() < deadline:
        time.sleep(0.005)
    for watch in _running.copy():
        watch.never_free()


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
        raise MissingExtraError("progress=True draws with tqdm: pip install pyffipar[progress]") from error
    split = plan.contract.split
    return _Bar(tqdm(total=plan.calls, desc=plan.contract.prototype.name, unit="chunk" if split else "item"))

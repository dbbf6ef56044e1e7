"""Python's signal handlers, held back while what they raise would be lost or would leave workers in the arrays.

What a handler raises (Ctrl-C: KeyboardInterrupt) may come up between any two steps of the main thread. Between C and
the first line of a Python callback nobody can catch it: ctypes prints it and goes on with a zero. And between two steps
of the waiting for workers it would end that waiting.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from . import forking

# Ctrl-C first: what is held back first is let go last, so there is no moment with a part of them in place.
_NUMBERS = (signal.SIGINT, *sorted(signal.valid_signals() - {signal.SIGINT}))

_shields: list[Shield] = []  # the main thread's, innermost last


class Shield:
    """Holds signal handlers back; without effect in threads other than the main one, which never run any."""

    def __init__(self) -> None:
        self._kept: dict[int, Callable[..., Any]] = {}
        self._noted: list[int] = []
        self._owner = 0
        self.is_open = False

    def begin(self) -> None:
        """From now on handlers are only noted; calling it again changes nothing."""
        if self._kept or not _in_main_thread():
            return
        self._owner = threading.get_ident()
        _shields.append(self)
        for number in _NUMBERS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._kept[number] = handler
                signal.signal(number, self._note)

    def deliver(self) -> None:
        """Run the handlers of what has arrived; they may raise."""
        while self._noted:
            number = self._noted.pop(0)
            self._kept[number](number, None)

    def end(self) -> None:
        """Put the handlers back, and run those of what has arrived."""
        if not self._kept:
            return
        self._restore()
        noted, self._noted = self._noted, []
        kept, self._kept = self._kept, {}
        for number in noted:
            kept[number](number, None)

    def _restore(self) -> None:
        if self in _shields:
            _shields.remove(self)
        for number, handler in reversed(self._kept.items()):
            if signal.getsignal(number) == self._note:  # else somebody has set another one meanwhile
                signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self.is_open:
            self._kept[number](number, frame)
        else:
            self._noted.append(number)


def call_open(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a Python function from foreign code; what handlers raise meanwhile comes out of this call."""
    if not _shields or not _in_main_thread():
        return function(*arguments)
    shield = _shields[-1]
    before = shield.is_open
    shield.deliver()
    shield.is_open = True
    try:
        return function(*arguments)
    finally:
        shield.is_open = before


def _in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


@forking.in_child
def _drop_in_child() -> None:
    """A thread has forked while the main one, which is not in the child, held handlers back."""
    for shield in reversed(_shields.copy()):
        if shield._owner != threading.get_ident():  # noqa: SLF001 - of this module
            shield._restore()  # noqa: SLF001

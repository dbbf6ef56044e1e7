"""Calls in the background: a thread for each, and a future that can be cancelled while the call runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import Any, NoReturn

from .errors import checked_seconds
from .system.starting import start_thread


class CallFuture(Future[Any]):
    """The result of a call that runs in the background.

    A `concurrent.futures.Future` with two differences: ``cancel()`` also ends a call that has begun, and it can be
    awaited in a coroutine. Nobody sees it done before the last chunk has left the arrays.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop_call = stop

    def cancel(self) -> bool:
        """Ask the call to end; False if it has ended already."""
        with self._condition:  # so that a call asked to end in time never ends with a result
            if self.done():
                return False
            self._stop_call.set()
            return True

    def result(self, timeout: float | None = None) -> Any:
        """What the call gave; waits for it, `timeout` seconds at most."""
        return super().result(_checked("result", timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call raised, None if it did not; waits for it, `timeout` seconds at most."""
        return super().exception(_checked("exception", timeout))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a future stands for a call in this process, so it cannot be pickled: pickle its result()")

    def __await__(self) -> Generator[Any, None, Any]:
        from asyncio import wrap_future  # 20 ms and thirty modules: whoever awaits has them already

        return wrap_future(self).__await__()

    def _settle(self, call: Callable[[threading.Event], Any]) -> None:
        """Make the call and keep what came of it."""
        try:
            result = call(self._stop_call)
        except CancelledError:
            self._end_cancelled()
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self.set_exception(error)
        else:
            with self._condition:
                if not self._stop_call.is_set():
                    self.set_result(result)
                    return
            self._end_cancelled()

    def _end_cancelled(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()


def _checked(method: str, timeout: object) -> float | None:
    return None if timeout is None else checked_seconds(f"{method}: timeout", timeout, ", or None for no limit")


def submit(call: Callable[[threading.Event], Any], name: str) -> CallFuture:
    """Make `call` in a thread of its own; it is given an event that is set when it should end."""
    future = CallFuture(threading.Event())
    start_thread(future._settle, (call,), f"pyffipar {name}")  # noqa: SLF001
    return future

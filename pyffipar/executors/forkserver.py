"""The program that forks worker processes: single-threaded, with everything imported that they need."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import warnings
from contextlib import suppress
from typing import NoReturn

import pycparser.c_parser  # noqa: F401 - what every worker needs is imported once, here

from . import serving
from .wire import Wire


def main(channel: int) -> NoReturn:
    """Fork a worker whenever the process at the other end of the channel asks for one, and tell how workers end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    server = _Server(Wire(socket.socket(fileno=channel)))
    with suppress(EOFError, OSError):
        server.serve()
    os._exit(0)


class _Server:
    """Forks, and waits for those it has forked."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._numbers: dict[int, int] = {}  # of workers, by process
        # A pipe that becomes readable when a child has ended: one wait for children and requests.
        self._wake_end, wake = os.pipe()
        for end in (self._wake_end, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> NoReturn:
        """Until the parent is gone."""
        poll = select.poll()
        poll.register(self._wire.fileno(), select.POLLIN)
        poll.register(self._wake_end, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._wake_end in ready:
                os.read(self._wake_end, 4096)
            self._reap()
            if self._wire.fileno() in ready:
                self._obey()

    def _obey(self) -> None:
        (what, number), descriptors = self._wire.receive()
        if what == "fork":
            self._fork(number, *descriptors)
        else:
            for process, known in self._numbers.items():
                if known == number:
                    os.kill(process, signal.SIGKILL)

    def _fork(self, number: int, channel: int, life: int) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of threads: libraries that start some on import survive a fork
                process = os.fork()
        except OSError as error:
            self._wire.send(("ended", number, error))
        else:
            if process == 0:
                self._become_worker(channel, life)
            self._numbers[process] = number
            self._wire.send(("forked", number, process))
        os.close(channel)
        os.close(life)

    def _become_worker(self, channel: int, life: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._wire.close()
            serving.main(channel, life)
        except BaseException:  # noqa: BLE001 - must not become a second server
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Tell about all workers that have ended."""
        while self._numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            if (number := self._numbers.pop(process, None)) is not None:
                self._wire.send(("ended", number, os.waitstatus_to_exitcode(status)))

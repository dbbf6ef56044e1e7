"""Starting worker processes: each by a fresh interpreter, or forked by a server that has imported everything once.

Neither runs the user's program again: workers import this package and nothing else. The process that makes calls is
never forked itself, as it may have threads.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..system import forking
from .wire import Wire

METHOD_VARIABLE = "PYFFIPAR_START_METHOD"
METHODS = ("forkserver", "spawn")

_BOOT = "import sys; sys.path[:] = {path!r}; from pyffipar.executors import {module}; {module}.main({arguments})"
_STEP = 0.002  # s between two looks at a process that is about to end


class Process(Protocol):
    """A worker process."""

    def status(self) -> int | None:
        """Its exit code, or less the number of the signal that ended it; None while it runs.

        Raises
        ------
        LostStatus
            If it has ended, and nobody knows how.
        OSError
            If it was never started.
        """

    def end(self) -> None:
        """Kill it."""

    def abandon(self) -> None:
        """Let go of it in a forked child: it is the parent's."""


class LostStatus(Exception):  # noqa: N818 - says what is the matter
    """A process has ended, and nobody knows how."""


def default_method() -> str:
    """How workers are started, unless the environment says it: by a server where forking is sound."""
    # macOS: frameworks that were used before a fork without exec may crash behind it
    return "forkserver" if sys.platform.startswith("linux") else "spawn"


def chosen_method() -> str:
    """How workers are started.

    Raises
    ------
    ValueError
        If the environment names no way to do it.
    """
    method = os.environ.get(METHOD_VARIABLE, "") or default_method()
    if method not in METHODS:
        raise ValueError(f"{METHOD_VARIABLE} is {method!r}; there are {' and '.join(METHODS)}")
    return method


class Launcher:
    """Starts the workers of one process; all of them end with it."""

    def __init__(self) -> None:
        self._lock = forking.Lock()
        self._server: _Server | None = None
        # Workers see the end of the one pipe when the only process that holds the other is gone.
        self._read_end, self._write_end = os.pipe()

    def start(self) -> tuple[Process, Wire]:
        """A new worker, and the connection to it.

        Raises
        ------
        OSError, RuntimeError
            If the system gives no further process, or nobody knows where the interpreter is.
        """
        method = chosen_method()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return self._start(method, theirs.fileno()), Wire(ours)
            except BaseException:
                ours.close()
                raise

    def _start(self, method: str, channel: int) -> Process:
        if method == "spawn":
            return _Spawned(channel, self._read_end)
        with self._lock:
            if self._server is not None and not self._server.is_there():
                self._server.close()
                self._server = None
            if self._server is None:
                self._server = _Server()
            return self._server.fork(channel, self._read_end)

    def hang_up(self) -> None:
        """Let every worker end, whatever it does."""
        os.close(self._write_end)
        os.close(self._read_end)

    def close(self) -> None:
        """Let the server end."""
        if self._server is not None:
            self._server.close()

    def abandon(self) -> None:
        """Let go of everything in a forked child: the workers are its parent's."""
        self.hang_up()
        if self._server is not None:
            self._server.abandon()


def wait(process: Process, seconds: float) -> int | None:
    """The status of a process that is about to end; None if it has not within so many seconds."""
    deadline = time.monotonic() + seconds
    while (status := process.status()) is None and time.monotonic() < deadline:
        time.sleep(_STEP)
    return status


def _interpreter(module: str, descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Start a program of this package in an interpreter like this one; it inherits some descriptors."""
    spawn = sys.modules.get("multiprocessing.spawn")  # where a program says it that embeds an interpreter
    executable = spawn.get_executable() if spawn is not None else sys.executable
    if not executable:
        raise RuntimeError(
            "no worker processes: nobody knows where the interpreter is (see multiprocessing.set_executable)"
        )
    path = [str(entry) or str(os.getcwd()) for entry in sys.path]  # noqa: PTH109 - a text is wanted
    code = _BOOT.format(path=path, module=module, arguments=", ".join(map(str, descriptors)))
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [os.fsdecode(executable), *flags, "-c", code], stdin=subprocess.DEVNULL, pass_fds=descriptors
    )


class _Spawned:
    """A worker in an interpreter of its own."""

    def __init__(self, channel: int, life: int) -> None:
        self._popen = _interpreter("serving", (channel, life))

    def status(self) -> int | None:
        return self._popen.poll()

    def end(self) -> None:
        self._popen.kill()

    def abandon(self) -> None:
        self._popen.returncode = 0  # else Python warns of a process that is not waited for


class _Forked:
    """A worker that the server forks."""

    def __init__(self, server: _Server, number: int) -> None:
        self._server = server
        self._number = number

    def status(self) -> int | None:
        return self._server.status(self._number)

    def end(self) -> None:
        self._server.end(self._number)

    def abandon(self) -> None:
        """Nothing is held of it."""


class _Server:
    """The process that forks workers, as seen from here. It answers when it can, and is not waited for."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._popen = _interpreter("forkserver", (theirs.fileno(),))
            except BaseException:
                ours.close()
                raise
        self._wire = Wire(ours)
        self._lock = forking.Lock()
        self._number = 0
        self._processes: dict[int, int] = {}
        self._ended: dict[int, int | OSError] = {}
        self._is_gone = False

    def is_there(self) -> bool:
        """Whether it can be asked for workers."""
        return not self._is_gone and self._popen.poll() is None

    def fork(self, channel: int, life: int) -> Process:
        """Ask for a new worker."""
        with self._lock:
            self._number += 1
            self._wire.send(("fork", self._number), (channel, life))
            return _Forked(self, self._number)

    def status(self, number: int) -> int | None:
        """Of a worker; None while it runs."""
        with self._lock:
            self._read()
            ended = self._ended.get(number)
        if isinstance(ended, OSError):
            raise ended
        if ended is None and self._is_gone and not _exists(self._processes.get(number)):
            raise LostStatus
        return ended

    def end(self, number: int) -> None:
        """Kill a worker: the server knows whether the process is still its own."""
        with self._lock:
            try:
                self._wire.send(("end", number))
            except OSError:
                self._is_gone = True
        process = self._processes.get(number)
        if self._is_gone and process is not None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _read(self) -> None:
        """Take in what it has said."""
        try:
            while not self._is_gone and self._wire.is_readable():
                (what, number, value), _ = self._wire.receive()
                if what == "forked":
                    self._processes[number] = value
                else:
                    self._ended[number] = value
        except (EOFError, OSError):
            self._is_gone = True

    def close(self) -> None:
        """Let it end."""
        with self._lock:
            self._is_gone = True
            self._wire.close()
        try:
            self._popen.wait(1)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def abandon(self) -> None:
        """Let go of it in a forked child."""
        self._wire.close()
        self._popen.returncode = 0  # else Python warns of a process that is not waited for


def _exists(process: int | None) -> bool:
    """Whether a process of the lost server still runs, as far as one can tell without being its parent."""
    if process is None:
        return False
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return state != "Z"  # whoever has inherited it may never wait for it

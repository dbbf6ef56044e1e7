"""A worker from the other side: started in a process group of its own, asked line by line, ended for certain."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .base import SCRIPTS, Command, Missing, Work

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

LONGEST_LINE = 1 << 20
GOODBYE = 5.0
"""Seconds a worker has to end after its input has."""


class WorkerError(Exception):
    """A worker said that something went wrong, ended, or did not answer in time."""


class Session:
    """A running worker: a context manager.

    Parameters
    ----------
    command : Command
        How to start it.
    patience : float
        Seconds each answer may take.

    Attributes
    ----------
    hello : dict
        What it said first.
    start_seconds : float
        From the start of the process until then.
    pid : int
        Its process.
    """

    def __init__(self, command: Command, patience: float) -> None:
        self._command = command
        self._patience = patience
        self._pending = b""

    def __enter__(self) -> Self:
        self._complaints = tempfile.TemporaryFile()
        start = time.perf_counter()
        self._process = subprocess.Popen(
            self._command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            cwd=SCRIPTS,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **self._command.environment},
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            self.hello = self._greeting()
            self.start_seconds = time.perf_counter() - start
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def prepare(self, work: Work) -> dict[str, Any]:
        """Have a job made ready; its answer and the ``seconds`` that took."""
        start = time.perf_counter()
        answer = self._ask({"do": "prepare", **asdict(work)})
        return {**answer, "seconds": time.perf_counter() - start}

    def run(self) -> dict[str, Any]:
        """Have it done."""
        return self._ask({"do": "run"})

    def _greeting(self) -> dict[str, Any]:
        hello = self._answer(self._command.patience)
        if "missing" in hello:
            raise Missing(hello["missing"], hello["install"])
        return hello

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 -- for mypy: it was asked for
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorkerError(f"the worker has ended{self._last_words()}") from error
        answer = self._answer(self._patience)
        if "error" in answer:
            raise WorkerError(f"{request.get('job', request['do'])}: {answer['error']}")
        return answer

    def _answer(self, patience: float) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 -- for mypy: it was asked for
        deadline = time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise WorkerError(f"no answer within {patience:.0f} s{self._last_words()}")
                part = os.read(self._process.stdout.fileno(), 1 << 16)
                self._pending += part
                if not part or len(self._pending) > LONGEST_LINE:
                    raise WorkerError(f"the worker ended without an answer{self._last_words()}")
        line, self._pending = self._pending.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise WorkerError(f"the worker answered {line[:200]!r}, not a JSON object")
        return answer

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return ": " + " | ".join(lines[-3:]) if lines else ""

    def _end(self) -> None:
        # Exit codes are not looked at: an interpreter that crashes while it is torn down has given its answers.
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GOODBYE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its children too
        self._process.wait()
        self._complaints.close()

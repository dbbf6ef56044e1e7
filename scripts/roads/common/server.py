"""The server of job *io*: on loopback, in a process of its own, waiting before it answers, counting who waits.

``python -m roads.common.server MILLISECONDS`` prints the port it listens on and ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from .base import SCRIPTS
from .jobs import SOCKET_LIMIT

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
BODY = b"slept well\n"
if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

BACKLOG = 256
HEADER_LIMIT = 10.0


class Counter:
    """Requests in flight.

    Attributes
    ----------
    now, most, served : int
        In flight, most of them at once, all.
    """

    def __init__(self) -> None:
        self.now = self.most = self.served = 0

    def take(self) -> dict[str, int]:
        """What was counted since the last time it was asked for."""
        seen = {"most": self.most, "served": self.served}
        self.most, self.served = self.now, 0
        return seen


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counter: Counter, wait: float) -> None:
    """One request: ``/count`` says what was counted, anything else waits."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEADER_LIMIT)
        body = BODY
        if head.startswith(b"GET /count "):
            body = json.dumps(counter.take()).encode()
        else:
            counter.now += 1
            counter.served += 1
            counter.most = max(counter.most, counter.now)
            try:
                await asyncio.sleep(wait)
            finally:
                counter.now -= 1
        writer.write(ANSWER % (len(body), body))
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
        pass  # a client that went away is no concern of the others
    finally:
        writer.close()


async def serve(milliseconds: float) -> None:
    """Listen until cancelled."""
    counter = Counter()
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, counter, milliseconds / 1000), "127.0.0.1", 0, backlog=BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    """The server, from outside: a context manager.

    Parameters
    ----------
    milliseconds : int
        How long its handler waits.

    Attributes
    ----------
    port : int
        Where it listens.
    pid : int
        Its process.
    """

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def __enter__(self) -> Self:
        words = [sys.executable, "-m", "roads.common.server", str(self._milliseconds)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SCRIPTS, start_new_session=True
        )
        assert self._process.stdout is not None  # noqa: S101 -- for mypy: it was asked for
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self._process.kill()
            raise RuntimeError(f"the HTTP server did not start: {line!r}")
        self.port = int(line)
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._process:
            self._process.kill()

    def count(self) -> dict[str, int]:
        """``most`` requests in flight at once and how many were ``served``, since the last time."""
        with socket.create_connection(("127.0.0.1", self.port), SOCKET_LIMIT) as connection:
            connection.sendall(b"GET /count HTTP/1.0\r\n\r\n")
            parts = []
            while part := connection.recv(4096):
                parts.append(part)
        counted: dict[str, int] = json.loads(b"".join(parts).partition(b"\r\n\r\n")[2])
        return counted


def _end_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(serve(float(sys.argv[1])))

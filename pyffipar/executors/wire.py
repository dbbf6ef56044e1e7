"""Messages between a process and its workers: pickles of any length, and file descriptors beside them."""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
from collections.abc import Sequence
from typing import Any

_HEAD = struct.Struct("!QI")  # bytes of the pickle, and how many descriptors come with it
MOST_DESCRIPTORS = 250  # of one message: Linux takes 253
_CLOSED_BY_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Wire:
    """One end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """For those who wait until there is something to receive."""
        return self._socket.fileno()

    def is_readable(self, within: float = 0) -> bool:
        """Whether something comes within so many seconds, or has come, or the other side is gone."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(within * 1e3))

    def send(self, message: Any, descriptors: Sequence[int] = ()) -> None:
        """Send a message.

        Raises
        ------
        OSError
            If nobody is at the other end.
        """
        body = pickle.dumps(message, protocol=5)
        head = _HEAD.pack(len(body), len(descriptors))
        if descriptors:
            sent = socket.send_fds(self._socket, [head], list(descriptors))
            self._socket.sendall(head[sent:])
            self._socket.sendall(body)
        else:
            self._socket.sendall(head + body)

    def receive(self) -> tuple[Any, list[int]]:
        """Wait for a message, and give it with the descriptors that came with it.

        Raises
        ------
        EOFError
            If nobody is at the other end any more.
        """
        head, descriptors = b"", []
        while len(head) < _HEAD.size:
            part, found, _, _ = socket.recv_fds(self._socket, _HEAD.size - len(head), MOST_DESCRIPTORS, _CLOSED_BY_EXEC)
            descriptors += found
            head = self._appended(head, part)
        length, _ = _HEAD.unpack(head)
        body = bytearray()
        while len(body) < length:
            part = self._socket.recv(min(length - len(body), 1 << 20))
            body = self._appended(body, part)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only parameter
        return pickle.loads(body), descriptors  # noqa: S301 - from a process of our own, over a socket without a name

    @staticmethod
    def _appended(buffer: Any, part: bytes) -> Any:
        if not part:
            raise EOFError
        buffer += part
        return buffer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

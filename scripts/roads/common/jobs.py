"""The jobs in pure Python, and the rendezvous that needs no clock."""

from __future__ import annotations

import socket
import time
from array import array
from collections.abc import Iterable, MutableSequence
from itertools import repeat
from pathlib import Path

PERIOD = 1000
"""The numbers to add up repeat after so many; they are whole and small, so any order of adding gives the same bits."""

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
SOCKET_LIMIT = 30.0


def fib(n: int) -> int:
    """Job *cpu*: the n-th Fibonacci number, as naive as can be."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def numbers(n: int) -> array[float]:
    """What job *sum* adds up: n doubles, n a multiple of `PERIOD`."""
    return array("d", range(PERIOD)) * (n // PERIOD)


def expected_sum(n: int) -> float:
    """What comes out."""
    return n // PERIOD * (PERIOD * (PERIOD - 1) / 2)


def expected_fib(n: int) -> int:
    """What `fib` returns, without the wait."""
    one, other = 0, 1
    for _ in repeat(None, n):
        one, other = other, one + other
    return one


def total(values: Iterable[float]) -> float:
    """Job *sum*: one chunk, in a Python loop."""
    result = 0.0
    for value in values:
        result += value
    return result


def borders(n: int, chunks: int) -> list[tuple[int, int]]:
    """Where the chunks of n items start and stop."""
    return [(i * n // chunks, (i + 1) * n // chunks) for i in range(chunks)]


def get(port: int) -> int:
    """Job *io*: one GET from the server on loopback; the number of bytes that came."""
    with socket.create_connection(("127.0.0.1", port), SOCKET_LIMIT) as connection:
        connection.sendall(REQUEST)
        received = 0
        while part := connection.recv(4096):
            received += len(part)
    return received


def spin(flags: MutableSequence[int], me: int, patience: float) -> int:
    """The pure-Python rendezvous of two: 1 if the other one was seen while both were here.

    Parameters
    ----------
    flags : bytearray or mmap
        Three zeros that both see: two for who is here, one for "somebody gave up".
    me : int
        0 or 1.
    patience : float
        Seconds.
    """
    flags[me] = 1
    deadline = time.monotonic() + patience
    while not flags[2]:
        if flags[1 - me]:
            return 1
        if time.monotonic() > deadline:
            flags[2] = 1
    return 0


def source() -> Path:
    """The jobs in C."""
    return Path(__file__).resolve().parents[1] / "foreign" / "jobs.c"

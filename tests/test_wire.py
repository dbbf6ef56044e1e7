"""The wire between a process and its workers: messages of any size, descriptors with them, an end that is seen."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from pyffipar.executors.wire import Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    one, other = socket.socketpair()
    with one, other:
        yield Wire(one), Wire(other)


@pytest.mark.parametrize("size", [0, 1, 100, 1 << 16, 20 << 20])
def test_messages_of_any_size_arrive_whole_and_in_order(ends: tuple[Wire, Wire], size: int) -> None:
    """Larger ones than a socket holds: somebody has to read meanwhile."""
    one, other = ends
    array = np.arange(size, dtype=np.uint8)

    def send() -> None:
        for number in range(3):
            one.send((number, array))

    sender = threading.Thread(target=send)
    sender.start()
    for number in range(3):
        (found, data), descriptors = other.receive()
        assert (found, descriptors) == (number, [])
        np.testing.assert_array_equal(data, array)
    sender.join()


def test_descriptors_arrive_with_their_message_and_are_not_inherited(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    pipes = [os.pipe() for _ in range(5)]
    for pipe in pipes:
        one.send("a pipe", pipe)
    one.send("none")
    for read, write in pipes:
        message, (found_read, found_write) = other.receive()
        assert message == "a pipe"
        assert not os.get_inheritable(found_read)
        os.write(found_write, b"x")
        assert os.read(read, 1) == b"x"
        for descriptor in (read, write, found_read, found_write):
            os.close(descriptor)
    assert other.receive() == ("none", [])


def test_the_end_of_the_other_side_is_seen_between_and_within_messages(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    one.send("last")
    one.close()
    assert other.receive() == ("last", [])
    with pytest.raises(EOFError):
        other.receive()
    with pytest.raises(OSError, match="Broken pipe"):
        other.send("nobody hears")
    raw, last = socket.socketpair()
    raw.sendall(b"\0" * 11)
    raw.close()
    with last, pytest.raises(EOFError):
        Wire(last).receive()


def test_what_cannot_be_pickled_is_told_before_anything_is_sent(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    with pytest.raises(TypeError, match="pickle"):
        one.send(threading.Lock())
    one.send("next")
    assert other.receive() == ("next", [])

"""Which file lies behind an array's memory, as far as the kernel tells: what other processes can map as well."""

from __future__ import annotations

import mmap
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .addresses import address_of
from .overlaps import reach

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_RELEASED = 512 << 20  # bytes: what a program may well call again and again, stays
EVERY = 0.004  # s; a gigabyte is read in some 50 ms

# Files that lie in memory: to let go of their pages frees none, and they are looked up again one by one.
_IN_MEMORY = ("/memfd:", "/dev/shm/", "/dev/zero", "/SYSV")  # noqa: S108 - where the kernel says so

_MAPS = Path("/proc/self/maps")  # Linux; elsewhere every array counts as this process's own


class Mapping(NamedTuple):
    """A part of this process's memory that shows a part of a file, and what is written to it is written to the file.

    Attributes
    ----------
    start, stop : int
        Addresses.
    offset : int
        Of `start` in the file.
    device, inode : int
        Which file.
    path : str
        Where it lay when it was opened.
    """

    start: int
    stop: int
    offset: int
    device: int
    inode: int
    path: str

    @property
    def is_in_memory(self) -> bool:
        """Whether the file has no other place than memory, as all that several processes share."""
        return self.path.startswith(_IN_MEMORY)

    def open(self, *, writable: bool) -> int | None:
        """A descriptor of the very file that is mapped; None if it cannot be had, as of one that was deleted."""
        try:
            descriptor = os.open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) == (self.device, self.inode):
            return descriptor
        os.close(descriptor)  # another file of the same name
        return None


class Mappings:
    """The shared mappings of files in this process's memory, as they are now."""

    def __init__(self, lines: Iterable[str] | None = None) -> None:
        self._found = list(_shared(_lines() if lines is None else lines))
        self._starts = [mapping.start for mapping in self._found]

    def behind(self, array: Array) -> Mapping | None:
        """The mapping that all elements of an array lie in."""
        below, above = reach(array)
        first, last = address_of(array) + below, address_of(array) + above
        place = bisect_right(self._starts, first) - 1
        if place < 0 or first == last:
            return None
        mapping = self._found[place]
        return mapping if last <= mapping.stop else None


def _lines() -> list[str]:
    try:
        return _MAPS.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return []


def _shared(lines: Iterable[str]) -> Iterator[Mapping]:
    """The mappings of files that are shared, pieces that continue each other as one."""
    last: Mapping | None = None
    for line in lines:
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or fields[1][3] != "s" or not fields[5].startswith("/"):
            continue
        start, stop = (int(address, 16) for address in fields[0].split("-"))
        major, minor = (int(number, 16) for number in fields[3].split(":"))
        path = fields[5].replace("\\012", "\n")  # the only character the kernel writes in another way
        found = Mapping(start, stop, int(fields[2], 16), os.makedev(major, minor), int(fields[4]), path)
        if last is not None and _continues(last, found):
            found = last._replace(stop=found.stop)
        elif last is not None:
            yield last
        last = found
    if last is not None:
        yield last


def _continues(one: Mapping, other: Mapping) -> bool:
    follows = one.stop == other.start and one.offset + one.stop - one.start == other.offset
    return follows and one[3:] == other[3:]


def lies_in_memory(descriptor: int) -> bool:
    """Whether the file that is open there has no other place than memory."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith(_IN_MEMORY)
    except OSError:  # not on this system
        return False


def is_large(array: Array) -> bool:
    """Whether it would matter if all pages of an array stayed in the process."""
    return array.nbytes >= LEAST_RELEASED


def is_trailed(array: Array) -> bool:
    """Whether a `Trail` may have something to do with an array."""
    return is_large(array) and mapped_by(array) is not None


class Trail:
    """Large files that a call goes through in mapped memory: what lies behind it leaves the process again.

    The kernel would take the pages back by itself, but only when memory is short; until then they count as the
    process's own. Nothing is lost: who reads or writes there again finds what the file holds.

    Parameters
    ----------
    arrays : iterable of ndarray
        Those that lie in no mapped file, or are small, are left alone.
    """

    def __init__(self, arrays: Iterable[Array]) -> None:
        self._parts: list[tuple[mmap.mmap, int, int]] = []
        self._last = 0.0
        mappings: Mappings | None = None
        for array in arrays:
            memory = mapped_by(array) if is_large(array) else None
            if memory is not None:
                mappings = mappings or Mappings()
                mapping = mappings.behind(array)  # none is found for a private one, which would lose what was written
                if mapping is not None and not mapping.is_in_memory:
                    self._parts.append((memory, *_pages(memory, array)))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def release(self) -> None:
        """Let go of all pages, now and then; the few that chunks are working on come back at once."""
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        for memory, start, length in self._parts:
            memory.madvise(mmap.MADV_DONTNEED, start, length)


def _pages(memory: mmap.mmap, array: Array) -> tuple[int, int]:
    """The pages of a mapping that an array's elements lie in: where they begin in it, and how many bytes they are."""
    below, above = reach(array)
    first = address_of(array) + below - address_of(np.frombuffer(memory, np.uint8))
    start = first // mmap.PAGESIZE * mmap.PAGESIZE
    return start, first + above - below - start


def mapped_by(array: Array) -> mmap.mmap | None:
    """The object of Python's through which an array's memory was mapped, if there is one."""
    owner: Any = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return owner

"""Arrays in memory that worker processes can map: made here on request, or mapped files anyway."""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .addresses import address_of
from .mappings import Mappings, mapped_by

Array = np.ndarray[Any, np.dtype[Any]]

# Descriptor and address of the memory of shared arrays.
_made: weakref.WeakKeyDictionary[mmap.mmap, tuple[int, int]] = weakref.WeakKeyDictionary()


class Segment(NamedTuple):
    """Memory of no file with a name: whoever holds the descriptor can map it, and it is freed with the last of them."""

    descriptor: int
    memory: mmap.mmap
    address: int

    def close(self) -> None:
        """Let go of the descriptor; the memory is freed when the last array over it and the last mapping are gone."""
        os.close(self.descriptor)


def make_segment(size: int) -> Segment:
    """A segment of so many bytes, all zero; its memory is taken page by page as it is written to."""
    if hasattr(os, "memfd_create"):  # Linux
        descriptor = os.memfd_create("pyffipar", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:  # has lost its name already
            descriptor = os.dup(file.fileno())
    size = max(1, size)
    try:
        os.ftruncate(descriptor, size)
        memory = mmap.mmap(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return Segment(descriptor, memory, address_of(np.frombuffer(memory, np.uint8)))


def shared_empty(shape: int | Sequence[int], dtype: Any = np.float64) -> Array:
    """A new array whose memory worker processes can map.

    With ``executor="processes"`` such an array is not copied: workers read and write it where it lies. It is an
    ordinary array in every other respect, and is freed when nobody holds it any more, or a second later: workers keep
    it mapped from one call to the next.

    Parameters
    ----------
    shape : int or sequence of int
    dtype : dtype
        Anything but Python objects.

    Returns
    -------
    ndarray, shape `shape`, dtype `dtype`
        In C order, all zero.

    Raises
    ------
    TypeError
        If `dtype` holds Python objects.
    ValueError
        For a negative extent.
    OSError
        If the system gives no such memory.

    Examples
    --------
    >>> import pyffipar as pf
    >>> x = pf.shared_empty((2, 3))
    >>> x[...] = 1
    >>> print(pf.load("m", "double sqrt(double x);").sqrt.options(executor="processes", threads=1)(x).sum())
    6.0
    """
    kind = np.dtype(dtype)
    extents = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if kind.hasobject:
        raise TypeError(f"dtype {kind} holds Python objects, which live in one process only")
    if any(extent < 0 for extent in extents):
        raise ValueError(f"shape {extents}: an extent is not negative")
    segment = make_segment(math.prod(extents) * kind.itemsize)
    _made[segment.memory] = segment.descriptor, segment.address
    weakref.finalize(segment.memory, os.close, segment.descriptor)
    return np.ndarray(extents, kind, buffer=segment.memory)


def shared(array: Any) -> Array:
    """A copy of an array whose memory worker processes can map.

    Parameters
    ----------
    array : array_like

    Returns
    -------
    ndarray
        As of `shared_empty`, with the shape, dtype and elements of `array`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.shared([1.0, 2.0])
    array([1., 2.])
    """
    source = np.asarray(array)
    copy = shared_empty(source.shape, source.dtype)
    copy[...] = source
    return copy


class Source(NamedTuple):
    """Where an array's elements lie in something that can be mapped.

    Attributes
    ----------
    descriptor : int
        Of a file or segment.
    offset : int
        Of the array's first element in it, in bytes.
    """

    descriptor: int
    offset: int


class Sources:
    """Finds what arrays can be mapped from; a context manager that closes the files it has opened."""

    def __init__(self) -> None:
        self._mappings: Mappings | None = None
        self._opened: dict[tuple[int, int, bool], int | None] = {}

    def find(self, array: Array, *, writable: bool) -> Source | None:
        """Where another process finds the elements of an array; None if they are this process's alone."""
        owner = mapped_by(array)
        if owner is None or not array.size:
            return None
        if owner in _made:
            descriptor, address = _made[owner]
            return Source(descriptor, address_of(array) - address)
        if self._mappings is None:
            self._mappings = Mappings()
        mapping = self._mappings.behind(array)
        if mapping is None:
            return None
        key = (mapping.device, mapping.inode, writable)
        if key not in self._opened:
            self._opened[key] = mapping.open(writable=writable)
        opened = self._opened[key]
        return None if opened is None else Source(opened, address_of(array) - mapping.start + mapping.offset)

    def __enter__(self) -> Sources:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._opened.values():
            if descriptor is not None:
                os.close(descriptor)
        self._opened.clear()

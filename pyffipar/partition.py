"""Where work is cut: a pure function of the problem's sizes and the declaration, never of threads or time."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
# Smaller chunks lose memory bandwidth to start-up, larger ones leave too few to share out; and a chunk that has to pass
# through buffers should stay in its core's L2 cache. In between a chunk is a 128th of the data. A function that lives
# on bandwidth alone says chunk(min = ...).
SMALLEST_BYTES = 256 * KIB
LARGEST_BYTES = 1024 * KIB
SHARE = 128
# Few but dear items (rows of a picture, seeds of a simulation) are worth sharing out too.
FEW = 64
# A reduction over plain elements is not cut finer than this: its grid must be the same when it is lifted over a
# million short rows, and there 64 calls of two elements each would cost more than the work.
SMALLEST_REDUCED_BYTES = 4 * KIB
# Large chunks begin where vectors do.
ALIGNMENT = 32  # items


@dataclass(frozen=True, slots=True)
class Grid:
    """`length` items cut into `chunks` pieces of `chunk` items; the last takes what is left.

    An uncut call is one chunk. ``Grid(0, 1, 1)`` is one call that covers nothing.
    """

    length: int
    chunk: int
    chunks: int

    def span(self, index: int) -> tuple[int, int]:
        """First item of chunk `index` and the one behind its last."""
        start = index * self.chunk
        return start, min(start + self.chunk, self.length)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a declaration demands of chunks.

    Attributes
    ----------
    step : int
        Every border is a multiple of it.
    smallest, largest : int or None
        Bounds on the items of a chunk; None leaves the choice to `cut`.
    """

    step: int = 1
    smallest: int | None = None
    largest: int | None = None


def cut(
    length: int,
    item_bytes: int,
    limits: Limits = Limits(),
    *,
    at_least: int = FEW,
    private_bytes: int = 0,
    reduced: bool = False,
    cap: int | None = None,
) -> Grid:
    """The grid for `length` items of `item_bytes` bytes each.

    Parameters
    ----------
    length : int
        Items to share out.
    item_bytes : int
        Bytes of the arrays that are cut, per item; 0 if none is (items are then taken to be dear).
    limits : Limits
        The declaration's ``chunk`` clause.
    at_least : int
        Chunks to make where there are that many items.
    private_bytes : int
        Bytes of private copies every chunk needs: there are never so many that they outweigh the data.
    reduced : bool
        Whether partial results are merged, so that the grid shows in the result's bits.
    cap : int, optional
        Largest length the function's own size parameter can hold.

    Returns
    -------
    Grid
    """
    if length == 0:
        return Grid(0, 1, 1)
    least = _least(length, item_bytes, limits, private_bytes, reduced=reduced)
    chunk = min(max(_share(length, item_bytes, at_least), least), length)
    if limits.largest is None or chunk < limits.largest:
        chunk = _evened(length, item_bytes, chunk, least)
    chunk = _stepped(chunk if limits.largest is None else min(chunk, limits.largest), limits, cap)
    return Grid(length, chunk, -(-length // chunk))


def _share(length: int, item_bytes: int, at_least: int) -> int:
    """Items per chunk by bytes, and few enough for `at_least` chunks."""
    even = -(-length // max(1, at_least))
    if item_bytes == 0:
        return even
    target = min(max(length * item_bytes // SHARE, SMALLEST_BYTES), LARGEST_BYTES)
    return max(1, min(even, target // item_bytes))


def _least(length: int, item_bytes: int, limits: Limits, private_bytes: int, *, reduced: bool) -> int:
    """Items a chunk has at least."""
    least = limits.smallest or 1
    if reduced and 0 < item_bytes <= 16:  # up to double _Complex: plain elements
        least = max(least, -(-SMALLEST_REDUCED_BYTES // item_bytes))
    if private_bytes:
        least = max(least, -(-length // max(1, length * item_bytes // private_bytes)))
    return least


def _evened(length: int, item_bytes: int, chunk: int, least: int) -> int:
    """About as large, so that the last chunk is no remnant: few chunks would be shared out badly."""
    chunks = -(-length // chunk)
    even = -(-length // chunks)
    if even < least and chunks > 1:
        even = -(-length // (chunks - 1))
    aligned = min(-(-even // ALIGNMENT) * ALIGNMENT, length)
    return aligned if even >= ALIGNMENT**2 and aligned * item_bytes <= LARGEST_BYTES else even


def _stepped(chunk: int, limits: Limits, cap: int | None) -> int:
    """Round up to a multiple of the step, down where a bound forbids more."""
    step = limits.step
    chunk = -(-chunk // step) * step
    bounds = [bound for bound in (limits.largest, cap) if bound is not None]
    if bounds and chunk > min(bounds):
        chunk = max(min(bounds) // step, 1) * step
    return chunk


def grain(calls: int, call_bytes: int) -> int:
    """How many calls are handed to a worker at once: scheduling only, no result depends on it."""
    if calls <= 1:
        return 1
    return cut(calls, call_bytes).chunk

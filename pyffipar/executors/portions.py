"""Hands out the calls of a plan in portions that are worth being sent: time and memory say how large they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..plans.parcels import bytes_per_call
from ..plans.pieces import Piece, pieces
from ..plans.plan import Plan

SMALLEST = 8  # the last portions are smaller than the others, but not by more than so many times


class Portions:
    """The calls of a plan that nobody has been given yet.

    A portion begins with a single task, and grows as far as its time allows once it is known what a call takes. No
    border of a chunk depends on it.

    Parameters
    ----------
    plan : Plan
    workers : int
        Among how many they are shared out.
    seconds : float
        What a portion should take, so that sending it costs little.
    size : int
        Bytes of arrays that a portion of several tasks may travel with.
    stay : collection of str, optional
        Arguments whose arrays do not travel, for workers have them already.
    """

    def __init__(self, plan: Plan, workers: int, seconds: float, size: int, stay: Collection[str] = ()) -> None:
        self._plan = plan
        self._shares = 2 * workers  # what is left is never handed out to one alone
        self._seconds = seconds
        self._largest = max(1, int(size / max(1.0, bytes_per_call(plan, stay) * plan.grain)))  # tasks
        self._per_call = 0.0  # seconds; 0: not known yet
        self._next = 0
        self._cut: Iterator[Piece] = iter(())
        self._returned: list[Piece] = []
        self._is_closed = False

    def take(self) -> Piece | None:
        """The next piece; None if there is none."""
        if self._returned:
            return self._returned.pop()
        piece = next(self._cut, None)
        if piece is None and self.is_left():
            last = min(self._next + self._tasks() * self._plan.grain, self._plan.calls)
            self._cut = pieces(self._plan, self._next, last)
            self._next = last
            piece = next(self._cut)
        return piece

    def give_back(self, piece: Piece) -> None:
        """Somebody else is to have it."""
        if not self._is_closed:
            self._returned.append(piece)

    def _tasks(self) -> int:
        """How many tasks the next portion has."""
        if not self._per_call:
            return 1
        grain = self._plan.grain
        wanted = int(self._seconds / (self._per_call * grain))
        fair = (self._plan.calls - self._next) // (grain * self._shares)
        # Not the time alone, for it may have been learnt of cheap calls; and the last ones end about together.
        least = min(wanted, self._plan.calls // (grain * self._shares)) // SMALLEST
        return max(1, min(wanted, max(fair, least), self._largest))

    def learn(self, calls: int, seconds: float) -> None:
        """So long did it take somebody to make so many calls."""
        self._per_call = max(seconds / calls, 1e-9)

    def seconds_left(self) -> float:
        """What is not handed out yet will take one worker about so long; 0 if nobody knows."""
        return self._per_call * (self._plan.calls - self._next)

    def ahead(self) -> int:
        """How many pieces somebody may be given at once: a second one only if the first is done soon.

        Those who have nothing to do could have it else.
        """
        task = self._per_call * self._plan.grain
        return 2 if 0 < task < 4 * self._seconds else 1

    def is_left(self) -> bool:
        """Whether there may be a next piece."""
        return bool(self._returned) or self._next < self._plan.calls

    def close(self) -> None:
        """Hand out nothing more."""
        self._is_closed = True
        self._returned.clear()
        self._cut = iter(())
        self._next = self._plan.calls

"""A declaration text put together from what users wrote and what headers say; errors point at what was written."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import PrototypeError


@dataclass(frozen=True, slots=True)
class Document:
    """A text that somebody wrote; `name` is its file's path, or empty for what was passed as a string."""

    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a draft.

    Attributes
    ----------
    text : str
    document : Document
        Whom an error in it concerns,
    position : int
        and at which offset.
    is_copy : bool
        Whether it stands there character by character; else all of it belongs to that one offset.
    """

    text: str
    document: Document
    position: int
    is_copy: bool = False


class Draft:
    """Pieces one behind the other.

    Examples
    --------
    >>> written = Document("f(x)")
    >>> draft = Draft([Piece("double ", written, 0), Piece("f(x)", written, 0, True)])
    >>> draft.text
    'double f(x)'
    >>> with draft.errors():
    ...     raise PrototypeError("wrong", draft.text, 9)
    Traceback (most recent call last):
        ...
    pyffipar.errors.PrototypeError: wrong
      line 1: f(x)
                ^
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = tuple(piece for piece in pieces if piece.text)
        self.text = "".join(piece.text for piece in self.pieces)
        self._starts = [0]
        for piece in self.pieces:
            self._starts.append(self._starts[-1] + len(piece.text))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Let errors about this text point at what was written."""
        try:
            yield
        except PrototypeError as error:
            if error.text != self.text or not self.pieces:
                raise
            raise self._moved(error) from None

    def _moved(self, error: PrototypeError) -> PrototypeError:
        number = min(bisect.bisect_right(self._starts, error.position), len(self.pieces)) - 1
        piece = self.pieces[number]
        within = error.position - self._starts[number] if piece.is_copy else 0
        name = f"{piece.document.name}: " if piece.document.name else ""
        return PrototypeError(name + error.message, piece.document.text, piece.position + within)

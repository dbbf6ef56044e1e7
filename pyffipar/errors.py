"""Every exception pyffipar raises on its own account, and the caret under a declaration."""

from __future__ import annotations

import numbers
import pickle
import sys
from collections.abc import Iterable
from dataclasses import dataclass


class PyffiparError(Exception):
    """Base of every error that only pyffipar raises.

    Wrong shapes are ``ValueError`` and wrong dtypes ``TypeError``, as in NumPy; they do not derive from this class.
    """


class PrototypeError(PyffiparError, ValueError):
    """A declaration that cannot be read, or that leaves something to be guessed.

    Parameters
    ----------
    message : str
        What was wanted and how to write it.
    text : str, optional
        The whole declaration text.
    position : int, optional
        Offset into `text` of the character the message is about.

    Attributes
    ----------
    message, text, position
        As given.
    line, column : int
        Where `position` lies, both counted from 1; 0 when there is no text.
    """

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        self.message = message
        self.text = text
        self.position = min(max(position, 0), len(text))
        self.line = text.count("\n", 0, self.position) + 1 if text else 0
        self.column = self.position - (text.rfind("\n", 0, self.position) + 1) + 1 if text else 0
        super().__init__(message + excerpt(text, self.position))

    def __reduce__(self) -> tuple[type[PrototypeError], tuple[str, str, int]]:
        return type(self), (self.message, self.text, self.position)


def excerpt(text: str, position: int) -> str:
    """The line of `text` an error is about, with a caret under the place; long lines are shown in part."""
    if not text:
        return ""
    width = 100  # a terminal's line, less the indent
    line, begin = text.count("\n", 0, position) + 1, text.rfind("\n", 0, position) + 1
    source, column = text.split("\n")[line - 1].rstrip(), position - begin
    first = max(0, column - width // 2) if len(source) > width else 0
    shown = "".join(char if char.isprintable() else " " for char in source[first : first + width])
    return f"\n  line {line}: {shown}\n  {' ' * (len(f'line {line}: ') + column - first)}^"


class LibraryError(PyffiparError, OSError):
    """A library or a symbol in it could not be found or opened.

    Attributes
    ----------
    symbol : str
        The function that is not in the library; empty if that is not the trouble.
    """

    symbol = ""

    @classmethod
    def without(cls, symbol: str, message: str) -> LibraryError:
        """The error for a library that has not this function."""
        error = cls(message)
        error.symbol = symbol
        return error


class CompileError(PyffiparError):
    """The C compiler refused a source text, or there is no compiler."""


class NativeLibraryError(PyffiparError, ImportError):
    """pyffipar's own shared library is missing or was built for another version."""


class MissingExtraError(PyffiparError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class UnpickleError(PyffiparError, pickle.UnpicklingError):
    """Pickled data that may not be restored in this process, or that describes no function or library."""


class LibraryChangedWarning(UserWarning):
    """A function was unpickled where its library is another build than where it was pickled: results may differ.

    ``warnings.simplefilter("error", pf.LibraryChangedWarning)`` refuses such functions.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """One foreign call that failed.

    Attributes
    ----------
    item : tuple of int
        Loop index of the call; empty when the function was not lifted.
    start, stop : int
        The range of the size that was cut; both 0 when none was.
    value : object
        What the function returned, where that was the trouble.
    errno : int
        ``errno`` right after the call.
    text : str
        What was wrong, in words.
    """

    item: tuple[int, ...]
    start: int
    stop: int
    value: object
    errno: int
    text: str


class ChunkError(PyffiparError, RuntimeError):
    """A foreign call failed: says which function, on which part of the data, and how.

    Attributes
    ----------
    function : str
        Name of the foreign function.
    failures : tuple of Failure
        All that were seen before the rest was cancelled, in call order.
    """

    def __init__(self, message: str, function: str, failures: tuple[Failure, ...] = ()) -> None:
        super().__init__(message)
        self.function = function
        self.failures = failures

    def __reduce__(self) -> tuple[type[ChunkError], tuple[str, str, tuple[Failure, ...]]]:
        return type(self), (str(self.args[0]), self.function, self.failures)


def shown(value: object) -> str:
    """A value and its type, for a message."""
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def check_text(what: str, value: object, wanted: str) -> None:
    """Refuse what is no text, where one is wanted.

    Raises
    ------
    TypeError
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is {shown(value)}; {wanted} is wanted, as a str")


def checked_seconds(what: str, value: object, otherwise: str = "") -> float:
    """A number of seconds; `otherwise` says what else there could be.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(value, bool):
        pass  # an int, for Python
    elif isinstance(value, (int, float)):
        return value
    elif isinstance(value, numbers.Real):  # one of NumPy's
        return float(value)
    raise TypeError(f"{what} = {shown(value)}; seconds are wanted{otherwise}")


def missing_extra(what: str, extra: str) -> MissingExtraError:
    """The error where an optional package is not there: what wants it, and the line that brings it.

    With quotes: zsh takes square brackets for a pattern.
    """
    return MissingExtraError(f"{what}: pip install 'pyffipar[{extra}]'")


def alike(name: str, known: Iterable[str], most: int = 1, closeness: float = 0.6) -> list[str]:
    """Those of the known names that somebody may have meant; `closeness` goes up to 1, for equal ones."""
    import difflib

    return difflib.get_close_matches(name, list(known), most, closeness)


def did_you_mean(name: str, known: Iterable[str], closeness: float = 0.6) -> str:
    """The end of a message about an unknown name; empty if none of the known ones is like it."""
    return "".join(f"; did you mean {near}?" for near in alike(name, known, 1, closeness))


def note_others(first: BaseException, others: Iterable[BaseException], words: str) -> None:
    """Keep the errors that were raised beside the first one, which alone can be raised."""
    for other in others:
        if other is first:
            continue
        if sys.version_info >= (3, 11):
            first.add_note(f"{words}: {other!r}")
        else:
            first.__context__ = other

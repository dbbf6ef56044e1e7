"""Where functions came from, as plain data: how another process finds the same library again."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import CompileError, LibraryChangedWarning, LibraryError, UnpickleError
from ..system.forking import late_import
from . import libraries
from .recipes import Recipe, make_recipe
from .symbols import PROGRAM, OpenLibrary, loaded, open_library

_MOST_CHARACTERS = 4096  # of a name or path: PATH_MAX on Linux
_MOST_SOURCE = 1 << 24  # characters of a source to compile: more than anyone has written


class Origin(ABC):
    """Where a library came from; what can be found again elsewhere is pickled, and opened there.

    Attributes
    ----------
    name : str
        What a user would call the library: a name, a path, or what it is in angle brackets.
    """

    __slots__ = ()
    name: str

    @abstractmethod
    def packed(self, what: str) -> Origin:
        """Itself, with all that another process must know; `what` is wanted to be pickled.

        Raises
        ------
        TypeError
            If another process has no way to find it.
        LibraryError
            If its file is no more the one that was loaded.
        """

    @abstractmethod
    def find(self) -> str:
        """The absolute path of the file that `open` would load here; empty if it is to be made first.

        Raises
        ------
        LibraryError
            If there is none.
        """

    @abstractmethod
    def open(self) -> OpenLibrary:
        """Load it in this process.

        Raises
        ------
        LibraryError, CompileError
            If it cannot be had here; says on which host.
        """

    @abstractmethod
    def here(self, opened: OpenLibrary) -> Origin:
        """Where it came from as seen from this process, which has opened it."""


@dataclass(frozen=True, slots=True)
class Unmovable(Origin):
    """What only this process has: `name` says what it is, `remedy` how to have it elsewhere."""

    name: str
    remedy: str

    def packed(self, what: str) -> Origin:
        """Refused."""
        raise TypeError(
            f"{what} cannot be pickled: it comes from {self.name}, which only this process has. {self.remedy}"
        )

    def find(self) -> str:
        """Refused: it was never packed."""
        raise UnpickleError(f"{self.name} is in no file")

    def open(self) -> OpenLibrary:
        """Refused, likewise."""
        raise UnpickleError(f"{self.name} is no library")

    def here(self, opened: OpenLibrary) -> Origin:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True)
class FileOrigin(Origin):
    """A shared library as it was searched.

    Attributes
    ----------
    name : str
        A name, which is searched, or an absolute path.
    path : str
        Where it was found by the process that says so.
    fingerprint : str
        Which build it was there; empty until it is packed.
    """

    name: str
    path: str
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Look at everything: it may come from forged data."""
        for text in (self.name, self.path, self.fingerprint):
            check_text("a library", text, _MOST_CHARACTERS)
        by_path = libraries.is_path(self.name)
        if not self.name or not Path(self.path).is_absolute() or (by_path and self.name != self.path):
            raise UnpickleError(f"pickled data names library {self.name!r} at {self.path!r}, which is none")

    def __reduce__(self) -> tuple[type[FileOrigin], tuple[str, str, str]]:
        return FileOrigin, (self.name, self.path, self.fingerprint)

    def packed(self, what: str) -> Origin:
        """With the fingerprint of what is loaded here."""
        opened = loaded(self.path)
        mark = opened.fingerprint() if opened else ""
        if not mark:
            raise LibraryError(
                f"{what} cannot be pickled: {self.path} has been changed or removed since it was loaded, so another "
                "process would load something else. Start this process anew"
            )
        return FileOrigin(self.name, self.path, mark)

    def find(self) -> str:
        """By the search that found it first."""
        try:
            return self.name if libraries.is_path(self.name) else libraries.search(self.name)
        except LibraryError as error:
            raise self._missing(error) from None

    def open(self) -> OpenLibrary:
        """Search and load it; warns if what is found is another build."""
        try:
            opened = open_library(self.name)
        except LibraryError as error:
            raise self._missing(error) from None
        ours = opened.fingerprint() or "a file that was changed since it was loaded"
        if self.fingerprint and self.fingerprint != ours:
            warnings.warn(
                f"library {self.name!r} is another build on {platform.node()} ({opened.path}, {ours}) than where a "
                f"function of it was pickled ({self.path}, {self.fingerprint}): results may differ",
                LibraryChangedWarning,
                stacklevel=_outside(),
            )
        return opened

    def here(self, opened: OpenLibrary) -> Origin:
        """With the path on this machine, and no fingerprint yet."""
        return FileOrigin(opened.path if libraries.is_path(self.name) else self.name, opened.path)

    def _missing(self, error: LibraryError) -> LibraryError:
        return LibraryError(
            f"host {platform.node()} cannot load library {self.name!r}, which a pickled function comes from "
            f"(from {self.path} where it was pickled): {error}"
        )


@dataclass(frozen=True, slots=True)
class SourceOrigin(Origin):
    """A source that `compile` compiled: compiled again elsewhere, or found there in the cache."""

    recipe: Recipe
    name: str = "<compiled source>"

    def __reduce__(self) -> tuple[Callable[[object], SourceOrigin], tuple[dict[str, Any]]]:
        return _source_origin, (_told(self.recipe),)

    def packed(self, what: str) -> Origin:
        """Itself: the source is all there is to know."""
        return self

    def find(self) -> str:
        """In no file yet."""
        return ""

    def open(self) -> OpenLibrary:
        """Compile it, or find it in the cache, and load it."""
        with late_import():
            from .compiling import build
        try:
            return open_library(build(self.recipe))
        except CompileError as error:
            raise CompileError(
                f"host {platform.node()} cannot compile the source that a pickled function comes from: {error}"
            ) from None

    def here(self, opened: OpenLibrary) -> Origin:
        """Itself."""
        return self


def _told(recipe: Recipe) -> dict[str, Any]:
    """What `compile` was told, less what it would take for granted."""
    told = {field.name: (getattr(recipe, field.name), field.default) for field in fields(Recipe)}
    return {name: value for name, (value, default) in told.items() if value != default}


def _source_origin(told: object) -> SourceOrigin:
    """What `SourceOrigin` packed, after a look at everything: it may be forged."""
    known = {field.name: field.default for field in fields(Recipe)}
    if not isinstance(told, dict) or "source" not in told or not told.keys() <= known.keys():
        raise UnpickleError("pickled data describes a source to compile in a way that this version does not know")
    for name, value in told.items():
        many = isinstance(known[name], tuple) and isinstance(value, tuple)
        for text in value if many else (value,):
            check_text("a source to compile", text, _MOST_SOURCE)
    try:
        return SourceOrigin(make_recipe(**told))
    except (TypeError, ValueError) as error:
        raise UnpickleError(f"pickled data describes no source to compile: {error}") from None


def origin_of(source: object, opened: OpenLibrary) -> Origin:
    """Where a library came from that was opened by `source`."""
    if opened.path == PROGRAM:
        return Unmovable("the running program itself", "Load the library that has the function by its name")
    name = os.fspath(source) if isinstance(source, str) and not libraries.is_path(source) else opened.path
    return FileOrigin(name, opened.path)


def check_text(what: str, text: object, most: int) -> None:
    """Refuse what is no text, or one that nobody could have meant."""
    if not isinstance(text, str):
        raise UnpickleError(f"pickled data describes {what} by a {type(text).__name__}; a text is wanted")
    if len(text) > most or "\0" in text:
        raise UnpickleError(f"pickled data describes {what} by {text[:60]!r}…, {len(text)} characters long")


def _outside() -> int:
    """How far above the caller the first function is that is not of this package: whoever unpickles."""
    package = f"{__name__.rsplit('.', 2)[0]}."
    level = 1
    frame = sys._getframe(1)  # noqa: SLF001 - as the warnings module itself does it
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame, level = frame.f_back, level + 1
    return level

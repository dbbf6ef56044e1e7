"""What a shared object is made of, as plain data: it is known before, and without, a compiler being looked for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import check_text

LANGUAGES = ("c", "c++")
_PATH = re.compile(r"[^\n;{}()#]+\.(?:c|cc|cpp|cxx|c\+\+|C|h|hh|hpp)")  # no text in C


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a shared object is made of: all that `pyffipar.compile` was told and that decides about it.

    Attributes
    ----------
    source : str
    flags : tuple of str
    include : tuple of str
        Absolute folders.
    libraries : tuple of str
        Names for the linker's ``-l``, and absolute paths.
    language : str
        ``c`` or ``c++``.
    """

    source: str
    flags: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    language: str = "c"


Paths: TypeAlias = "Sequence[str | os.PathLike[str]]"


def make_recipe(
    source: str, *, flags: Sequence[str] = (), include: Paths = (), libraries: Paths = (), language: str = "c"
) -> Recipe:
    """Take down what to compile and how; relative paths are those of the folder this runs in.

    Raises
    ------
    ValueError, TypeError
        If `language` is unknown, a single string is given in place of a sequence, or a path in place of a source.
    """
    check_text("compile: the source", source, "C or C++")
    if _PATH.fullmatch(source.strip()):
        raise ValueError(
            f"compile takes the source itself, and {source!r} looks like a path: Path({source!r}).read_text()"
        )
    for name, given in (("flags", flags), ("include", include), ("libraries", libraries)):
        if isinstance(given, (str, os.PathLike)):
            raise TypeError(f"{name} is the single value {given!r}; give a sequence, such as ({os.fspath(given)!r},)")
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; pyffipar compiles {' and '.join(map(repr, LANGUAGES))}")
    return Recipe(
        source,
        tuple(flags),
        tuple(str(Path(folder).absolute()) for folder in include),
        tuple(map(_library, libraries)),
        language,
    )


def _library(given: str | os.PathLike[str]) -> str:
    """A library's name as it is, its path made absolute."""
    text = os.fspath(given)
    return text if isinstance(given, str) and os.sep not in text else str(Path(text).absolute())

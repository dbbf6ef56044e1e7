"""The files a compiler has read: their digests, and whether it would read the same ones now."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a product was made of besides its source.

    Attributes
    ----------
    files : dict
        Absolute paths, and the SHA-256 of what was in each; empty where nobody knows.
    search : list of str
        Folders in which headers were looked for.
    shadows : list of str
        Files in these folders that bear a name by which one of `files` may have been included.
    """

    files: dict[str, str]
    search: list[str]
    shadows: list[str]

    @classmethod
    def of(cls, read: Iterable[str], search: Sequence[str], since: float) -> Dependencies:
        """Take down files as they are now.

        Parameters
        ----------
        read : iterable of str
            Absolute paths of what was read.
        search : sequence of str
            Folders in which headers were looked for.
        since : float
            When reading began, as `time.time` has it. What was in a file that has changed since then nobody knows.
        """
        files = {path: _settled_digest(Path(path), since) for path in sorted(set(read))}
        return cls(files, list(search), _shadows(search, files))

    @property
    def is_known(self) -> bool:
        """Whether it is known what was in every file."""
        return all(self.files.values())

    def is_current(self) -> bool:
        """Whether every file is as it was, and none has come to lie in front of one."""
        try:
            unchanged = all(digest(Path(path)) == known for path, known in self.files.items())
        except OSError:
            return False
        return unchanged and _shadows(self.search, self.files) == self.shadows


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _settled_digest(path: Path, since: float) -> str:
    try:
        return digest(path) if path.stat().st_ctime < since else ""
    except OSError:
        return ""


def _shadows(search: Sequence[str], files: Iterable[str]) -> list[str]:
    found = set()
    for path in files:
        names = [path[start + 1 :] for start, sign in enumerate(path) if sign == os.sep]
        found |= {other for at in search for name in names if (other := f"{at}{os.sep}{name}") != path}
    return sorted(filter(os.path.exists, found))  # as texts: there are some hundreds


def read_makefile(text: str, folder: Path) -> list[str]:
    r"""The files that a rule for make lists, as compilers write it for ``-MD``.

    Parameters
    ----------
    text : str
        ``target: file file ...``, with ``\`` before a line break or a space, and ``$$`` for ``$``.
    folder : Path
        What relative paths are relative to. What lies in it is left out: it is the source itself.

    Returns
    -------
    list of str
        Absolute paths.

    Examples
    --------
    >>> read_makefile("made.so: source.c /usr/include/a\\ b.h \\\n /x$$y.h", Path("/build"))
    ['/usr/include/a b.h', '/x$y.h']
    """
    _, _, listed = text.replace("\\\n", " ").partition(":")
    words = re.findall(r"(?:\\.|[^\s\\])+", listed)
    plain = (re.sub(r"\\([ #\\])", r"\1", word).replace("$$", "$") for word in words)
    paths = (os.path.normpath(folder / word) for word in plain)
    return [path for path in paths if not Path(path).is_relative_to(folder)]

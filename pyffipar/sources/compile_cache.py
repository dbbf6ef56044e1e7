"""What `compile` and `load(header=...)` have made, in a folder that only this user can write: find, keep, list, clear.

An entry is a folder of its own. It holds the source, what was made of it, and ``entry.json``, which says how: the
command, the compiler, and every file that was read with its SHA-256. It is made beside its final place and moved there
in one step, so nobody ever sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import CompileError, checked_seconds
from ..system.trust import distrust, replaceable
from .dependencies import Dependencies, digest

CACHE_VARIABLE = "PYFFIPAR_CACHE_DIR"

_RECORD = "entry.json"
_FORMAT = 1  # of the record; entries of another one are neither found nor listed
_ENTRY = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")
_WORKSHOP = "build-"
_ABANDONED = 24 * 3600.0  # seconds after which nobody is compiling in a workshop any more


@dataclass(frozen=True, slots=True)
class _Record:
    """What an entry says about itself."""

    product: str
    sha256: str
    compiler: str
    command: list[str]
    made_of: Dependencies
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was compiled or preprocessed and kept.

    Attributes
    ----------
    key : str
        Stands for the source, the flags, the compiler and the machine; the same for the same question.
    folder : Path
        Where everything of it lies.
    product : Path
        What was made: ``compiled.so`` or ``preprocessed.txt``.
    size : int
        Of all its files, in bytes.
    last_used : float
        When it was last asked for, in seconds since the epoch, as `time.time` has it.
    first_line : str
        Of its source: the first one with something in it.
    compiler : str
        What the compiler calls itself.
    command : tuple of str
        How it was made.
    dependencies : dict
        Absolute paths of all files that were read, and the SHA-256 of what was in each.
    """

    key: str
    folder: Path
    product: Path
    size: int
    last_used: float
    first_line: str
    compiler: str
    command: tuple[str, ...] = field(repr=False)
    dependencies: Mapping[str, str] = field(repr=False)

    @property
    def source(self) -> str:
        """The whole source text."""
        (file,) = self.folder.glob("source.*")
        return file.read_text(encoding="utf-8", errors="surrogateescape")


def folder() -> Path:
    """The cache folder; it is made when something is compiled first.

    Raises
    ------
    CompileError
        If it is not this user's alone.

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.compile_cache.folder().is_absolute()
    True
    """
    named = _folder_name(os.environ)
    # Links among the parents are followed here, once: changing one later changes nothing.
    place = named.parent.resolve() / named.name
    if os.path.lexists(place):
        _check_folder(place)
    return place


def entries() -> list[Entry]:
    """All entries, those used last in front.

    Raises
    ------
    CompileError
        If the folder or an entry is not this user's alone.

    Examples
    --------
    >>> import pyffipar as pf
    >>> library = pf.compile("int answer(void) { return 42; }", "int answer(void);")
    >>> pf.compile_cache.entries()[0].first_line
    'int answer(void) { return 42; }'
    """
    found = []
    for place in _entry_folders(folder()):
        record = _read(place)
        if record is not None:
            found.append(_entry(place, record))
    return sorted(found, key=lambda entry: -entry.last_used)


def clear(older_than: float = 0.0) -> list[Entry]:
    """Remove entries, and what compiles that were killed have left behind.

    Libraries that are loaded stay loaded, in this process and in others. Nothing is touched but what pyffipar has made,
    and no symbolic link is followed.

    Parameters
    ----------
    older_than : float
        Only entries that were not used for so many seconds; 0 removes all.

    Returns
    -------
    list of Entry
        What was removed.

    Raises
    ------
    CompileError
        If the folder or an entry is not this user's alone.

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.compile_cache.clear(older_than=30 * 24 * 3600)
    []
    """
    checked_seconds("compile_cache.clear: older_than", older_than)
    now = time.time()
    removed = [entry for entry in entries() if older_than <= 0 or now - entry.last_used > older_than]
    left = [place for place in _folders(folder(), _is_workshop) if now - place.lstat().st_mtime > _ABANDONED]
    for place in (*(entry.folder for entry in removed), *left):
        with suppress(FileNotFoundError):  # somebody else clears too
            shutil.rmtree(place)
    return removed


# --- for those that make entries ----------------------------------------------------------------------------------


def find(key: str) -> Path | None:
    """The product that was made for a key and would be made again now; None if there is none.

    Raises
    ------
    CompileError
        If another user could have made or changed it: that is for the user to look into.
    """
    for place in _entry_folders(_made_folder(), f"{key}-"):
        record = _read(place)
        if record is not None and _is_whole(place, record) and record.made_of.is_current():
            with suppress(OSError):  # a cache on a disk that is read-only is still a cache
                os.utime(place / _RECORD)
            return place / record.product
    return None


@contextmanager
def workshop() -> Iterator[Path]:
    """An empty folder inside the cache, to make an entry in; what is left of it in the end is removed."""
    place = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=_made_folder()))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)  # what was kept has been moved away


def keep(key: str, made: Path, command: Sequence[str], compiler: str, made_of: Dependencies) -> Path:
    """Make an entry of what is in a workshop.

    Whoever makes the same at the same time moves an equal folder to the same place; the first one stays.

    Parameters
    ----------
    key : str
    made : Path
        The product; what lies beside it is kept too.
    command, compiler, made_of
        For the record.

    Returns
    -------
    Path
        Where the product is now.
    """
    record = _Record(made.name, digest(made), compiler, list(command), made_of)
    (made.parent / _RECORD).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    for file in made.parent.iterdir():
        file.chmod(0o600)  # whatever the umask
    # An entry of which it is not known what it was made of is found by nobody, so it must not take another's place.
    state = [asdict(made_of), None if made_of.is_known else time.time_ns()]
    target = made.parent.parent / f"{key}-{hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]}"
    _move(made.parent, target)
    return target / made.name


def _move(made: Path, target: Path) -> None:
    """Put an entry in its place, unless an equal one is there."""
    try:
        made.rename(target)
    except OSError:
        _check(target, stat.S_ISDIR)
        record = _read(target)
        if record is not None and _is_whole(target, record):
            return
        with workshop() as aside:
            target.rename(aside / "damaged")
            made.rename(target)


# --- the folder ---------------------------------------------------------------------------------------------------


def _made_folder() -> Path:
    """The cache folder, made if it is not there."""
    place = folder()
    try:
        for one in (*reversed(place.parents), place):
            if not one.exists():
                # The mode is in the call that makes it: there is no moment at which others could write.
                one.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CompileError(f"the cache folder {place} cannot be made: {error}. {_REMEDY}") from None
    _check_folder(place)
    return place


_REMEDY = f"Correct that, or name another folder in {CACHE_VARIABLE}"


def _check_folder(place: Path) -> None:
    """Refuse a folder that another user could put something into, or put something else in the place of.

    What passes stays as it is between this check and the moment in which a library is loaded: nobody but this user and
    root can change any part of the path.
    """
    if reason := distrust(place, place.lstat(), stat.S_ISDIR):
        raise CompileError(f"the cache folder {place} {reason}, so what is in it cannot be trusted. {_REMEDY}")
    if reason := replaceable(place):
        raise CompileError(f"the cache folder {place} is not safe from others: {reason}. {_REMEDY}")


def _folder_name(environ: Mapping[str, str]) -> Path:
    """Where the cache folder is to be, by the customs of the platform."""
    if own := environ.get(CACHE_VARIABLE):
        if not Path(own).is_absolute() or ".." in Path(own).parts:
            raise CompileError(f"{CACHE_VARIABLE} is {own!r}; it must be an absolute path without ..")
        return Path(own)
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pyffipar" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pyffipar"
    shared = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache") / "pyffipar"


# --- entries ------------------------------------------------------------------------------------------------------


def _folders(place: Path, is_meant: Callable[[str], object]) -> Iterator[Path]:
    """Folders in the cache with such names; anything that only looks like one of ours is refused."""
    for one in sorted(place.iterdir()) if place.exists() else ():
        if is_meant(one.name):
            with suppress(FileNotFoundError):  # cleared by somebody else just now
                _check(one, stat.S_ISDIR)
                yield one


def _is_workshop(name: str) -> bool:
    return name.startswith(_WORKSHOP)


def _entry_folders(place: Path, start: str = "") -> Iterator[Path]:
    return _folders(place, lambda name: name.startswith(start) and _ENTRY.fullmatch(name))


def _check(path: Path, is_kind: Callable[[int], bool]) -> None:
    if reason := distrust(path, path.lstat(), is_kind):
        raise CompileError(
            f"{path} in the cache {reason}, so it cannot be trusted. Look at how it came there and delete it"
        )


def _read(place: Path) -> _Record | None:
    """What an entry says about itself; None if it is damaged or of another version."""
    file = place / _RECORD
    try:
        _check(file, stat.S_ISREG)
        said = json.loads(file.read_bytes())
        record = _Record(**{**said, "made_of": Dependencies(**said["made_of"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return record if record.format == _FORMAT else None


def _entry(place: Path, record: _Record) -> Entry:
    size = sum(file.lstat().st_size for file in place.iterdir())
    (source,) = place.glob("source.*")
    lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    return Entry(
        place.name.partition("-")[0],
        place,
        place / record.product,
        size,
        (place / _RECORD).stat().st_mtime,
        next((line.strip() for line in lines if line.strip()), ""),
        record.compiler,
        tuple(record.command),
        record.made_of.files,
    )


def _is_whole(place: Path, record: _Record) -> bool:
    """Whether the product is what was made: a full disk or a crash may have cut it off."""
    try:
        _check(place / record.product, stat.S_ISREG)
        return digest(place / record.product) == record.sha256
    except FileNotFoundError:
        return False

"""C or C++ source text to a shared object in a private cache, by the system's compiler and without a shell."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import CompileError

CACHE_VARIABLE = "PYFFIPAR_CACHE_DIR"

_KEY_FORMAT = b"pyffipar compile cache 1"  # raise the number when the key or the fixed flags change meaning
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class _Language:
    """How one language is compiled."""

    variable: str  # environment variable that names the compiler
    commands: tuple[str, ...]  # tried in this order
    file: str
    flags: tuple[str, ...]
    package: str  # what brings a compiler on Debian


_LANGUAGES = {
    "c": _Language(
        "CC",
        ("cc", "gcc", "clang"),
        "source.c",
        # Calling a function that was never declared is a crash in waiting; since version 14 gcc refuses it by itself.
        ("-std=gnu11", "-Werror=implicit-function-declaration"),
        "gcc",
    ),
    "c++": _Language("CXX", ("c++", "g++", "clang++"), "source.cpp", ("-std=gnu++17",), "g++"),
}

_COMMON_FLAGS = ("-O3", "-fPIC", "-shared")
# After the source: libm, because nobody expects to have to ask for it; and on ELF a name that nobody defines is an
# error now rather than when the library is loaded.
_LINK_FLAGS = ("-lm", "-Wl,-z,defs") if sys.platform.startswith("linux") else ("-lm",)


@dataclass(frozen=True, slots=True)
class _Compiler:
    """A compiler that is there: the command that starts it, and what it says about itself."""

    command: tuple[str, ...]
    version: str


def compile_source(source: str, *, flags: Sequence[str] = (), language: str = "c") -> Path:
    """Compile a source text to a shared object, or find it compiled already.

    Parameters
    ----------
    source : str
        The whole source text.
    flags : sequence of str
        Further flags for the compiler, such as ``("-march=native", "-fopenmp")``. They come after pyffipar's own and
        so win over them.
    language : {"c", "c++"}

    Returns
    -------
    path
        Of the shared object, in a cache folder that only this user can write. Its name is derived from the source, the
        flags, the compiler and its version, and the machine; headers of your own are not part of it.

    Raises
    ------
    CompileError
        If there is no compiler, if it refuses the source (the message quotes the lines), or if other users could
        write to the cache folder.
    ValueError, TypeError
        If `language` is unknown or `flags` is a single string.

    Notes
    -----
    The compiler is ``CC`` (``CXX``), else the first of ``cc gcc clang`` (``c++ g++ clang++``). The folder is
    ``PYFFIPAR_CACHE_DIR``, else ``pyffipar`` in the user's cache folder.
    """
    if isinstance(flags, str):
        raise TypeError(f"flags is the string {flags!r}; give a sequence of strings, one per flag")
    if language not in _LANGUAGES:
        raise ValueError(f"language is {language!r}; pyffipar compiles {' and '.join(map(repr, _LANGUAGES))}")
    chosen = _LANGUAGES[language]
    compiler = _find_compiler(chosen)
    folder = _cache_folder()
    target = folder / f"{_key(source, flags, chosen, compiler)}.so"
    if not _is_sound(target):
        _build(source, tuple(flags), chosen, compiler, target)
    return target


def _find_compiler(language: _Language) -> _Compiler:
    """The compiler the environment names, else the first one there is."""
    named = os.environ.get(language.variable, "")
    try:
        commands = [tuple(shlex.split(named))] if named.strip() else [(command,) for command in language.commands]
    except ValueError as error:
        raise CompileError(f"{language.variable} is {named!r}, which cannot be split into words: {error}") from None
    for first, *rest in commands:
        if path := shutil.which(first):
            command = (str(Path(path).absolute()), *rest)
            return _Compiler(command, _version(command, Path(path).stat().st_mtime_ns))
    tried = f"{language.variable}={named}" if named.strip() else ", ".join(language.commands)
    raise CompileError(
        f"no compiler found. Tried: {tried}. Install one (Debian, Ubuntu: apt-get install {language.package} "
        f"libc6-dev; macOS: xcode-select --install) or name it in {language.variable}"
    )


@cache
def _version(command: tuple[str, ...], _modified: int) -> str:
    """What a compiler says about its version; asked again when its file changes."""
    result = _run([*command, "--version"], None)
    if result.returncode:
        told = result.stderr.decode("utf-8", "replace").strip()
        raise CompileError(f"`{shlex.join(command)} --version` failed with status {result.returncode}: {told}")
    return result.stdout.decode("utf-8", "replace")


def _run(command: Sequence[str], folder: str | None) -> subprocess.CompletedProcess[bytes]:
    """Run the compiler in a folder, without a shell; its messages in plain English that can be searched for."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603 - the user's own compiler, an argument list and no shell
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder, env=environment
        )
    except OSError as error:
        raise CompileError(f"{shlex.join(command)} cannot be started: {error}") from None


def _key(source: str, flags: Sequence[str], language: _Language, compiler: _Compiler) -> str:
    """A name for all that the shared object depends on."""
    parts = [*compiler.command, compiler.version, platform.machine(), language.file, *_COMMON_FLAGS, *language.flags]
    parts += [*_LINK_FLAGS, *flags]
    if any(flag.endswith("=native") for flag in flags):
        parts.append(_cpu_model())
    digest = hashlib.sha256(_KEY_FORMAT)
    for part in (*parts, source):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little") + data)  # with lengths, no two lists of parts read the same
    return digest.hexdigest()


def _cpu_model() -> str:
    """What ``-march=native`` depends on: code made for one CPU may be illegal on another that shares the folder."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()
    wanted = re.compile(r"^(model name|flags|Features|CPU part|isa)\s*:.*$", re.MULTILINE)
    return "\n".join(sorted({match[0] for match in wanted.finditer(text)}))


def _cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The cache folder, made if it is not there, and refused if another user could put something into it."""
    folder = _folder_name(os.environ if environ is None else environ)
    remedy = f"Correct that, or name another folder in {CACHE_VARIABLE}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # The mode is in the call that makes it: there is no moment at which others could write.
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise CompileError(f"the cache folder {folder} cannot be made: {error}. {remedy}") from None
    if reason := _distrust(folder, status, stat.S_ISDIR):
        raise CompileError(f"the cache folder {folder} {reason}, so what is in it cannot be trusted. {remedy}")
    return folder


def _folder_name(environ: Mapping[str, str]) -> Path:
    """Where the cache folder is to be, by the customs of the platform."""
    if own := environ.get(CACHE_VARIABLE):
        if not Path(own).is_absolute():
            raise CompileError(f"{CACHE_VARIABLE} is {own!r}; it must be an absolute path")
        return Path(own)
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pyffipar" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pyffipar"
    shared = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache") / "pyffipar"


def _is_sound(target: Path) -> bool:
    """Whether the shared object is there; refused if it is not a plain file of this user's own."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return False
    if reason := _distrust(target, status, stat.S_ISREG):
        raise CompileError(
            f"{target} in the cache {reason}, so it cannot be trusted. Look at how it came there and delete it"
        )
    return True


def _distrust(path: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> str | None:
    """Why another user may have made or changed a file or folder; None if nobody can have."""
    if stat.S_ISLNK(status.st_mode):
        return f"is a symbolic link to {path.resolve()}"
    if not is_kind(status.st_mode):
        return "is of the wrong kind"
    if hasattr(os, "geteuid"):  # Windows has neither owners as numbers nor these bits
        if status.st_uid != os.geteuid():
            return f"belongs to user {status.st_uid}, not to you (user {os.geteuid()})"
        if status.st_mode & _OTHERS_MAY_WRITE:
            return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _build(source: str, flags: tuple[str, ...], language: _Language, compiler: _Compiler, target: Path) -> None:
    """Compile in a folder of our own and move the result into place in one step.

    Whoever compiles the same at the same time moves an equal file to the same place; nobody sees half a file.
    """
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as folder:
        file = Path(folder, language.file)
        file.write_text(source, encoding="utf-8", errors="surrogateescape")
        made = Path(folder, "made.so")
        command = [*compiler.command, *_COMMON_FLAGS, *language.flags, file.name, "-o", made.name, *_LINK_FLAGS, *flags]
        result = _run(command, folder)
        if result.returncode or not made.is_file():
            raise CompileError(_refusal(command, result.returncode, result.stderr.decode("utf-8", "replace"), source))
        made.chmod(0o700)  # whatever the umask
        made.replace(target)


def _refusal(command: Sequence[str], status: int, told: str, source: str) -> str:
    """The message for a source the compiler refused: what it said, and the lines it spoke of."""
    lines = source.split("\n")
    numbers = sorted({int(number) for number in re.findall(r"^source\.\w+:(\d+)", told, re.MULTILINE)})
    shown = [f"{number:5} | {lines[number - 1]}" for number in numbers[:20] if 0 < number <= len(lines)]
    message = f"the compiler refused the source (status {status}):\n{told.strip() or '(it said nothing)'}"
    if shown:
        message += "\n\nin your source:\n" + "\n".join(shown)
    return f"{message}\n\ncommand: {shlex.join(command)}"

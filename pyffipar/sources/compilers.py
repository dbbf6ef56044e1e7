"""The system's C and C++ compilers: which one there is, what it calls itself, and running it without a shell."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import CompileError


@dataclass(frozen=True, slots=True)
class Language:
    """How one language is compiled.

    Attributes
    ----------
    variable : str
        Environment variable that names the compiler.
    commands : tuple of str
        Tried in this order.
    zig : str
        The compiler inside Zig, which ``pip install ziglang`` brings: taken where there is no other.
    file : str
        What a source is called.
    flags : tuple of str
    package : str
        What brings a compiler on Debian.
    """

    variable: str
    commands: tuple[str, ...]
    zig: str
    file: str
    flags: tuple[str, ...]
    package: str


LANGUAGES = {
    "c": Language(
        "CC",
        ("cc", "gcc", "clang"),
        "cc",
        "source.c",
        # Calling a function that was never declared is a crash in waiting; since version 14 gcc refuses it by itself.
        ("-std=gnu11", "-Werror=implicit-function-declaration"),
        "gcc",
    ),
    "c++": Language("CXX", ("c++", "g++", "clang++"), "c++", "source.cpp", ("-std=gnu++17",), "g++"),
}


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler that is there: the command that starts it, and what it says about itself."""

    command: tuple[str, ...]
    version: str

    @property
    def name(self) -> str:
        """The first line of what it says about itself."""
        return self.version.strip().partition("\n")[0]


def find_compiler(language: Language) -> Compiler:
    """The compiler the environment names, else the first one there is, else Zig's.

    Raises
    ------
    CompileError
        If there is none, or it cannot be asked for its version; names all that were tried.
    """
    named = os.environ.get(language.variable, "")
    try:
        commands = [tuple(shlex.split(named))] if named.strip() else [(command,) for command in language.commands]
    except ValueError as error:
        raise CompileError(f"{language.variable} is {named!r}, which cannot be split into words: {error}") from None
    for first, *rest in commands:
        if path := shutil.which(first):
            return _compiler((str(Path(path).absolute()), *rest), Path(path))
    if named.strip():
        tried = f"{language.variable}={named}"
    else:
        zig = importlib.util.find_spec("ziglang")
        if zig is not None and zig.origin is not None:
            return _compiler((sys.executable, "-m", "ziglang", language.zig), Path(zig.origin))
        tried = f"{', '.join(language.commands)}, and Zig's (ziglang is not installed)"
    raise CompileError(
        f"no compiler found. Tried: {tried}. Install one (Debian, Ubuntu: apt-get install {language.package} "
        f"libc6-dev; macOS: xcode-select --install; anywhere: pip install ziglang) or name it in {language.variable}"
    )


def _compiler(command: tuple[str, ...], file: Path) -> Compiler:
    return Compiler(command, _version(command, file.stat().st_mtime_ns))


@cache
def _version(command: tuple[str, ...], _modified: int) -> str:
    """What a compiler says about its version; asked again when its file changes."""
    result = run([*command, "--version"], None)
    if result.returncode:
        told = result.stderr.decode("utf-8", "replace").strip()
        raise CompileError(f"`{shlex.join(command)} --version` failed with status {result.returncode}: {told}")
    return result.stdout.decode("utf-8", "replace")


def run(
    command: Sequence[str], folder: Path | None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a compiler in a folder, without a shell; its messages in plain English that can be searched for.

    Parameters
    ----------
    command : sequence of str
    folder : Path or None
        Where it runs.
    environ : dict, optional
        What to change in the environment.
    """
    environment = {**os.environ, "LC_ALL": "C", **(environ or {})}
    try:
        return subprocess.run(  # noqa: S603 - the user's own compiler, an argument list and no shell
            command, check=False, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder, env=environment
        )
    except OSError as error:
        raise CompileError(f"{shlex.join(command)} cannot be started: {error}") from None

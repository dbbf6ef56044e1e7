"""C or C++ source text to a shared object or a preprocessed text, by the system's compiler; kept in the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompileError
from ..system.trust import open_to_all
from . import compile_cache
from .compilers import LANGUAGES, Compiler, Language, find_compiler, run
from .dependencies import Dependencies, read_makefile
from .recipes import Recipe

_KEY_FORMAT = b"pyffipar compile cache 2"  # raise the number when the key or the fixed flags change meaning

# What decides about a compile besides its command.
_VARIABLES = (
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_RUN_PATH"),
    *("COMPILER_PATH", "GCC_EXEC_PREFIX", "SDKROOT", "MACOSX_DEPLOYMENT_TARGET", "SOURCE_DATE_EPOCH"),
)
_SEARCH_VARIABLES = {"c": ("CPATH", "C_INCLUDE_PATH"), "c++": ("CPATH", "CPLUS_INCLUDE_PATH")}

# After the source: libm, because nobody expects to have to ask for it; and on ELF a name that nobody defines is an
# error now rather than when the library is loaded.
_LINK_FLAGS = ("-lm", "-Wl,-z,defs") if sys.platform.startswith("linux") else ("-lm",)


@dataclass(frozen=True, slots=True)
class _Product:
    """Something that is made of a source: its file, and the flags before and behind the source."""

    file: str
    before: tuple[str, ...]
    behind: tuple[str, ...]


_COMPILED = _Product("compiled.so", ("-O3", "-fPIC", "-shared"), _LINK_FLAGS)
# With the macros' definitions, and with lines that say what stood where. Without warnings: here nothing is compiled.
_PREPROCESSED = _Product("preprocessed.txt", ("-E", "-dD", "-w"), ())


def build(recipe: Recipe) -> Path:
    """Compile a source to a shared object, or find it compiled already.

    Returns
    -------
    Path
        Of the shared object, in a folder of its own in the compile cache, where only this user can write.

    Raises
    ------
    CompileError
        If there is no compiler, if it refuses the source (the message quotes the lines), if a library given by path is
        not there or anyone could have written it, or if other users could write to the cache.

    Notes
    -----
    The source, the flags, the compiler and its version, the machine, and every header that was read decide which object
    is the right one.
    """
    for library in recipe.libraries:
        if os.sep in library:
            _check_library(Path(library))
    return _make(recipe, _COMPILED)


def preprocess(recipe: Recipe) -> str:
    """What the preprocessor makes of a source, with the definitions of all macros.

    Raises
    ------
    CompileError
        As `build`.
    """
    return _make(recipe, _PREPROCESSED).read_text(encoding="utf-8", errors="surrogateescape")


def _check_library(path: Path) -> None:
    """Refuse a library that is not there or that anyone could have written: its code will run."""
    if not path.is_file():
        raise CompileError(f"the library {path} does not exist")
    if reason := open_to_all(path):
        raise CompileError(f"the library {path} is not linked: {reason}")


def _make(recipe: Recipe, product: _Product) -> Path:
    """Find a product in the cache, or make it."""
    language = LANGUAGES[recipe.language]
    compiler = find_compiler(language)
    key = _key(recipe, product, language, compiler)
    return compile_cache.find(key) or _make_new(key, recipe, product, language, compiler)


def _key(recipe: Recipe, product: _Product, language: Language, compiler: Compiler) -> str:
    """A name for all that a product depends on, the files that are read aside."""
    lists: list[Sequence[str]] = [compiler.command, (compiler.version, platform.machine()), product.before]
    lists += [product.behind, language.flags, recipe.flags, recipe.include, recipe.libraries]
    lists += [[os.environ.get(name, "") for name in _VARIABLES], (language.file, recipe.source)]
    if any(flag.endswith("=native") for flag in recipe.flags):
        lists.append([_cpu_model()])
    hashed = hashlib.sha256(_KEY_FORMAT)
    for part in lists:  # with lengths, no two lists read the same
        hashed.update(len(part).to_bytes(8, "little"))
        for text in part:
            data = text.encode("utf-8", "surrogateescape")
            hashed.update(len(data).to_bytes(8, "little") + data)
    return hashed.hexdigest()[:32]


def _cpu_model() -> str:
    """What ``-march=native`` depends on: code made for one CPU may be illegal on another that shares the folder."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()
    wanted = re.compile(r"^(model name|flags|Features|CPU part|isa)\s*:.*$", re.MULTILINE)
    return "\n".join(sorted({match[0] for match in wanted.finditer(text)}))


def _make_new(key: str, recipe: Recipe, product: _Product, language: Language, compiler: Compiler) -> Path:
    """Run the compiler in a folder of our own, in the cache, and keep what it made."""
    with compile_cache.workshop() as folder:
        (folder / language.file).write_text(recipe.source, encoding="utf-8", errors="surrogateescape")
        made, read = folder / product.file, folder / "read.d"
        command = [
            *(*compiler.command, *product.before, *language.flags, *(f"-I{path}" for path in recipe.include)),
            *(language.file, "-o", made.name, "-MD", "-MF", read.name),
            *(*_linked(recipe.libraries, product), *product.behind, *recipe.flags),
        ]
        began = time.time()
        # The compiler's own temporary files lie here as well, where nobody else can look or write.
        result = run(command, folder, {"TMPDIR": str(folder)})
        if result.returncode or not made.is_file() or not read.is_file():
            told = result.stderr.decode("utf-8", "replace")
            raise CompileError(_refusal(command, compiler, result.returncode, told, recipe.source))
        files = read_makefile(read.read_text(encoding="utf-8", errors="surrogateescape"), folder)
        read.unlink()
        files += [library for library in recipe.libraries if os.sep in library]
        made_of = Dependencies.of(files, _search(recipe), began)
        return compile_cache.keep(key, made, command, compiler.name, made_of)


def _linked(libraries: Sequence[str], product: _Product) -> list[str]:
    """Arguments for the linker; a shared library given by path is found there again when the object is loaded."""
    if product is not _COMPILED:
        return []
    found = []
    for library in libraries:
        if os.sep not in library:
            found.append(f"-l{library}")
            continue
        found.append(library)
        if not library.endswith((".a", ".o")):
            found += ["-Xlinker", "-rpath", "-Xlinker", str(Path(library).parent)]
    return found


def _search(recipe: Recipe) -> list[str]:
    """Folders of the user's own in which headers are looked for."""
    named = (folder for name in _SEARCH_VARIABLES[recipe.language] for folder in os.environ.get(name, "").split(":"))
    flags = (flag[2:] for flag in recipe.flags if flag.startswith("-I"))
    return [*recipe.include, *(folder for folder in (*flags, *named) if Path(folder).is_absolute())]


def _refusal(command: Sequence[str], compiler: Compiler, status: int, told: str, source: str) -> str:
    """The message for a source the compiler refused: what it said, and the lines it spoke of."""
    lines = source.split("\n")
    numbers = sorted({int(number) for number in re.findall(r"^source\.\w+:(\d+)", told, re.MULTILINE)})
    shown = [f"{number:5} | {lines[number - 1]}" for number in numbers[:20] if 0 < number <= len(lines)]
    name = shlex.join(compiler.command)
    message = f"{name} refused the source (status {status}):\n{told.strip() or '(it said nothing)'}"
    if shown:
        message += "\n\nin your source:\n" + "\n".join(shown)
    return f"{message}\n\ncommand: {shlex.join(command)}\ncompiler: {compiler.name}"

"""Which compiler is taken, and what is said when there is none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from pyffipar.errors import CompileError
from pyffipar.sources import compilers
from pyffipar.sources.compilers import LANGUAGES, find_compiler

C = LANGUAGES["c"]
CPP = LANGUAGES["c++"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it, and no variable that names a compiler."""
    for language in LANGUAGES.values():
        monkeypatch.delenv(language.variable, raising=False)
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))
    return place


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_first_that_is_there_is_taken(bare: Path) -> None:
    program(bare / "clang", "echo clang 99")
    assert find_compiler(C).command == (str(bare / "clang"),)
    program(bare / "gcc", "echo gcc 99")
    found = find_compiler(C)
    assert found.command == (str(bare / "gcc"),)
    assert found.name == "gcc 99"


def test_the_environment_names_the_compiler_and_its_flags(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(bare / "own", 'echo own 1 "$@"; echo more')
    monkeypatch.setenv("CC", f"{own} -m32 '-DA=1 2'")
    found = find_compiler(C)
    assert found.command == (str(own), "-m32", "-DA=1 2")
    assert found.name == "own 1 -m32 -DA=1 2 --version"
    with pytest.raises(CompileError, match=r"Tried: c\+\+, g\+\+, clang\+\+"):
        find_compiler(CPP)


def test_a_compiler_that_was_replaced_is_asked_again(bare: Path) -> None:
    own = program(bare / "cc", "echo one")
    assert find_compiler(C).version == "one\n"
    program(own, "echo two")
    os.utime(own, (1, 1))
    assert find_compiler(C).version == "two\n"


def test_no_compiler_names_what_was_tried_and_what_to_install(bare: Path) -> None:
    with pytest.raises(CompileError) as caught:
        find_compiler(C)
    assert str(caught.value) == (
        "no compiler found. Tried: cc, gcc, clang, and Zig's (ziglang is not installed). Install one (Debian, Ubuntu: "
        "apt-get install gcc libc6-dev; macOS: xcode-select --install; anywhere: pip install ziglang) or name it in CC"
    )


@pytest.mark.parametrize(
    ("named", "match"),
    [
        ("/nonexistent/cc -m64", r"Tried: CC=/nonexistent/cc -m64\. "),
        ("'cc", r"CC is \"'cc\", which cannot be split into words: No closing quotation"),
        ("false", r"`/.*/false --version` failed with status 1: "),
    ],
)
def test_a_wrong_name_is_told(monkeypatch: pytest.MonkeyPatch, named: str, match: str) -> None:
    monkeypatch.setenv("CC", named)
    with pytest.raises(CompileError, match=match):
        find_compiler(C)


def test_a_compiler_that_cannot_be_started_is_named(bare: Path) -> None:
    (bare / "cc").write_text("no program")
    (bare / "cc").chmod(0o755)
    with pytest.raises(CompileError, match=r"cc --version cannot be started: .*Exec format error"):
        find_compiler(C)


def stub_zig(folder: Path) -> Path:
    """A package that does what `python -m ziglang cc` does, with the compilers that are here."""
    package = folder / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    tools = {"cc": shutil.which("cc"), "c++": shutil.which("c++")}
    (package / "__main__.py").write_text(
        f"import os, sys\nprogram = {tools}[sys.argv[1]]\n"
        "os.environ['PATH'] = '/usr/bin:/bin'  # gcc looks for its assembler there\n"
        "os.execv(program, [program, *sys.argv[2:]])\n"
    )
    return folder


@pytest.fixture
def zig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = stub_zig(tmp_path / "packages")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_zig_is_taken_when_there_is_no_other(zig: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_compiler(C).command == (sys.executable, "-m", "ziglang", "cc")
    assert find_compiler(CPP).command == (sys.executable, "-m", "ziglang", "c++")
    program(bare / "gcc", "echo gcc 99")
    assert find_compiler(C).command == (str(bare / "gcc"),)
    monkeypatch.setenv("CXX", "/nonexistent/c++")  # what was asked for by name is not replaced by something else
    with pytest.raises(CompileError, match=r"Tried: CXX=/nonexistent/c\+\+\. "):
        find_compiler(CPP)


def test_the_compilers_words_are_english_and_its_input_empty(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    told = compilers.run(["/bin/sh", "-c", "echo $LC_ALL $A; cat"], bare, {"A": "b"})
    assert told.stdout == b"C b\n"

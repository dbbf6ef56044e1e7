"""Symbols and libraries: what is found where, what is refused and why, and that nothing is ever unloaded."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyffipar.errors import LibraryError
from pyffipar.sources import libraries
from pyffipar.sources.compiling import build
from pyffipar.sources.recipes import Recipe
from pyffipar.sources.symbols import OpenLibrary, Symbol, address_of, is_code, open_library, pin

SOURCE = """
int twice(int x) { return 2 * x; }
int half_(int x) { return x / 2; }
int imported(int); int hidden_helper(int x) { return x; }
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these tests plant ELF files")


@pytest.fixture
def built() -> Path:
    return build(Recipe(SOURCE))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder that is searched."""
    found = tmp_path / "lib"
    found.mkdir()
    monkeypatch.setattr(libraries, "search_folders", lambda: iter([str(found)]))
    return found


def plant(folder: Path, name: str, built: Path) -> Path:
    path = folder / name
    path.write_bytes(built.read_bytes())
    path.chmod(0o755)
    return path


def call(symbol: Symbol, value: int) -> int:
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(symbol.address)
    return int(function(value))


@pytest.mark.parametrize(("name", "function"), [("z", "crc32"), ("m", "hypot"), ("c", "abs"), ("libz.so.1", "adler32")])
def test_system_libraries_are_found_by_name(name: str, function: str) -> None:
    library = open_library(name)
    assert Path(library.path).is_absolute()
    assert Path(library.path).is_file()
    symbol = library.symbol(function)
    assert symbol.address > 0
    assert symbol.library == library.path


def test_finding_a_library_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Popen", "run"):
        monkeypatch.setattr(subprocess, name, pytest.fail)
    for name in ("system", "posix_spawn", "fork", "execve"):
        monkeypatch.setattr(os, name, pytest.fail)
    assert libraries.search("z")


def test_library_by_path_runs(built: Path) -> None:
    assert call(open_library(str(built)).symbol("twice"), 21) == 42
    assert call(open_library(built).symbol("twice"), 21) == 42


def test_relative_path_with_separator_becomes_absolute(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, "libmine.so", built)
    monkeypatch.chdir(tmp_path)
    assert open_library("./libmine.so").path == str(tmp_path / "libmine.so")
    assert open_library(Path("libmine.so")).path == str(tmp_path / "libmine.so")


@pytest.mark.parametrize("name", ["mine", "libmine.so"])
@pytest.mark.parametrize("value", ["", ".", ":", "relative:."])
def test_name_is_never_looked_up_in_the_current_folder(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    plant(tmp_path, "libmine.so", built)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", value)
    with pytest.raises(LibraryError, match="current folder is never searched"):
        open_library(name)


def test_ld_library_path_goes_first(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plant(tmp_path, "libz.so.1", built)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nonexistent:{tmp_path}")
    assert libraries.search("z") == str(path)


def test_highest_version_in_the_first_folder_wins(built: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for place, names in (
        (first, ["libmine.so", "libmine.so.9", "libmine.so.10.2", "libmine.so.10"]),
        (second, ["libmine.so.11"]),
    ):
        place.mkdir()
        for name in names:
            plant(place, name, built)
    (first / "libmine.so.12.bak").write_bytes(b"")
    (first / "libminer.so.13").write_bytes(b"")
    assert libraries.search("mine", [str(first), str(second)]) == str(first / "libmine.so.10.2")
    assert libraries.search("libmine.so.9", [str(first)]) == str(first / "libmine.so.9")


def test_linker_scripts_and_foreign_machines_are_passed_over(built: Path, folder: Path) -> None:
    (folder / "libmine.so.5").write_text("/* GNU ld script */ GROUP ( /lib/libmine.so.3 )")
    other = bytearray(built.read_bytes())
    struct.pack_into("<H", other, 18, 183 if other[18] != 183 else 62)
    (folder / "libmine.so.4").write_bytes(other)
    good = plant(folder, "libmine.so.3", built)
    assert open_library("mine").path == str(good)
    good.unlink()
    with pytest.raises(LibraryError) as caught:
        open_library("mine")
    assert "libmine.so.5: it is a text for the linker" in str(caught.value)
    assert "libmine.so.4: it was built for" in str(caught.value)


def test_missing_library_lists_where_it_was_searched(folder: Path) -> None:
    with pytest.raises(LibraryError, match=rf"no library 'nosuch' in {folder}"):
        open_library("nosuch")


def test_configuration_of_the_loader_is_followed(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("/from/a # remark\n\n")
    (tmp_path / "conf.d" / "loop.conf").write_text(f"include {tmp_path}/main.conf\n")
    main = tmp_path / "main.conf"
    main.write_text("# nothing\ninclude conf.d/*.conf missing/*.conf\n/from/main\n")
    found = list(libraries._configured_folders(main))
    assert found[0] == "/from/a"
    assert set(found) == {"/from/a", "/from/main"}


def elf(machine: int, width: int = 2, order: int = 1, kind: int = 3) -> bytes:
    """The head of an ELF file, made by hand."""
    numbers = struct.pack("<HH" if order == 1 else ">HH", kind, machine)
    return b"\x7fELF" + bytes((width, order, 1)) + bytes(9) + numbers + bytes(44)


OWN = struct.unpack_from("<H", Path(sys.executable).resolve().read_bytes(), 18)[0]
OTHER, NAME = (183, "AArch64") if OWN != 183 else (62, "x86-64")
NO_LIBRARIES = [
    (elf(OTHER), rf"it was built for {NAME}, 64 bits, little-endian, this process is "),
    (elf(3, width=1), r"it was built for x86, 32 bits, little-endian, this process is "),
    (elf(OWN, width=1), r"it was built for .*, 32 bits, little-endian, this process is .*, 64 bits"),
    (elf(22, order=2), r"it was built for s390x, 64 bits, big-endian, this process is "),
    (elf(4711), r"it was built for machine 4711, 64 bits"),
    (elf(OWN, kind=1), r"it is an object file, not linked yet: `cc -shared"),
    (elf(OWN, kind=4), r"it is a core dump"),
    (elf(OWN), r"libodd\.so"),  # the loader's words
    (b"!<arch>\nfile.o/", r"it is a static library: `cc -shared"),
    (b"MZ\x90\0", r"it is a library for Windows"),
    (b"\xcf\xfa\xed\xfe\7\0\0\1", r"it is a library for macOS"),
    (b"INPUT(-lother)", r"it is a text for the linker that names other files; open one of those"),
    (
        b"/* GNU ld script\n   Not libno.so */ GROUP ( /lib/libc.so.6 libc.a AS_NEEDED ( /lib64/ld.so.2 ) )",
        r"it is a text for the linker that names other files; open /lib/libc\.so\.6 or /lib64/ld\.so\.2$",
    ),
    (b"just text", r"it is no ELF file"),
    (b"", r"it is empty"),
    (b"\x7fELF", r"the file is cut off"),
]


@pytest.mark.parametrize(("content", "match"), NO_LIBRARIES, ids=[match for _, match in NO_LIBRARIES])
def test_file_that_is_no_library_is_explained(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "libodd.so"
    path.write_bytes(content)
    with pytest.raises(LibraryError, match=rf"^{path} cannot be loaded: .*{match}"):
        open_library(path)


def test_the_systems_own_linker_script_leads_to_the_library() -> None:
    script = Path("/usr/lib/x86_64-linux-gnu/libc.so")
    if not script.exists():
        pytest.skip("no such file here")
    with pytest.raises(LibraryError, match=r"names other files; open (\S+libc\.so\.6) or") as caught:
        open_library(script)
    named = re.search(r"open (\S+)", str(caught.value))
    assert named is not None
    assert open_library(named[1]).symbol("abs").address


def test_32_bit_library_is_explained(built: Path, tmp_path: Path) -> None:
    data = bytearray(built.read_bytes())
    data[4] = 1
    path = tmp_path / "libnarrow.so"
    path.write_bytes(data)
    with pytest.raises(LibraryError, match=r"built for .*, 32 bits.* this process is .*, 64 bits"):
        open_library(path)


def test_library_that_is_cut_off_is_the_loaders_error(built: Path, tmp_path: Path) -> None:
    path = tmp_path / "libshort.so"
    path.write_bytes(built.read_bytes()[:200])
    with pytest.raises(LibraryError, match=r"libshort\.so cannot be loaded"):
        open_library(path)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("./nosuch.so", "does not exist"),
        (Path("/usr"), "is a folder"),
        ("/dev/null", "is not a file"),
        ("", "no name"),
        ("a\0b", "no name"),
    ],
)
def test_wrong_path_is_explained(source: str | Path, match: str) -> None:
    with pytest.raises(LibraryError, match=match):
        open_library(source)


def test_file_everyone_can_write_is_refused_unless_allowed(built: Path, tmp_path: Path) -> None:
    path = plant(tmp_path, "libopen.so", built)
    path.chmod(0o777)
    with pytest.raises(LibraryError, match=r"written by every user.*chmod o-w.*allow_writable"):
        open_library(path)
    assert call(open_library(path, allow_writable=True).symbol("twice"), 4) == 8


def test_folder_everyone_can_write_is_refused_unless_sticky(built: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = plant(place, "libopen.so", built)
    place.chmod(0o777)
    with pytest.raises(LibraryError, match="place can be written by every user"):
        open_library(path)
    place.chmod(0o1777)
    assert open_library(path).path == str(path)


def test_link_in_a_safe_folder_to_an_unsafe_file_is_refused(built: Path, tmp_path: Path) -> None:
    target = plant(tmp_path, "target.so", built)
    target.chmod(0o666)
    link = tmp_path / "libsafe.so"
    link.symlink_to(target)
    with pytest.raises(LibraryError, match=r"target\.so can be written"):
        open_library(link)


def test_missing_function_names_its_neighbours(built: Path) -> None:
    with pytest.raises(LibraryError, match=r"no function 'twise'; it has twice"):
        open_library(built).symbol("twise")
    with pytest.raises(LibraryError, match=r"no function 'half'; it has half_"):
        open_library(built).symbol("half")


def test_mangled_cpp_function_is_recognised() -> None:
    path = build(Recipe("double area(double r) { return r * r; }", language="c++"))
    with pytest.raises(LibraryError, match=r'area is there: declare it extern "C"'):
        open_library(path).symbol("area")


def test_exported_names_are_those_defined_here(built: Path) -> None:
    names = libraries.exported_names(str(built))
    assert {"twice", "half_", "hidden_helper"} <= names
    assert "imported" not in names
    assert libraries.exported_names(__file__) == libraries.exported_names("/nonexistent") == frozenset()


def test_library_is_opened_once_and_stays_loaded(built: Path, tmp_path: Path) -> None:
    path = plant(tmp_path, "libstay.so", built)
    library = open_library(path)
    assert open_library(str(path)) is library
    symbol, handle = library.symbol("twice"), library.handle._handle
    close: Any = ctypes.CDLL(None)["dlclose"]
    close.argtypes = (ctypes.c_void_p,)
    del library
    gc.collect()
    for _ in range(3):
        close(handle)
    assert call(symbol, 3) == 6


def test_cdll_of_the_caller_is_taken_over(built: Path, tmp_path: Path) -> None:
    path = plant(tmp_path, "libtheirs.so", built)
    theirs = ctypes.CDLL(str(path))
    library = open_library(theirs)
    assert library == open_library(theirs) == OpenLibrary(str(path), theirs)
    close: Any = ctypes.CDLL(None)["dlclose"]
    close.argtypes = (ctypes.c_void_p,)
    symbol = library.symbol("twice")
    close(theirs._handle)
    assert call(symbol, 5) == 10


def test_cdll_opened_by_bare_name_has_an_absolute_path() -> None:
    path = open_library(ctypes.CDLL("libz.so.1")).path
    assert Path(path).is_absolute()
    assert Path(path).name.startswith("libz.so")


def test_the_process_itself_is_a_library() -> None:
    library = open_library(ctypes.CDLL(None))
    assert library.path == "<this process>"
    assert library.symbol("malloc").address


def test_repr_shows_where_it_came_from(built: Path) -> None:
    library = open_library(built)
    assert repr(library) == f"OpenLibrary(path='{built}')"
    assert str(built) in repr(library.symbol("twice"))


def test_symbols_own_handle_is_not_shared_with_the_caller() -> None:
    theirs = ctypes.CDLL("libm.so.6")
    theirs.cos.restype = ctypes.c_double
    open_library(theirs).symbol("cos")
    assert theirs.cos.restype is ctypes.c_double


def test_libraries_that_need_the_gil_are_refused() -> None:
    with pytest.raises(TypeError, match="GIL"):
        open_library(ctypes.pythonapi)


def test_what_is_no_library_is_refused() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="not int"):
        open_library(wrong)


def test_executable_memory_is_told_from_other(built: Path) -> None:
    assert is_code(open_library(built).symbol("twice").address)
    data = ctypes.create_string_buffer(64)
    assert not is_code(ctypes.addressof(data))
    assert not is_code(16)


def test_the_library_around_an_address_is_kept_and_named(built: Path, tmp_path: Path) -> None:
    path = plant(tmp_path, "libpinned.so", built)
    theirs = ctypes.CDLL(str(path))
    address = address_of(theirs.twice)
    assert pin(address) == (str(path), "twice")
    assert pin(address + 1) == (str(path), "")
    assert pin(ctypes.addressof(ctypes.c_int())) == ("", "")
    close: Any = ctypes.CDLL(None)["dlclose"]
    close.argtypes = (ctypes.c_void_p,)
    close(theirs._handle)
    assert str(path) in Path("/proc/self/maps").read_text()


def test_search_folders_are_absolute() -> None:
    assert all(Path(folder).is_absolute() for folder in libraries.search_folders())

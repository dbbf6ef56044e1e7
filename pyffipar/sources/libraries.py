"""Where shared libraries lie and what their files say, without loading them and without starting another program."""

from __future__ import annotations

import os
import platform
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ..errors import LibraryError
from ..system.trust import open_to_all

_CONFIGURATION = Path("/etc/ld.so.conf")
_MACHINES = {3: "x86", 21: "PowerPC64", 22: "s390x", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}
_SHT_DYNSYM = 11  # ELF section that lists what a library exports and imports
_PT_NOTE = 4  # ELF segment of notes
_NT_GNU_BUILD_ID = 3  # the note that holds a hash of what the linker wrote
_LONGEST_NOTES = 1 << 16  # bytes; real ones have some hundred

Stamp: TypeAlias = tuple[int, ...]


def is_path(text: str) -> bool:
    """Whether a text names a file by its path; what has no separator is a library's name."""
    return os.sep in text or (os.altsep is not None and os.altsep in text)


def search(name: str, folders: Iterable[str] | None = None) -> str:
    """The absolute path of the library called `name`.

    Parameters
    ----------
    name : str
        As one would give it to a linker (``z``), or a whole file name (``libz.so.1``).
    folders : iterable of str, optional
        Where to look; `search_folders` by default.

    Returns
    -------
    str
        In the first folder that has any, the one with the highest version that this process can load and that not
        every user of this machine can have written.

    Raises
    ------
    LibraryError
        If there is none; lists every folder, and why those of that name were passed over.
    """
    looked = list(search_folders() if folders is None else folders)
    unfit = []
    for folder in looked:
        for path in _versions(folder, name):
            reason = mismatch(path) or open_to_all(Path(path))
            if reason is None:
                return path
            unfit.append(f"{path}: {reason}")
    if sys.platform == "darwin":  # the system's libraries are in the loader's cache and in no folder: try it blindly
        return f"/usr/lib/{name if _is_file_name(name) else f'lib{name}.dylib'}"
    lines = [f"no library {name!r} in {', '.join(looked)}", *unfit]
    lines.append("(the current folder is never searched: give a path with a separator, such as './libmine.so')")
    raise LibraryError("\n  ".join(lines))


def search_folders() -> Iterator[str]:
    """Absolute folders in the order in which they are searched; each once, existing or not."""
    return iter(dict.fromkeys(folder for folder in _folders() if Path(folder).is_absolute()))


def _folders() -> Iterator[str]:
    """As the dynamic loader would, except that relative and empty entries, which mean the current folder, are left."""
    variable = {"darwin": "DYLD_LIBRARY_PATH", "win32": "PATH"}.get(sys.platform, "LD_LIBRARY_PATH")
    yield from os.environ.get(variable, "").split(os.pathsep)
    if (Path(sys.prefix) / "conda-meta").is_dir():  # a conda environment brings its own libraries
        yield str(Path(sys.prefix, "Library", "bin") if sys.platform == "win32" else Path(sys.prefix, "lib"))
    if sys.platform == "win32":
        yield str(Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32"))
    elif sys.platform == "darwin":
        yield from ("/opt/homebrew/lib", "/usr/local/lib", "/usr/lib")
    else:
        yield from _configured_folders(_CONFIGURATION)
        triplet = f"{platform.machine()}-linux-gnu"
        yield from (f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64", "/lib", "/usr/lib")


def _configured_folders(path: Path, depth: int = 0) -> Iterator[str]:
    """The folders an ``ld.so.conf`` lists, with the files it includes."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] != "include":
            yield words[0]
        elif depth < 8:  # deeper than any real configuration: files that include each other
            for pattern in words[1:]:
                base = path.parent / pattern  # an absolute pattern replaces the folder
                for included in sorted(Path(base.anchor).glob(str(base.relative_to(base.anchor)))):
                    yield from _configured_folders(included, depth + 1)


def _versions(folder: str, name: str) -> list[str]:
    """Files in a folder that are the library `name`, highest version first."""
    try:
        entries = [entry.name for entry in Path(folder).iterdir()]
    except OSError:
        return []
    if name in entries and _is_file_name(name):
        return [str(Path(folder, name))]
    quoted = re.escape(name)
    pattern = {
        "darwin": rf"lib{quoted}((?:\.\d+)*)\.dylib",
        "win32": rf"(?:lib)?{quoted}(?:-(\d+))?\.dll",
    }.get(sys.platform, rf"lib{quoted}\.so((?:\.\d+)*)")
    versions = [
        ([int(number) for number in re.findall(r"\d+", match[1] or "")], match[0])
        for match in map(re.compile(pattern).fullmatch, entries)
        if match
    ]
    return [str(Path(folder, entry)) for _, entry in sorted(versions, reverse=True)]


def _is_file_name(name: str) -> bool:
    """Whether a name is a library's whole file name."""
    return re.search(r"\.so(\.\d+)*$|\.dylib$|\.dll$", name, re.IGNORECASE) is not None


def mismatch(path: str) -> str | None:
    """Why this process cannot load the file; None if nothing is against it. Only ELF files are looked into."""
    own = _own_header()
    if own is None:
        return None
    try:
        with Path(path).open("rb") as file:
            header = file.read(64)
    except OSError as error:
        return error.strerror or str(error)
    if header[:4] != b"\x7fELF":
        return _no_elf_file(header, path)
    if len(header) < 20:
        return "the file is cut off"
    if (theirs := _describe(header)) != (ours := _describe(own)):
        return f"it was built for {theirs}, this process is {ours}"
    (kind,) = struct.unpack_from("=H", header, 16)
    return _NOT_LOADED.get(kind)


# By ELF type; shared objects and programs remain, of which the loader itself refuses the latter.
_NOT_LOADED = {
    1: "it is an object file, not linked yet: `cc -shared -o libx.so x.o`, of files compiled with -fPIC",
    4: "it is a core dump",
}
_OTHERS = {
    b"!<arch>\n": "it is a static library: `cc -shared -o libx.so -Wl,--whole-archive libx.a -Wl,--no-whole-archive`",
    b"!<thin>\n": "it is a static library",
    b"MZ": "it is a library for Windows",
    b"\xcf\xfa\xed\xfe": "it is a library for macOS",
    b"\xca\xfe\xba\xbe": "it is a library for macOS",
}
_LONGEST_TEXT = 1 << 16  # characters; real ones have some hundred
_LINKER_TEXT = (b"/* GNU ld script", b"INPUT", b"GROUP", b"OUTPUT_FORMAT")


def _no_elf_file(header: bytes, path: str) -> str:
    """What a file is that is no ELF file."""
    if not header:
        return "it is empty"
    if header.lstrip().startswith(_LINKER_TEXT):
        with Path(path).open(errors="replace") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(_LONGEST_TEXT), flags=re.DOTALL)
        named = re.findall(r"[^\s()]+\.so[.\d]*", text)
        return f"it is a text for the linker that names other files; open {' or '.join(named) or 'one of those'}"
    return next((words for start, words in _OTHERS.items() if header.startswith(start)), "it is no ELF file")


@cache
def _own_header() -> bytes | None:
    """The start of the running program's file; None where programs are no ELF files."""
    try:
        with Path("/proc/self/exe" if sys.platform == "linux" else sys.executable).open("rb") as file:
            header = file.read(64)
    except OSError:
        return None
    return header if header[:4] == b"\x7fELF" else None


def _describe(header: bytes) -> str:
    """Machine, width and byte order an ELF file is for."""
    order = "<" if header[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", header, 18)
    width = {1: 32, 2: 64}.get(header[4], 0)
    return f"{_MACHINES.get(machine, f'machine {machine}')}, {width} bits, {'little' if order == '<' else 'big'}-endian"


def stamp(path: str) -> Stamp | None:
    """What tells cheaply whether a file has been replaced or changed; None if it is gone."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def fingerprint(path: str) -> str:
    """What distinguishes a library from another version: its ELF build ID if it has one, else a hash of the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return _fingerprint(path, stamp(path))


@cache
def _fingerprint(path: str, _stamp: Stamp | None) -> str:
    """Read it once for every state of the file."""
    with Path(path).open("rb") as file:
        try:
            for note in _notes(file):
                if (build_id := _build_id(note)) is not None:
                    return f"build-id:{build_id.hex()}"
        except (struct.error, IndexError, ValueError):
            pass  # no ELF file of a form we know: its content says as much
        import hashlib

        file.seek(0)
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
        return f"sha256:{digest.hexdigest()}"


def _notes(file: BinaryIO) -> Iterator[bytes]:
    """The segments of a 64-bit ELF file that hold notes."""
    header = file.read(64)
    if header[:5] != b"\x7fELF\x02":
        return
    order = "<" if header[5] == 1 else ">"
    (segments,) = struct.unpack_from(f"{order}Q", header, 32)
    size, count = struct.unpack_from(f"{order}HH", header, 54)
    file.seek(segments)
    table = file.read(size * count)
    for number in range(count):
        kind, offset, length = struct.unpack_from(f"{order}I4xQ16xQ", table, size * number)
        if kind == _PT_NOTE and length <= _LONGEST_NOTES:
            file.seek(offset)
            yield file.read(length)


def _build_id(notes: bytes) -> bytes | None:
    """The build ID among the notes of one segment."""
    order = sys.byteorder  # only libraries of this machine are asked
    place = 0
    while place + 12 <= len(notes):
        name_size, size, kind = (int.from_bytes(notes[place + i : place + i + 4], order) for i in (0, 4, 8))
        name = notes[place + 12 : place + 12 + name_size]
        place += 12 + -(-name_size // 4) * 4
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0":
            return notes[place : place + size] or None
        place += -(-size // 4) * 4
    return None


def exported_names(path: str) -> frozenset[str]:
    """Functions and data a 64-bit ELF library exports; empty for any other file, or one that cannot be read."""
    try:
        data = Path(path).read_bytes()
        return frozenset(_dynamic_symbols(data))
    except (OSError, struct.error, IndexError, ValueError):
        return frozenset()


def _dynamic_symbols(data: bytes) -> Iterator[str]:
    """Names in the dynamic symbol table that are defined in this file."""
    if data[:5] != b"\x7fELF\x02":
        return
    order = "<" if data[5] == 1 else ">"
    (sections,) = struct.unpack_from(f"{order}Q", data, 40)
    size, count = struct.unpack_from(f"{order}HH", data, 58)
    # Of a section header: type, file offset, size, and the number of the section that holds the names.
    headers = [struct.unpack_from(f"{order}4xI16xQQI", data, sections + size * number) for number in range(count)]
    for kind, offset, length, link in headers:
        if kind != _SHT_DYNSYM:
            continue
        strings = headers[link][1]
        for name, section in struct.iter_unpack(f"{order}I2xH16x", data[offset : offset + length]):
            if section:  # 0: imported from elsewhere
                start = strings + name
                yield data[start : data.index(b"\0", start)].decode("utf-8", "replace")

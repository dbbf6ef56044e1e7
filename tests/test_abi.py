"""The ctypes mirror and the C header say the same: the compiler is asked, and the header read for what is missing."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pyffipar import _native
from pyffipar.language import scalars
from pyffipar.sources import libraries

HEADER = Path(__file__).parents[1] / "cpp" / "include" / "pyffipar.h"


def prototypes() -> Iterator[str]:
    """Every function once more, from the table that declares it to ctypes."""
    for name, signature in _native.FUNCTIONS.items():
        parameters = ", ".join(parameter.spelling for parameter in signature.parameters) or "void"
        yield f"{signature.result.spelling} {name}({parameters});"


def claims() -> Iterator[str]:
    """What must be true in C: sizes, places, constants."""
    yield f"PYFFIPAR_ABI_VERSION == {_native.ABI_VERSION}"
    for spelling, mirror in _native.STRUCTS.items():
        yield f"sizeof({spelling}) == {ctypes.sizeof(mirror)}"
        yield f"_Alignof({spelling}) == {ctypes.alignment(mirror)}"
        for name, *_ in mirror._fields_:
            member = getattr(mirror, name)
            yield f"offsetof({spelling}, {name}) == {member.offset}"
            yield f"sizeof((({spelling} *)0)->{name}) == {member.size}"
    for enum in _native.ENUMS:
        for constant in enum:
            yield f"PYFFIPAR_{constant.name} == {constant.value}"
    for ctype in {kind for function in _native.FUNCTIONS.values() for kind in (function.result, *function.parameters)}:
        if ctype.ctype is not None:
            yield f"sizeof({ctype.spelling}) == {ctypes.sizeof(ctype.ctype)}"
    yield f"PYFFIPAR_POINTER == {scalars.POINTER_CODE} && PYFFIPAR_BYTES == {scalars.BYTES_CODE}"


def signs() -> Iterator[str]:
    """Scalar members by their C types: a size alone would let int64_t pass for uint64_t or double."""
    spellings = {
        ctypes.c_int32: "int32_t",
        ctypes.c_int64: "int64_t",
        ctypes.c_uint64: "uint64_t",
        ctypes.c_float: "float",
        ctypes.c_double: "double",
    }
    for spelling, mirror in _native.STRUCTS.items():
        for name, ctype, *_ in mirror._fields_:
            if ctype in spellings:
                yield f"_Generic((({spelling} *)0)->{name}, {spellings[ctype]}: 1, default: 0)"


def check(cc: str, header: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    asserts = [f'_Static_assert({claim}, "{claim}");' for claim in (*claims(), *signs())]
    source = folder / "mirror.c"
    source.write_text("\n".join(['#include "pyffipar.h"', *prototypes(), *asserts, ""]))
    command = [cc, "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", f"-I{header.parent}"]
    return subprocess.run([*command, str(source)], check=False, capture_output=True, text=True)


def test_mirror_matches_the_header(cc: str, tmp_path: Path) -> None:
    result = check(cc, HEADER, tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pyffipar_run(pyffipar_job *job, int64_t slice_ns)", "pyffipar_run(pyffipar_job *job, int32_t slice_ns)"),
        ("int64_t pyffipar_worker_count", "int32_t pyffipar_worker_count"),
        ("    int64_t step; ", "    int32_t step; "),
        ("    int64_t numerator;", "    uint64_t numerator;"),
        ("    int32_t reason;", "    int64_t reason;"),
        ("    char text[232];", "    char text[240];"),
        ("PYFFIPAR_LINEAR = 2", "PYFFIPAR_LINEAR = 9"),
        ("PYFFIPAR_ABI_VERSION 3", "PYFFIPAR_ABI_VERSION 4"),
        ("PYFFIPAR_MOST_OPERANDS = 32", "PYFFIPAR_MOST_OPERANDS = 31"),
    ],
)
def test_drift_is_noticed(cc: str, tmp_path: Path, old: str, new: str) -> None:
    text = HEADER.read_text()
    assert old in text
    changed = tmp_path / "include" / "pyffipar.h"
    changed.parent.mkdir()
    changed.write_text(text.replace(old, new))
    assert check(cc, changed, tmp_path).returncode != 0


def bare_header() -> str:
    """The header without its comments."""
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)


def test_no_function_of_the_header_is_left_out() -> None:
    declared = re.findall(r"^PYFFIPAR_EXPORT[^;(]*?(\w+)\(", bare_header(), re.MULTILINE)
    assert sorted(declared) == sorted(_native.FUNCTIONS)


def test_no_constant_of_the_header_is_left_out() -> None:
    bodies = re.findall(r"enum\s*\w*\s*\{(.*?)\}", bare_header(), re.DOTALL)
    declared = re.findall(r"PYFFIPAR_(\w+)\s*=", "".join(bodies))
    assert sorted(declared) == sorted(constant.name for enum in _native.ENUMS for constant in enum if constant.name)


def member_name(line: str) -> str:
    """What a line of a struct declares: a value, an array, or a pointer, be it to a function."""
    if pointer := re.search(r"\(\*(\w+)\)\(", line):
        return pointer[1]
    return re.sub(r"\[\w+\]", "", line).split()[-1].lstrip("*")


@pytest.mark.parametrize("spelling", _native.STRUCTS)
def test_no_member_is_left_out_or_out_of_order(spelling: str) -> None:
    found = re.search(rf"typedef (?:struct|union) {spelling} \{{(.*?)\}} {spelling};", bare_header(), re.DOTALL)
    assert found is not None
    declared = [member_name(line) for line in found[1].split(";") if line.strip()]
    assert declared == [name for name, *_ in _native.STRUCTS[spelling]._fields_]


def test_scalars_have_the_librarys_codes() -> None:
    names = {"bool": "BOOL", "complex64": "C64", "complex128": "C128"}
    for dtype in ("bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", *list(names)[1:]):
        name = names.get(dtype) or re.sub(r"[a-z]+", lambda match: match[0][0].upper(), dtype)
        assert scalars.element_code(np.dtype(dtype)) == _native.Type[name]


KERNELS_OF_ONE_TYPE = {
    "pyffipar_bincount",
    "pyffipar_fold_moments",
    "pyffipar_kernel_level",
    "pyffipar_round_dot",
    "pyffipar_round_sum",
    "pyffipar_use_kernel_level",
    "pyffipar_weighted_bincount",
    "pyffipar_weighted_histogram",
}


def test_library_exports_what_the_table_lists_and_nothing_else() -> None:
    exported = libraries.exported_names(_native.library()._name)
    assert set(_native.FUNCTIONS) <= exported
    kernels = exported - set(_native.FUNCTIONS)
    typed = re.compile(r"pyffipar_[a-z_]+_(bool|[iu](8|16|32|64)|f(32|64)|c(64|128))")
    assert {name for name in kernels if not typed.fullmatch(name)} == KERNELS_OF_ONE_TYPE

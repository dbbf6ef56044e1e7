"""C's types: what each spelling means on this machine, checked against the compiler."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pyffipar.language.scalars import BYTES_CODE, WELL_KNOWN, element_code, scalar

SPELLINGS = [
    "_Bool", "char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long",
    "unsigned long", "long long", "unsigned long long", "float", "double", "float _Complex", "double _Complex",
]  # fmt: skip


def test_the_compiler_agrees_on_size_kind_and_sign(cc: str, tmp_path: Path) -> None:
    """Names that headers define too: a typedef that differs here from the header's would hand over wrong bits."""
    names = [*SPELLINGS, *(name for name in WELL_KNOWN if name == "bool" or (name.endswith("_t") and name[0] != "z"))]
    lines = [
        f'printf("%d %d %d\\n", (int)sizeof({name}), (int)(({name})0.5 != ({name})0), (int)(({name})-1 < ({name})0));'
        if "Complex" not in name
        else f'printf("%d 1 1\\n", (int)sizeof({name}));'
        for name in names
    ]
    source = tmp_path / "types.c"
    includes = ["stddef.h", "stdint.h", "stdbool.h", "complex.h", "stdio.h", "sys/types.h"]
    source.write_text(
        "".join(f"#include <{name}>\n" for name in includes) + "int main(void) {" + "\n".join(lines) + "}\n"
    )
    subprocess.run([cc, source, "-w", "-o", tmp_path / "types"], check=True)
    told = subprocess.run([tmp_path / "types"], check=True, capture_output=True, text=True).stdout.splitlines()
    for name, line in zip(names, told, strict=True):
        size, real, signed = (int(word) for word in line.split())
        found = scalar(*name.split())
        assert found is not None, name
        assert found.dtype.itemsize == size, name
        if found.dtype.kind == "b":
            continue
        assert (found.dtype.kind in "fc") == bool(real), name
        if name != "char":  # its sign is the compiler's choice
            assert (found.dtype.kind in "ifc") == bool(signed), name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("unsigned", "unsigned int"),
        ("signed", "int"),
        ("signed int", "int"),
        ("short int", "short"),
        ("unsigned short int", "unsigned short"),
        ("long int", "long"),
        ("long long int", "long long"),
        ("unsigned long long int", "unsigned long long"),
        ("signed char", "signed char"),
    ],
)
def test_words_of_a_type_stand_in_any_order(words: str, name: str) -> None:
    for order in itertools.permutations(words.split()):
        found = scalar(*order)
        assert found is not None
        assert found.name == name


@pytest.mark.parametrize(
    "words",
    ["gsl_rng", "void", "short double", "unsigned float", "long double", "long long long", "unsigned unsigned int",
     "int int", "char char", "long long long int", "unsigned _Bool", "_Complex int", "unsigned double _Complex",
     "signed _Complex", "struct point", "long long double", "short long"],
)  # fmt: skip
def test_what_c_or_numpy_does_not_have_is_no_scalar(words: str) -> None:
    assert scalar(*words.split()) is None


@pytest.mark.parametrize("spelling", [*SPELLINGS[:14], "size_t"])
def test_ctypes_and_numpy_agree(spelling: str) -> None:
    found = scalar(*spelling.split())
    assert found is not None
    assert ctypes.sizeof(found.ctype) == found.dtype.itemsize
    assert np.dtype(found.ctype) == found.dtype


def test_limits_are_those_of_the_type() -> None:
    for name, limits in {"unsigned char": (0, 255), "short": (-32768, 32767), "uint64_t": (0, 2**64 - 1)}.items():
        found = scalar(*name.split())
        assert found is not None
        assert found.limits == limits


def test_only_integers_count() -> None:
    counting = {name for name in SPELLINGS if (found := scalar(*name.split())) is not None and found.is_integer}
    assert counting == {name for name in SPELLINGS if name != "_Bool" and not name.startswith(("float", "double"))}


@pytest.mark.parametrize("code", ["?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "F", "D"])
def test_byte_order_does_not_change_an_elements_code(code: str) -> None:
    dtype = np.dtype(code)
    assert element_code(dtype) == element_code(dtype.newbyteorder("S")) != BYTES_CODE


@pytest.mark.parametrize("code", ["S3", "U2", "M8[s]", "m8[s]", "V5", "O", "g"])
def test_what_c_has_no_type_for_is_bytes(code: str) -> None:
    if np.dtype(code) != np.dtype("f8"):  # long double, where it is one
        assert element_code(np.dtype(code)) == BYTES_CODE

"""Random C signatures: the register call, libffi and ctypes hand over the same arguments and results."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import _native
from pyffipar.executors import native

COUNT = 300
MOST_ARGUMENTS = 20
INTEGERS = {
    "int8_t": np.int8, "uint8_t": np.uint8, "int16_t": np.int16, "uint16_t": np.uint16,
    "int32_t": np.int32, "uint32_t": np.uint32, "int64_t": np.int64, "uint64_t": np.uint64, "bool": np.bool_,
}  # fmt: skip
FLOATS = {"float": np.float32, "double": np.float64}
COMPLEX = {"float _Complex": np.complex64, "double _Complex": np.complex128}
TYPES = {**INTEGERS, **FLOATS, **COMPLEX}


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that mixes its arguments so that a swapped, cut or unextended one shows in the result."""

    name: str
    returns: str
    arguments: tuple[str, ...]

    @property
    def prototype(self) -> str:
        listed = ", ".join(f"{kind} a{place}" for place, kind in enumerate(self.arguments))
        return f"{self.returns} {self.name}({listed or 'void'})"

    @property
    def source(self) -> str:
        """Sums of products with odd factors, all exact: integers modulo 2^64, floating values are small integers."""
        lines = ["uint64_t bits = 1; double real = 0;"]
        for place, kind in enumerate(self.arguments):
            factor = 2 * place + 3
            if kind in INTEGERS:
                lines.append(f"bits = bits * 31 + (uint64_t)a{place} * {factor};")
            elif kind in FLOATS:
                lines.append(f"real += (double)a{place} * {factor};")
            else:
                lines.append(f"real += (double)creal(a{place}) * {factor} - (double)cimag(a{place}) * {factor + 100};")
        lines.append("bits += (uint64_t)(int64_t)real;")
        if self.returns in INTEGERS:
            lines.append(f"return ({self.returns})(bits >> 3);")
        elif self.returns in FLOATS:
            lines.append(f"return ({self.returns})(bits >> 40);")
        else:
            lines.append(f"return ({self.returns})((double)(bits >> 44) + I * (double)(bits % 1021));")
        return f"{self.prototype} {{ {' '.join(lines)} }}"

    def values(self, chance: random.Random, items: int) -> list[np.ndarray]:
        """Arguments for `items` calls: extreme integers, floating values that all their sums hold exactly."""
        found = []
        for kind in self.arguments:
            dtype: np.dtype[Any] = np.dtype(TYPES[kind])
            column: list[Any]
            if kind == "bool":
                column = [chance.random() < 0.5 for _ in range(items)]
            elif kind in INTEGERS:
                info = np.iinfo(dtype)
                column = [chance.choice((info.min, info.max, chance.randint(info.min, info.max))) for _ in range(items)]
            elif kind in FLOATS:
                column = [chance.randint(-1000, 1000) for _ in range(items)]
            else:
                column = [complex(chance.randint(-1000, 1000), chance.randint(-1000, 1000)) for _ in range(items)]
            found.append(np.array(column, dtype))
        return found


def signatures() -> list[Signature]:
    """The same for every run: a failure can be looked at again."""
    chance = random.Random(20)
    found = []
    for number in range(COUNT):
        # A third without complex numbers and long lists, so that the register call has its share.
        kinds = [*INTEGERS, *FLOATS] if number % 3 else list(TYPES)
        length = chance.randint(0, 8 if number % 3 == 1 else MOST_ARGUMENTS)
        arguments = tuple(chance.choice(kinds) for _ in range(length))
        found.append(Signature(f"mixed_{number}", chance.choice(list(TYPES)), arguments))
    return found


SIGNATURES = signatures()


@pytest.fixture(scope="module")
def library() -> pf.Library:
    headers = "#include <complex.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
    source = headers + "\n".join(signature.source for signature in SIGNATURES)
    return pf.compile(source, "\n".join(f"{signature.prototype};" for signature in SIGNATURES), flags=["-O1"])


def in_registers(signature: Signature) -> bool:
    """Whether System V x86-64 passes and returns all of it in registers."""
    floating = sum(kind in FLOATS for kind in signature.arguments)
    complex_ones = any(kind in COMPLEX for kind in (*signature.arguments, signature.returns))
    return not complex_ones and floating <= 8 and len(signature.arguments) - floating <= 6


def test_the_register_call_has_its_share() -> None:
    assert sum(in_registers(signature) for signature in SIGNATURES) >= COUNT // 4


@pytest.mark.parametrize("path", [_native.CallPath.LIBFFI, _native.CallPath.CHEAPEST, _native.CallPath.REGISTER])
def test_every_path_gives_what_ctypes_gives(
    library: pf.Library, monkeypatch: pytest.MonkeyPatch, path: _native.CallPath
) -> None:
    monkeypatch.setattr(native, "CALL_PATH", path)
    chance = random.Random(7)
    tried = 0
    for signature in SIGNATURES:
        if path is _native.CallPath.REGISTER and not in_registers(signature):
            continue
        tried += 1
        function = getattr(library, signature.name)
        values = signature.values(chance, 5)
        expected = function.options(executor="serial")(*values)
        np.testing.assert_array_equal(function(*values), expected, err_msg=signature.prototype)
    assert tried >= COUNT // 4


def test_a_signature_that_does_not_fit_is_no_register_call(
    library: pf.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CALL_PATH", _native.CallPath.REGISTER)
    signature = next(signature for signature in SIGNATURES if not in_registers(signature) and signature.arguments)
    values = signature.values(random.Random(1), 1)
    with pytest.raises(RuntimeError, match="register"):
        getattr(library, signature.name)(*values)

"""Contracts for the functions of a header: every form, what comes out of them, and every refusal as documented."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.language.headers import read_header
from pyffipar.language.prototype import read_prototypes
from pyffipar.plans.roles import analyse
from pyffipar.sources.authoring import _contracts, declared_by_header, declared_by_source
from pyffipar.sources.recipes import Recipe

PACKAGE = Path(str(pf.__file__)).parent
REFUSALS = Path(__file__).parents[1] / "docs" / "refusals.md"

HEADER = """
#include <stddef.h>
#define SIDES 4
#define CORNERS (2 * SIDES)
#define UNSIGNED 7UL
#define NAME "none"
#define MINUS (-3)
#define CAST ((int)3)
typedef double real;
enum color { RED = 1, GREEN };
typedef struct { real x; real y; } point;
typedef struct shape shape;
typedef real vec3[3];
typedef real *vector;
typedef short Byte;
extern real total(size_t n, const real *x);
real mean(const real data[], const size_t stride, const size_t n);
void unnamed(size_t, const real *, real *);
int hidden(int __n, const double __x[__n]);
void corners(const real x[8], vec3 y, const vec3 *z, vector w);
shape *shape_new(int sides);
void shape_free(shape *it);
int shape_solve(const shape *it, real a, point *result, enum color c);
void apply(real (*f)(real x, void *state), void *state, size_t n, real *x);
void bytes(size_t n, const void *data, Byte *out);
void none(void);
"""


@pytest.fixture
def header(tmp_path: Path) -> Path:
    path = tmp_path / "shapes.h"
    path.write_text(HEADER)
    return path


def completed(header: Path, contracts: str) -> str:
    """What a text of contracts becomes; read once more, as a plain text is."""
    draft = declared_by_header(header, contracts, (), ())
    with draft.errors():
        for prototype in read_prototypes(draft.text):
            analyse(prototype)
    return draft.text


def declaration(header: Path, contract: str) -> str:
    """The last declaration, without the definitions in front of it."""
    return completed(header, contract).strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        ("total(n, x[n]) reduction(+);", "real total(size_t n, const real x[n]) reduction(+);"),
        ("double total(n, x[n]) reduction(+);", "double total(size_t n, const real x[n]) reduction(+);"),
        ("total(size_t n, const double x[n])reduction(+);", "real total(size_t n, const double x[n]) reduction(+);"),
        ("real total(size_t n, x[ n ]) split();", "real total(size_t n, const real x[ n ]) split();"),
        ("mean(data[0 : n : stride], stride, n) reduction(mean);",
         "real mean(const real data[0 : n : stride], const size_t stride, const size_t n) reduction(mean);"),
        ("mean(x[n], step, n) fixed(step = 1) reduction(mean);",
         "real mean(const real x[n], const size_t step, const size_t n) fixed(step = 1) reduction(mean);"),
        ("unnamed(n, x[n], y[n + 1]) split();", "void unnamed(size_t n, const real x[n], real y[n + 1]) split();"),
        ("hidden reduction(+);", "int hidden(int n, const double x[n]) reduction(+);"),
        ("hidden(m, y) reduction(+);", "int hidden(int m, const double y[m]) reduction(+);"),
        ("corners(x, y, z[2], w[3]);", "void corners(const real x[8], vec3 y, const vec3 z[2], real w[3]);"),
        ("corners(x[CORNERS], y, z[2], w[3]);",
         "void corners(const real x[CORNERS], vec3 y, const vec3 z[2], real w[3]);"),
        ("uintptr_t shape_new(sides);", "uintptr_t shape_new(int sides);"),
        ("void shape_new(sides);", "void shape_new(int sides);"),
        ("shape_free;", "void shape_free(shape *it);"),
        ("void shape_free(void *whatever);", "void shape_free(void *whatever);"),
        ("shape_solve(it, a, result[1], c) status(GREEN);",
         "int shape_solve(const shape *it, real a, point result[1], enum color c) status(GREEN);"),
        ("int shape_solve(it, a, result[1], int c) status(MINUS) fixed(c = UNSIGNED);",
         "int shape_solve(const shape *it, real a, point result[1], int c) status(MINUS) fixed(c = UNSIGNED);"),
        ("apply(f, state, n, x[n]);", "void apply(real (*f)(real x, void *state), void *state, size_t n, real x[n]);"),
        ("void apply(void *f, state, n, x[n]);", "void apply(void *f, void *state, size_t n, real x[n]);"),
        ("bytes(n, data[n], out[n]);", "void bytes(size_t n, const void data[n], short out[n]);"),
        ("bytes(n, const float data[n], out[n]);", "void bytes(size_t n, const float data[n], short out[n]);"),
        ("none;", "void none(void);"),
        ("none();", "void none(void);"),
        ("void none(void);", "void none(void);"),
    ],
)  # fmt: skip
def test_a_contract_is_completed_from_the_header(header: Path, contract: str, expected: str) -> None:
    assert declaration(header, contract) == expected


def test_definitions_come_along_once(header: Path) -> None:
    text = completed(header, """
        shape_solve(it, a, result[1], c) status(RED);
        typedef float single; // the user's own
        corners(x[CORNERS], y, z[2], w[3]);
        shape_free(it);
        total(n, x[n]) reduction(+) chunk(min = SIDES);
    """)  # fmt: skip
    assert text.split("\n") == [
        "typedef double real;",
        "typedef struct { real x; real y; } point;",
        "typedef struct shape shape;",
        "enum color { RED = 1, GREEN };",
        "int shape_solve(const shape *it, real a, point result[1], enum color c) status(RED);",
        "typedef float single;",
        "typedef real vec3[3];",
        "enum { CORNERS = (2 * 4) };",
        "void corners(const real x[CORNERS], vec3 y, const vec3 z[2], real w[3]);",
        "void shape_free(shape *it);",
        "enum { SIDES = 4 };",
        "real total(size_t n, const real x[n]) reduction(+) chunk(min = SIDES);",
        "",
    ]


def test_macros_that_are_no_integers_stay_out(header: Path) -> None:
    with pytest.raises(pf.PrototypeError, match=r"^fixed\(n = NAME\) is not of the form"):
        completed(header, "total(n, x[n]) split() fixed(n = NAME);")
    assert "enum" not in completed(header, "total(n, x[n]) reduction(CAST(_, _));")


def test_errors_of_the_language_point_into_the_contract(header: Path) -> None:
    contracts = "total(n, x[n]) reduction(+);\n  mean(data[n],\n    stride, n);\n"
    with pytest.raises(pf.PrototypeError) as caught:
        completed(header, contracts)
    assert (caught.value.line, caught.value.column) == (2, 3)
    assert caught.value.message.startswith("mean: would be cut along n, but it returns double")
    assert caught.value.text == contracts
    with pytest.raises(pf.PrototypeError) as caught:
        completed(header, "total(n, x[n]) reduction(+);\ntotal(n, x[n / 2]) split();")
    assert (caught.value.line, caught.value.column) == (2, 14)
    with pytest.raises(pf.PrototypeError) as caught:
        completed(header, "total(n, x) split();")
    assert caught.value.message.startswith("const real *x does not say how much it points to")
    assert caught.value.column == 10


# Mutations

CONTRACTS = (
    "total(n, x[n]) reduction(+);",
    "mean(data[0 : n : stride], stride, n) reduction(mean);",
    "corners(x[CORNERS], y, z[2], w[3]);",
    "uintptr_t shape_new(sides);",
    "int shape_solve(const shape *it, real a, point result[1], enum color c) status(RED) fixed(c = GREEN);",
    "apply(f, state, n, x[n]);",
    "hidden reduction(+);",
    "typedef struct { real x; } own; enum { TWO = 2 };",
)
TOKENS = [token for contract in CONTRACTS for token in re.findall(r"\w+|\s+|.", contract)]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A contract with a few tokens gone, doubled or replaced."""
    parts = re.findall(r"\w+|\s+|.", draw(st.sampled_from(CONTRACTS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(parts) - 1)))
        kept = draw(st.integers(0, 1))
        parts[place : place + kept] = draw(st.lists(st.sampled_from(TOKENS), max_size=2))
    return "".join(parts)


def refusal(contract: str) -> pf.PrototypeError | None:
    try:
        draft = _contracts(read_header(HEADER), contract, "shapes.h")
        with draft.errors():
            read_prototypes(draft.text)
    except pf.PrototypeError as error:
        return error
    return None


@given(contract=mutated())
@example(contract="[uintptr_t shape_new(sides)];")
@example(contract="{uintptr_t shape_new(sides)};")
@example(contract="[0] uintptr_t shape_new(sides);")
@settings(max_examples=600)
def test_a_mutated_contract_is_read_or_refused(contract: str) -> None:
    error = refusal(contract)
    assert error is None or (error.text == contract and 0 <= error.position <= len(contract))


# The documentation


def section() -> str:
    return REFUSALS.read_text(encoding="utf-8").split("\n## Headers and pragmas\n")[1].split("\n## ")[0]


def fenced(word: str) -> list[str]:
    return re.findall(rf"^```{word}\n(.*?)^```$", section(), re.MULTILINE | re.DOTALL)


def refused_contract(message: str, folder: Path) -> pf.PrototypeError:
    """The error for the contract that a message quotes."""
    path = folder / "shapes.h"
    path.write_text(*fenced("c header"))
    contract = message.rstrip("\n").split("\n")[-2].removeprefix("  line 1: ")
    with pytest.raises(pf.PrototypeError) as caught:
        completed(path, contract)
    return caught.value


def refused_pragma(source: str) -> pf.PrototypeError:
    with pytest.raises(pf.PrototypeError) as caught:
        declared_by_source(Recipe(source))
    return caught.value


@pytest.mark.parametrize("message", fenced("text contract"), ids=lambda message: message.split("\n")[0][:50])
def test_a_refused_contract_is_told_as_documented(message: str, tmp_path: Path) -> None:
    assert f"{refused_contract(message, tmp_path)}\n".replace(f"{tmp_path}/", "") == message


@pytest.mark.parametrize(("source", "message"), list(zip(fenced("c pragma"), fenced("text pragma"), strict=True)))
def test_a_refused_pragma_is_told_as_documented(source: str, message: str) -> None:
    assert f"{refused_pragma(source)}\n" == message


def place(file: str) -> str:
    """A module's place in the package."""
    path = Path(file)
    return path.relative_to(PACKAGE).with_suffix("").as_posix() if path.is_relative_to(PACKAGE) else file


def refusing_calls() -> Iterator[tuple[str, int, int, str]]:
    """Every place where contracts and pragmas are refused: module, first and last line, and the source."""
    for module in ("language/contracts", "language/agreement", "sources/authoring"):
        for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("fail", "PrototypeError", "check_commas"):
                    yield module, node.lineno, node.end_lineno or node.lineno, ast.unparse(node)


def test_every_refusal_is_documented(tmp_path: Path) -> None:
    errors = [refused_contract(message, tmp_path) for message in fenced("text contract")]
    errors += map(refused_pragma, fenced("c pragma"))
    chain: list[BaseException] = list(errors)
    for error in chain:  # grows: what points into a user's text was first raised about another
        chain += [error.__context__] if error.__context__ is not None else []
    frames = [frame for error in chain for frame in traceback.extract_tb(error.__traceback__)]
    reached = {(place(frame.filename), frame.lineno) for frame in frames}
    missing = [
        f"{module}.py, line {first}: {source}"
        for module, first, last, source in refusing_calls()
        if not any((module, line) in reached for line in range(first, last + 1)) and "self.statement.fail" not in source
    ]
    assert not missing, "\n".join(missing)

"""The whole contract language: every refusal as the documentation shows it, and nothing but refusals for any text."""

from __future__ import annotations

import ast
import re
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.language.clause_reading import _READERS
from pyffipar.language.names import TypeNames
from pyffipar.language.prototype import Prototype, read_prototypes
from pyffipar.plans.roles import analyse

HERE = Path(__file__).parent
PACKAGE = Path(str(pf.__file__)).parent
REFUSALS = HERE.parent / "docs" / "refusals.md"
# Where declarations are read and refused.
MODULES = (
    "language/tokens",
    "language/csyntax",
    "language/extents",
    "language/clause_reading",
    "language/names",
    "language/parameters",
    "language/prototype",
    "plans/cutting",
    "plans/roles",
    "library",
)


def understand(text: str) -> list[Prototype]:
    """Everything that happens to a declaration before its symbol is looked up."""
    prototypes = read_prototypes(text, TypeNames())
    for prototype in prototypes:
        analyse(prototype)
    return prototypes


def refusal(text: str) -> pf.PrototypeError | None:
    """Why a text is refused; any other exception is the caller's to see."""
    try:
        understand(text)
    except pf.PrototypeError as error:
        return error
    return None


def declare(text: str) -> None:
    """What a user does; first without a library, because no library has all of these functions."""
    understand(text)
    pf.load("m").declare(text)


def shown() -> Iterator[str]:
    """The messages in the documentation."""
    yield from re.findall(r"^```text\n(.*?)^```$", REFUSALS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def declaration(message: str) -> str:
    """What a message is about: it quotes the line."""
    return message.split("\n")[-3].removeprefix("  line 1: ")


@pytest.mark.parametrize("message", list(shown()), ids=declaration)
def test_a_refusal_is_what_the_documentation_shows(message: str) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        declare(declaration(message))
    assert f"{caught.value}\n" == message


# Texts that are too long to be shown.
LONG = {
    "a zero character": ("double f(double x)\0;", "unexpected character '\\x00'"),
    "parameters": (
        f"void f({', '.join(f'int a{number}' for number in range(65))});",
        "f has 65 parameters; at most 64 are read",
    ),
    "text": (" " * ((1 << 20) + 1), "the declarations are 1048577 characters long; at most 1048576 are read"),
    "constant": (f"enum {{ A = {'1+' * 3000}1 }};", None),
    "type": (f"void f({'const ' * 20000}int x);", None),
    "name": (f"void {'f' * 100000}(int x) {'y' * 100000};", None),
    "statements": ("double f(double x);" * 3000, None),
    "comments": (f"double f(double x {'/**/' * 100000});", None),
}


@pytest.mark.parametrize("name", LONG)
def test_texts_of_any_size_are_read_or_refused(name: str) -> None:
    text, message = LONG[name]
    started = time.perf_counter()
    error = refusal(text)
    assert message is None or (error is not None and error.message == message)
    if error is not None:
        assert len(str(error)) < 500 + len(error.message)  # a long line is shown in part
    assert time.perf_counter() - started < 60


def _refusing_calls() -> Iterator[tuple[str, int, int, str]]:
    """Every place where a declaration is refused: module, first and last line, and the source."""
    words = ("fail", "wrong", "_fail", "PrototypeError", "_fail_to_parse", "_fail_unmerged")
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in words:
                    yield module, node.lineno, node.end_lineno or node.lineno, ast.unparse(node)


UNREACHED = (
    "statement.fail('this is no function: return-type name(parameters) clauses; was expected')",  # pycparser's own view
    "this is no C prototype ({said",  # what pycparser says without a line
    "this expression is too long",  # how long depends on the interpreter's stack
)


def test_every_refusal_is_shown() -> None:
    """A new one wants a block and a reason in docs/refusals.md."""
    reached: set[tuple[str, int]] = set()
    for text in (*map(declaration, shown()), *(text for text, message in LONG.values() if message)):
        with pytest.raises(pf.PrototypeError) as caught:
            declare(text)
        for frame in traceback.extract_tb(caught.value.__traceback__):
            path = Path(frame.filename)
            if path.is_relative_to(PACKAGE):
                reached.add((path.relative_to(PACKAGE).with_suffix("").as_posix(), frame.lineno or 0))
    missing = [
        f"{module}.py, line {first}: {source}"
        for module, first, last, source in _refusing_calls()
        if not any((module, line) in reached for line in range(first, last + 1))
        and not any(known in source for known in UNREACHED)
    ]
    assert not missing, "\n".join(missing)


# Mutations of what is known to be good


def _is_good(text: str) -> bool:
    return refusal(text) is None


def _declarations() -> list[str]:
    """Every declaration of the tests that read real libraries, and every refused one."""
    found = list(map(declaration, shown()))
    for path in sorted((HERE / "libraries").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [f"{part};" for part in node.value.split(";") if "(" in part and _is_good(f"{part};")]
    return found


DECLARATIONS = _declarations()
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*|&&|\|\||\s+|.", re.DOTALL)
CLAUSES = sorted(_READERS)
WORDS = (
    *"()[]{},;:=+-*/&|.<>\"'#\\\n\t~!%^?$@",
    *CLAUSES,
    *("void", "int", "double", "size_t", "const", "struct", "enum", "typedef", "union", "unsigned", "long", "_Complex"),
    *("0", "1", "-1", "64", "0x10", "010", "1e999", "0.5", "99999999999999999999", "&&", "||", "...", "n", "x", "_"),
    *("reflect", "constant", "mean", "argmin", "concat", "NULL", "extern", "f"),
    *("\0", "é", "\u2028", "\U0001f600", "/*", "*/", "//"),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A declaration with a few tokens gone, doubled, moved, or replaced."""
    parts = TOKEN.findall(draw(st.sampled_from(DECLARATIONS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, max(0, len(parts) - 1)))
        how = draw(st.sampled_from(("delete", "double", "replace", "insert", "swap", "splice")))
        other = draw(st.sampled_from(WORDS))
        if how == "delete":
            del parts[place : place + 1]
        elif how == "double":
            parts[place:place] = parts[place : place + draw(st.integers(1, 12))]
        elif how == "replace":
            parts[place : place + 1] = [other]
        elif how == "insert":
            parts[place:place] = [other]
        elif how == "swap":
            parts[place : place + 2] = parts[place : place + 2][::-1]
        else:
            parts[place:] = TOKEN.findall(draw(st.sampled_from(DECLARATIONS)))[place:]
    return "".join(parts)


@given(text=mutated())
@settings(deadline=None, max_examples=1000)
def test_a_mutated_declaration_is_read_or_refused(text: str) -> None:
    started = time.perf_counter()
    error = refusal(text)
    assert time.perf_counter() - started < 5
    if error is None:
        # What was read is the same when it is read again.
        assert understand(text) == understand(text)
    else:
        assert 0 <= error.position <= len(error.text)
        assert str(error).startswith(error.message)


@given(text=st.text(st.sampled_from("abfnx012 ()[]{},;:=+-*_.\n")) | st.lists(st.sampled_from(WORDS)).map(" ".join))
@example("enum{A};double f(double x)status(A);")
@settings(deadline=None, max_examples=500)
def test_any_text_is_read_or_refused(text: str) -> None:
    refusal(text)


def test_there_is_much_to_mutate() -> None:
    assert sum(map(_is_good, DECLARATIONS)) > 50

"""Errors: where the caret stands, what derives from what, and that they survive a trip to another process."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar import errors
from pyffipar.errors import ChunkError, Failure, PrototypeError


def test_caret_stands_under_the_character() -> None:
    error = PrototypeError("what is this?", "int f(int x);\n  double g(oops);\n", 25)
    assert (error.line, error.column) == (2, 12)
    assert str(error) == "what is this?\n  line 2:   double g(oops);\n                     ^"


def test_without_text_there_is_no_excerpt() -> None:
    error = PrototypeError("too long")
    assert str(error) == "too long"
    assert (error.line, error.column) == (0, 0)


def test_caret_behind_the_last_character_is_shown_on_the_last_line() -> None:
    assert str(PrototypeError("; is missing", "int f()", 7)) == "; is missing\n  line 1: int f()\n                 ^"


def test_long_lines_are_shown_around_the_caret() -> None:
    text = "a" * 500 + "?" + "b" * 500
    shown, caret = str(PrototypeError("here", text, 500)).split("\n")[1:]
    assert shown[caret.index("^")] == "?"
    assert len(shown) <= 110


def test_what_a_terminal_would_act_on_is_not_printed() -> None:
    shown = str(PrototypeError("here", "int\t\x1b[2Jf\x07", 4))
    assert "\x1b" not in shown
    assert "\t" not in shown
    assert "\x07" not in shown


@given(st.text(max_size=300), st.integers(-5, 400))
def test_any_position_in_any_text_has_a_line_and_a_column(text: str, position: int) -> None:
    error = PrototypeError("wrong", text, position)
    assert 0 <= error.position <= len(text)
    if text:
        line = text.split("\n")[error.line - 1]
        assert 1 <= error.column <= len(line) + 1
        assert (
            sum(len(before) + 1 for before in text.split("\n")[: error.line - 1]) + error.column - 1 == error.position
        )
    assert str(error).startswith("wrong")


@pytest.mark.parametrize(
    ("own", "builtin"),
    [
        (errors.PrototypeError, ValueError),
        (errors.LibraryError, OSError),
        (errors.NativeLibraryError, ImportError),
        (errors.MissingExtraError, ImportError),
        (errors.ChunkError, RuntimeError),
    ],
)
def test_each_error_is_also_the_builtin_one_would_expect(own: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(own, builtin)
    assert issubclass(own, errors.PyffiparError)


def test_prototype_error_keeps_its_position_through_pickle() -> None:
    error = PrototypeError("wrong", "int\nf?", 5)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.position, again.line, again.column) == (str(error), 5, 2, 2)


def test_chunk_error_keeps_its_failures_through_pickle() -> None:
    failure = Failure((1, 2), 0, 64, -3, 2, "returned -3")
    again = pickle.loads(pickle.dumps(ChunkError("f failed", "f", (failure,))))
    assert (str(again), again.function, again.failures) == ("f failed", "f", (failure,))

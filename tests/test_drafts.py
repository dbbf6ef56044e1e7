"""Texts put together from pieces: an error in one points at what was written."""

from __future__ import annotations

import pytest

from pyffipar.errors import PrototypeError
from pyffipar.language.drafts import Document, Draft, Piece

WRITTEN = Document("first line\nsecond line\n")
FILE = Document("x\ny", "a.h")
PIECES = [
    Piece("abc", WRITTEN, 11, is_copy=True),
    Piece("", WRITTEN, 0),
    Piece("defgh", WRITTEN, 18),
    Piece("ij", FILE, 2, is_copy=True),
]


@pytest.mark.parametrize(
    ("position", "line", "column", "message"),
    [(0, 2, 1, "no"), (2, 2, 3, "no"), (3, 2, 8, "no"), (7, 2, 8, "no"), (8, 2, 1, "a.h: no"), (10, 2, 2, "a.h: no")],
)
def test_an_error_points_at_what_was_written(position: int, line: int, column: int, message: str) -> None:
    draft = Draft(PIECES)
    assert draft.text == "abcdefghij"
    with pytest.raises(PrototypeError) as caught, draft.errors():
        raise PrototypeError("no", draft.text, position)
    error = caught.value
    assert (error.message, error.line, error.column) == (message, line, column)
    assert error.text in (WRITTEN.text, FILE.text)


def test_errors_about_other_texts_pass() -> None:
    for draft in (Draft(PIECES), Draft([])):
        with pytest.raises(PrototypeError) as caught, draft.errors():
            raise PrototypeError("no", "another text", 3)
        assert caught.value.text == "another text"


def test_an_empty_draft_is_an_empty_text() -> None:
    assert Draft([]).text == ""
    with pytest.raises(PrototypeError, match=r"^no$"), Draft([]).errors():
        raise PrototypeError("no")

"""Tokens and statements: nothing is lost, nothing unknown passes, every refusal points at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.errors import PrototypeError
from pyffipar.language.tokens import MAX_DEPTH, MAX_TEXT, closing, split_at, statements, tokenize


def texts(text: str) -> list[str]:
    return [token.text for token in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("double f(size_t n)", ["double", "f", "(", "size_t", "n", ")"]),
        ("x[-1:n+2]", ["x", "[", "-", "1", ":", "n", "+", "2", "]"]),
        ("a&&b||c&d|e", ["a", "&&", "b", "||", "c", "&", "d", "|", "e"]),
        ("0x1Ful 1.5e-3f .5 10u 1e5", ["0x1Ful", "1.5e-3f", ".5", "10u", "1e5"]),
        ("f(...)", ["f", "(", "...", ")"]),
        ("a// to the end ; (\nb /* and ; [ \n here */ c", ["a", "b", "c"]),
        ("", []),
        (" \t\r\n\f\v", []),
    ],
)
def test_text_becomes_tokens(text: str, tokens: list[str]) -> None:
    assert texts(text) == tokens


@given(
    st.lists(
        st.sampled_from(["x", "n1", "17", "0x2A", "+", "*", "[", "]", "(", ")", ";", ":", ",", "..."]), max_size=30
    )
)
def test_tokens_know_where_they_stand(parts: list[str]) -> None:
    text = " /**/ ".join(parts)
    found = list(tokenize(text))
    assert [token.text for token in found] == parts
    for token in found:
        assert text[token.position : token.end] == token.text


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("int f(int x) @;", "unexpected character '@'", 14),
        ("int f(int é);", "unexpected character 'é'", 11),
        ("int f(void) \\;", "unexpected character '\\\\'", 13),
        ('extern "C" int f(void);', "unexpected character '\"'", 8),
        ("#define A 1", "unexpected character '#'; preprocessor lines do not belong here: give prototypes", 1),
        ("int f(void); /* no end", "this comment is never closed", 14),
        ("int f(int x;", "this ( is never closed", 6),
        ("int f(int x[3);", "this ) closes nothing", 14),
        ("int f(int x));", "this ) closes nothing", 13),
        ("int f(int x)", "a declaration ends with ;", 13),
        ("int f(int x) { return x; }", "a declaration has no body: put ; in its place", 14),
        ("f" + "(" * (MAX_DEPTH + 1), f"brackets are nested more than {MAX_DEPTH} deep", MAX_DEPTH + 2),
    ],
)
def test_refusals_point_at_their_place(text: str, message: str, column: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        statements(text)
    assert caught.value.message == message
    assert (caught.value.line, caught.value.column) == (1, column)


def test_a_text_longer_than_any_header_is_refused_unread() -> None:
    with pytest.raises(PrototypeError) as caught:
        statements("@" * (MAX_TEXT + 1))
    assert str(caught.value) == f"the declarations are {MAX_TEXT + 1} characters long; at most {MAX_TEXT} are read"


def test_statements_end_at_semicolons_outside_brackets() -> None:
    found = statements("int a(int x[3]);; double b(void) ;\n// c();\nstruct s { int x; int y; };")
    assert [statement.text for statement in found] == [
        "int a(int x[3])",
        "double b(void)",
        "struct s { int x; int y; }",
    ]


def test_position_of_a_later_line_is_counted_in_the_whole_text() -> None:
    with pytest.raises(PrototypeError) as caught:
        statements("int a(void);\nint b(void);\n  int c(]);")
    assert (caught.value.line, caught.value.column) == (3, 9)


def test_closing_finds_the_partner_of_a_bracket() -> None:
    tokens = list(tokenize("f(a[(b)], {c})"))
    assert tokens[closing(tokens, 1)].position == 13
    assert tokens[closing(tokens, 3)].position == 7


def test_split_leaves_what_stands_in_brackets_together() -> None:
    parts = split_at(tuple(tokenize("a, f(b, c), d[1, 2]")), ",")
    assert [part[0].text for part in parts] == ["a", "f", "d"]
    assert split_at((), ",") == []
    assert [len(part) for part in split_at(tuple(tokenize(",a")), ",")] == [0, 1]


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = statements(text)
    except PrototypeError as error:
        position = error.position
    else:
        assert all(statement.tokens for statement in found)
        return
    assert 0 <= position <= len(text)


def test_a_statements_text_ends_before_comments() -> None:
    first, second = statements("int f(int x) // about f\n ; int /* g */ g(int y) /* and so on */;")
    assert first.text == "int f(int x)"
    assert second.text == "int /* g */ g(int y)"

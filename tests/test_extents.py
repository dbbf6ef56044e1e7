"""Brackets: what they say about lengths, and every way to write them wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.errors import PrototypeError
from pyffipar.language.extents import Extent, read_bracket
from pyffipar.language.tokens import tokenize


def read(inside: str) -> tuple[Extent, ...]:
    """The extents of ``x[inside]``."""
    source = f"x[{inside}]"
    tokens = tuple(tokenize(source))
    return read_bracket(tokens[2:-1], source, 1)


def extent(size: str | None, factor: int, offset: int, lower: int = 0, stride: str | None = None) -> Extent:
    return Extent(size, factor, offset, lower, stride, position=1)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("n", (extent("n", 1, 0),)),
        ("7", (extent(None, 0, 7),)),
        ("0x10uL", (extent(None, 0, 16),)),
        ("n + 2", (extent("n", 1, 2),)),
        ("2 + n", (extent("n", 1, 2),)),
        ("n - 1", (extent("n", 1, -1),)),
        ("2*n", (extent("n", 2, 0),)),
        ("n*2 + 1", (extent("n", 2, 1),)),
        ("2*(n + 3)", (extent("n", 2, 6),)),
        ("(n + 1) + n - 3", (extent("n", 2, -2),)),
        ("3*4 - 2", (extent(None, 0, 10),)),
        ("n - n + 4", (extent(None, 0, 4),)),
        ("-1 + n", (extent("n", 1, -1),)),
        ("rows*cols", (extent("rows", 1, 0), extent("cols", 1, 0))),
        ("b*a*c", (extent("b", 1, 0), extent("a", 1, 0), extent("c", 1, 0))),
        ("static n", (extent("n", 1, 0),)),
        ("const restrict n", (extent("n", 1, 0),)),
        ("0 : n", (extent("n", 1, 0),)),
        ("-1 : n + 2", (extent("n", 1, 2, -1),)),
        ("-1 : 3", (extent(None, 0, 3, -1),)),
        ("0 : n : step", (extent("n", 1, 0, 0, "step"),)),
        ("-2 : n + 4 : step", (extent("n", 1, 4, -2, "step"),)),
    ],
)
def test_brackets_are_read(inside: str, expected: tuple[Extent, ...]) -> None:
    assert read(inside) == expected


BUILT = "an extent is built from integers, sizes, +, - and *"


@pytest.mark.parametrize(
    ("inside", "message", "column"),
    [
        ("", "these brackets are empty: write the number of elements, as in x[n]", 2),
        ("*", "these brackets are empty: write the number of elements, as in x[n]", 2),
        ("static", "these brackets are empty: write the number of elements, as in x[n]", 2),
        (": n", "these brackets are empty: write the number of elements, as in x[n]", 2),
        ("0 : n : s : t", "a section is [lower : length] or [lower : length : stride]", 2),
        ("k : n", "the lower bound of a section is a constant", 3),
        ("0 : a*b", "the length of a section depends on one size", 2),
        ("0 : n : 2", "the stride of a section is the name of an integer parameter", 2),
        ("0 : n : a + b", "the stride of a section is the name of an integer parameter", 2),
        ("0", "0 elements: an extent is at least 1", 2),
        ("3 - 5", "-2 elements: an extent is at least 1", 2),
        ("n - n", "0 elements: an extent is at least 1", 2),
        ("n + m", "an extent depends on one size; this one on n, m", 2),
        ("n*m + k", "an extent depends on one size; this one on n*m, k", 2),
        ("-n", "-1*n shrinks as n grows", 2),
        ("5 - 2*n", "-2*n shrinks as n grows", 2),
        ("2*n*m", "a product of sizes takes no further number: write the dimensions apart, as in x[n][m]", 2),
        ("n*m + 1", "a product of sizes takes no further number: write the dimensions apart, as in x[n][m]", 2),
        ("n / 2", f"unexpected /: {BUILT}", 5),
        ("n n", f"unexpected n: {BUILT}", 5),
        ("n + ", f"a number or a size is missing: {BUILT}", 2),
        ("2 * * n", f"unexpected *: {BUILT}", 7),
        ("f(n)", f"unexpected (: {BUILT}", 4),
        ("1.5*n", f"unexpected 1.5: {BUILT}", 3),
        ("10 + 1e3", f"unexpected 1e3: {BUILT}", 8),
        ("010", f"unexpected 010: {BUILT}", 3),  # which is 8 in C
        ("99999999999999999999", f"99999999999999999999 is too large: {BUILT}", 3),
        ("a*b*c*d*e*f*g*h*i", f"a product of more than 8 sizes: {BUILT}", 2),
        ("sizeof(n)", f"unexpected (: {BUILT}", 9),
    ],
)
def test_refusals_point_at_their_place(inside: str, message: str, column: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        read(inside)
    assert caught.value.message == message
    assert caught.value.column == column


def test_brackets_within_brackets_do_not_run_away() -> None:
    deep = "(" * 30 + "n + 1" + ")" * 30
    assert read(deep) == (extent("n", 1, 1),)


def test_enumerators_stand_for_their_values() -> None:
    source = "x[N][n + 2*N - M]"
    tokens = tuple(tokenize(source))
    constants = {"N": 3, "M": 1}
    assert read_bracket(tokens[2:3], source, 1, constants) == (extent(None, 0, 3),)
    assert read_bracket(tokens[5:-1], source, 1, constants) == (extent("n", 1, 5),)
    with pytest.raises(PrototypeError, match="N is too large"):
        read_bracket(tokens[2:3], source, 1, {"N": 1 << 63})


def test_powers_of_sums_are_refused_before_they_grow() -> None:
    with pytest.raises(PrototypeError, match="more than 8 sizes"):
        read("*".join(["(a + b + c + d + e)"] * 40))


factors, offsets, sizes = st.integers(1, 1000), st.integers(-1000, 1000), st.integers(0, 2**62)


@given(factor=factors, offset=offsets, size=sizes)
def test_solving_a_length_gives_the_size_back(factor: int, offset: int, size: int) -> None:
    one = Extent("n", factor, offset)
    assert one.solve(one.length(size)) == size


@given(factor=factors, offset=offsets, length=sizes)
def test_a_length_is_solved_only_by_a_size_that_makes_it(factor: int, offset: int, length: int) -> None:
    one = Extent("n", factor, offset)
    size = one.solve(length)
    if size is None:
        rest = length - offset
        assert rest < 0 or rest % factor
    else:
        assert size >= 0
        assert one.length(size) == length


def test_a_fixed_extent_solves_nothing() -> None:
    assert Extent(None, 0, 3).solve(3) is None


@given(
    size=st.sampled_from(["n", "rows"]),
    factor=st.integers(1, 9),
    offset=st.integers(-9, 9),
    lower=st.integers(-5, 5),
    stride=st.none() | st.just("step"),
)
def test_an_extent_shows_as_it_would_be_written(
    size: str, factor: int, offset: int, lower: int, stride: str | None
) -> None:
    one = extent(size, factor, offset, lower, stride)
    assert read(str(one)) == (one,)

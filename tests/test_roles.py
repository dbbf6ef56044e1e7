"""Roles: what each parameter is for, where calls are cut, and every question a declaration must not leave open."""

from __future__ import annotations

import pytest

from pyffipar.errors import PrototypeError
from pyffipar.language.prototype import read_prototypes
from pyffipar.plans.roles import Contract, analyse


def contract(text: str) -> Contract:
    return analyse(read_prototypes(text)[-1])


def words(text: str) -> dict[str, str]:
    return {role.parameter.name: role.word for role in contract(text).roles}


CUT = [
    ("double dot(size_t n, const double x[n], const double y[n]) reduction(+);", "n"),
    ("void f(const double x[n], double y[n], size_t n);", "n"),
    ("void f(size_t n, const double x[n + 2], double y[n]);", "n"),
    ("void f(size_t n, const double x[n + 2], double y[n]) inout(y);", "n"),
    ("void f(size_t n, double x[n]) inout(x);", "n"),
    ("void f(size_t n, const double x[n], double z[2*n]);", "n"),
    ("void hist(size_t n, const double x[n], size_t bins, long c[bins]) reduction(+: c);", "n"),
    ("void gemm(int m, int k, int n, const double a[m][k], const double b[k][n], double c[m][n]);", "m"),
    ("void csr(int r, const long p[r + 1], int e, const int c[e], int m, const double x[m], double y[r]);", "r"),
    ("int f(size_t n, const double x[n]) status(0);", "n"),
    ("int f(size_t n, const double x[n], double y[n]) reduction(concat: y);", "n"),
    ("long f(size_t n, const double x[n]) reduction(argmin(x));", "n"),
    ("double f(size_t n, const double x[n], size_t m, const double y[m]) reduction(+) split(m);", "m"),
    ("void f(size_t n, double y[n]) split(n);", "n"),
    # never cut
    ("double hypot(double x, double y);", None),
    ("double trace(size_t n, const double a[n][n]);", None),
    ("double mean(size_t n, const double x[n]) split();", None),
    ("void ramp(size_t n, double y[n]);", None),
    ("void f(size_t n, const double x[n], double y[n + 2]);", None),
    ("void f(size_t n, const double x[n], double y[n - 1]);", None),
    ("void f(size_t n, double x[n + 2]) inout(x);", None),
    ("void transpose(size_t n, size_t m, const double x[n][m], double y[m][n]);", None),
]


@pytest.mark.parametrize(("text", "split"), CUT, ids=[text for text, _ in CUT])
def test_the_size_that_is_cut(text: str, split: str | None) -> None:
    assert contract(text).split == split


REASONS = [
    ("const double x[n]", "", "x", "split", "led by n"),
    ("const double x[n + 2]", "", "x", "halo", "led by n; neighbouring chunks share 2 elements"),
    (
        "const double x[-1 : n + 2]",
        "boundary(wrap)",
        "x",
        "halo",
        "led by n; 1 before and 1 behind are read, at the ends wrap",
    ),
    ("const double x[n], const double w[3]", "", "w", "whole", "n is not in its brackets"),
    (
        "const double x[n], double s[3]",
        "reduction(+: s)",
        "s",
        "partial",
        "a private copy for every chunk, merged by +",
    ),
    ("const double x[n], double a", "", "a", "lifted", "passed by value: arrays are broadcast over it"),
    ("const double x[n], int a", "linear(a : 3)", "a", "linear", "advances by 3 per item of n"),
    (
        "const double x[n], int a",
        "carry(a = 7)",
        "a",
        "carry",
        "the caller's value in the first chunk, 7 in all others",
    ),
    ("const double x[n], int a", "fixed(a = 7)", "a", "fixed", "always 7"),
    ("const double x[n], rng *r", "", "r", "handle", "a pointer without brackets: passed as it is"),
    ("const double x[n], rng *r", "private(r = clone)", "r", "private", "one of clone for every worker"),
    (
        "const double x[n], rng *r",
        "private(r = clone) reduction(join(_, _): r)",
        "r",
        "private",
        "one of clone for every task, merged by join(_, _)",
    ),
    ("const double x[0 : n : s], long s", "", "s", "stride", "taken from x, in elements"),
    ("const double x[n]", "", "n", "size", "from x; calls are cut along it, each gets its chunk's length"),
    ("const double x[n]", "split()", "n", "size", "from x"),
    ("const double x[n]", "split()", "x", "whole", "calls are never cut"),
    ("const double x[n], size_t b, long c[b]", "reduction(+: c)", "b", "size", "passed by the caller"),
]


@pytest.mark.parametrize(("parameters", "clauses", "name", "word", "reason"), REASONS)
def test_every_parameter_has_a_role_and_a_reason(
    parameters: str, clauses: str, name: str, word: str, reason: str
) -> None:
    (role,) = (
        role for role in contract(f"void f(size_t n, {parameters}) {clauses};").roles if role.parameter.name == name
    )
    assert (role.word, role.reason) == (word, reason)


def test_joined_outputs_are_cut() -> None:
    assert words("int f(size_t n, const int x[n], int y[n]) reduction(concat: y);") == {
        "n": "size",
        "x": "split",
        "y": "split",
    }


CALLED = [
    ("double dot(size_t n, const double x[n], const double y[n]) reduction(+);", ["x", "y"], [], True),
    ("void f(size_t n, double a, const double x[n], double y[n]);", ["a", "x"], ["y"], False),
    ("void f(size_t n, const double x[n], size_t bins, long c[bins]) reduction(+: c);", ["x", "bins"], ["c"], False),
    ("void f(size_t n, double x[n], double a) inout(x);", ["x", "a"], [], False),
    ("void f(size_t n, double y[n]);", ["n"], ["y"], False),
    ("void f(int order, size_t n, const double x[n], double y[n]) fixed(order = 101);", ["x"], ["y"], False),
    ("double f(const double x[0 : n : s], size_t s, size_t n) reduction(mean);", ["x"], [], True),
    ("int f(size_t n, const int x[n], int y[n]) status(0);", ["x"], ["y"], False),
    ("int f(size_t n, const int x[n], int y[n]) reduction(concat: y);", ["x"], ["y"], False),
    ("int f(size_t n, const int x[n], int y[n]) reduction(concat: y) reduction(+);", ["x"], ["y"], True),
    ("double f(double x);", ["x"], [], True),
]


@pytest.mark.parametrize(("text", "arguments", "outputs", "returns"), CALLED, ids=[text for text, *_ in CALLED])
def test_what_a_caller_passes_and_gets(text: str, arguments: list[str], outputs: list[str], *, returns: bool) -> None:
    found = contract(text)
    assert [parameter.name for parameter in found.arguments] == arguments
    assert [parameter.name for parameter in found.outputs] == outputs
    assert found.returns_result == returns


OPEN = "say reduction(+) or another operator, or split() to call it whole"
REFUSED = [
    # what would be guessed
    (
        "double f(size_t n, const double x[n]);",
        f"would be cut along n, but it returns double and does not say how partial results merge: {OPEN}",
        8,
    ),
    (
        "void f(size_t n, const double x[n], double s[1]);",
        (
            "would be cut along n, but double s[1] is written whole by every chunk: "
            "say reduction(+: s) or another operator, or split() to call it whole"
        ),
        44,
    ),
    (
        "void f(size_t n, const double x[n], double s[3]) inout(s);",
        (
            "would be cut along n, but double s[3] is written whole by every chunk: "
            "say reduction(+: s) or another operator, or split() to call it whole"
        ),
        44,
    ),
    (
        "int f(size_t n, const double x[n], size_t m, const double y[m]) reduction(+);",
        "can be cut along n and along m: say split(n) or split(m), or split() to call it whole",
        5,
    ),
    # cuts that cannot be
    (
        "void f(size_t n, size_t m, const double x[n], const double y[m], double z[m]) split(n);",
        "cannot be cut along n: double z[m] is written whole by every chunk",
        73,
    ),
    (
        "void f(size_t n, const double x[n], double y[n + 2]) split(n);",
        "cannot be cut along n: neighbouring chunks would both write the overlap of double y[n + 2]",
        44,
    ),
    (
        "void f(size_t n, double x[n + 2]) inout(x) split(n);",
        "cannot be cut along n: neighbouring chunks would both write the overlap of double x[n + 2]",
        25,
    ),
    (
        "void f(size_t n, const double x[n], double y[n - 1]) split(n);",
        (
            "cannot be cut along n: double y[n - 1] has fewer elements than items, so chunks would leave gaps "
            "(count the items of the shorter array instead)"
        ),
        44,
    ),
    (
        "void f(size_t n, double y[n]) reduction(+: y) split(n);",
        "cannot be cut along n: y is under a reduction, so every chunk gets a copy of all of it",
        25,
    ),
    (
        "double f(size_t n, const double a[n][n]) reduction(+) split(n);",
        "cannot be cut along n: n is not the leading dimension of const double a[n][n]",
        33,
    ),
    # reductions of nothing
    (
        "double f(size_t n, const double a[n][n]) reduction(+);",
        (
            "no size can be cut (n is not the leading dimension of const double a[n][n]), "
            "so a reduction has nothing to merge"
        ),
        42,
    ),
    ("double f(double x) reduction(+);", "no size can be cut, so a reduction has nothing to merge", 20),
    (
        "double f(size_t n, const double x[n]) reduction(+) split();",
        "split() never cuts, so a reduction has nothing to merge",
        39,
    ),
    (
        "void f(size_t n, const double x[n], double y[n]) reduction(+);",
        "returns nothing, so there is nothing to merge; for an array write reduction(+: y)",
        60,
    ),
    ("void f(size_t n, const double x[n]) reduction(+);", "returns nothing, so there is nothing to merge", 47),
    (
        "void f(size_t n, const double x[n]) reduction(+: x);",
        "x is an input, so it has no partial results to merge",
        47,
    ),
    (
        "int f(size_t n, const double x[n]) status(0) reduction(+);",
        "the returned value is a status, so there is nothing to merge",
        56,
    ),
    # operators and types
    (
        "double f(size_t n, const double x[n]) reduction(&);",
        "& does not apply to the returned value, which is double",
        49,
    ),
    (
        "double _Complex f(size_t n, const double x[n]) reduction(min);",
        "min does not apply to the returned value, which is double _Complex",
        58,
    ),
    ("void f(size_t n, const double x[n], double y[3]) reduction(|: y);", "| does not apply to y, which is double", 60),
    ("int f(size_t n, const int x[n]) reduction(mean);", "mean does not apply to the returned value, which is int", 43),
    (
        "struct s { int a; }; void f(size_t n, const int x[n], struct s y[1]) reduction(+: y);",
        "+ does not apply to y, which holds structs",
        80,
    ),
    # mean, first, last, concat
    (
        "void f(size_t n, const double x[n], double y[1]) reduction(mean: y) inout(y);",
        "mean has no place for what y held before: make it an output",
        60,
    ),
    ("double f(size_t n, const double x[n]) reduction(concat);", "concat joins arrays: write reduction(concat: y)", 49),
    (
        "void f(size_t n, const double x[n], double y[n]) reduction(concat: y);",
        "concat: the function has to return how many elements of y it used",
        60,
    ),
    (
        "int f(size_t n, const double x[n], double y[n]) reduction(concat: y) status(0);",
        "concat: the returned value is a status, so it cannot count elements",
        59,
    ),
    (
        "int f(size_t n, const double x[n], double y[3]) reduction(concat: y);",
        "concat: double y[3] is not led by the size that is cut",
        59,
    ),
    (
        "int f(size_t n, const double x[n], double y[n]) reduction(concat: y) inout(y);",
        "concat has no place for what y held before: make it an output",
        59,
    ),
    # argmin, argmax
    (
        "double f(size_t n, const double x[n]) reduction(argmin(x));",
        "argmin(x) merges indices, and double is no integer",
        49,
    ),
    ("long f(size_t n, const double x[n]) reduction(argmax(y));", "argmax(y): y is no input array", 47),
    ("long f(size_t n, const double x[n], double y[n]) reduction(argmax(y));", "argmax(y): y is no input array", 60),
    (
        "long f(size_t n, const double x[n], const double y[3]) reduction(argmin(y));",
        "argmin(y): const double y[3] does not hold one element per item",
        66,
    ),
    (
        "long f(size_t n, const double x[n + 1]) reduction(argmin(x));",
        "argmin(x): const double x[n + 1] does not hold one element per item",
        51,
    ),
    (
        "long f(size_t n, const double _Complex x[n]) reduction(argmin(x));",
        "argmin(x): elements of x are not ordered",
        56,
    ),
    (
        "void f(size_t n, const double x[n], long y[1]) reduction(argmin(x): y);",
        "argmin(x) merges a returned index, not the array y",
        58,
    ),
    # clauses along a cut
    ("double f(double a) carry(a = 0);", "carry: calls are never cut, so a never changes", 26),
    ("double f(double a) linear(a);", "linear: calls are never cut, so a never changes", 27),
    (
        "void f(int a, size_t n, const double x[n], double y[n]) linear(a : 1/64) chunk(step = 32);",
        "linear: a advances by 1/64, so chunks begin at multiples of 64: say chunk(step = 64)",
        64,
    ),
    ("double f(size_t n, const double x[n]) reduction(g(_, _, k));", "g(_, _, k): there is no parameter k", 49),
    # handles
    (
        "void f(rng *r, size_t n, const double x[n]) private(r = clone) reduction(+: r);",
        "r is a handle: only a function can merge it",
        74,
    ),
    (
        "void f(rng *r, size_t n, const double x[n]) private(r = clone) reduction(g(_, _): r) split();",
        "split() never cuts, so r has nothing to merge",
        74,
    ),
]


@pytest.mark.parametrize(("text", "message", "column"), REFUSED, ids=[text for text, *_ in REFUSED])
def test_what_is_left_open_is_refused_with_the_way_to_say_it(text: str, message: str, column: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        contract(text)
    assert caught.value.message == f"f: {message}"
    assert (caught.value.line, caught.value.column) == (1, column)


FIXES = [text for text, message, _ in REFUSED if "say " in message]


@pytest.mark.parametrize("text", FIXES)
def test_the_way_out_that_a_message_names_works(text: str) -> None:
    """Every clause a refusal proposes makes the declaration acceptable."""
    with pytest.raises(PrototypeError) as caught:
        contract(text)
    said = caught.value.message.rsplit("say ", 1)[1]
    for way in (
        said.replace(" to call it whole", "").replace(" or another operator", "").replace(", or ", " or ").split(" or ")
    ):
        bare = text.replace(" chunk(step = 32)", "")
        bare = bare.replace(" reduction(+);", ";") if way == "split()" else bare  # which has nothing to merge then
        contract(f"{bare[:-1]} {way};")

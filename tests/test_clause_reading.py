"""Clauses: what each says, and every way to write one wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pyffipar.errors import PrototypeError
from pyffipar.language.clauses import Boundary, Clauses, ForeignCall, Private, Reduction, Status
from pyffipar.language.prototype import read_prototypes
from pyffipar.partition import Limits

HEAD = "int f(rng *r, int n, int a, const double x[n + 2], double y[n], double z[3]) "


def read(clauses: str) -> Clauses:
    (prototype,) = read_prototypes(f"enum {{ RED = 3, BLUE }}; {HEAD}{clauses};")
    return prototype.clauses


def reductions(clauses: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (one.operator, one.operands) for name, one in read(clauses).reductions.items()}


@pytest.mark.parametrize(
    "operator", ["+", "*", "min", "max", "&", "|", "^", "&&", "||", "mean", "hypot", "first", "last", "concat"]
)
def test_operators_of_reductions(operator: str) -> None:
    assert reductions(f"reduction({operator})") == {"": (operator, ())}
    assert reductions(f"reduction({operator}: y, z)") == {"y": (operator, ()), "z": (operator, ())}


def test_reductions_with_operands() -> None:
    assert reductions("reduction(argmin(x)) reduction(g(_, _, n): y) reduction(h(_, n, _): r) private(r = clone)") == {
        "": ("argmin", ("x",)),
        "y": ("g", ("_", "_", "n")),
        "r": ("h", ("_", "n", "_")),
    }
    assert str(Reduction("g", ("_", "_", "n"))) == "g(_, _, n)"
    assert str(Reduction("+")) == "+"


def test_no_clauses_leave_everything_open() -> None:
    assert read("") == Clauses()


def test_split() -> None:
    assert read("split(n)").split == "n"
    assert read("split()").split == ""


def test_directions() -> None:
    assert read("in(y) out(x) inout(z)").directions == {"y": "in", "x": "out", "z": "inout"}
    assert read("inout(y, z)").directions == {"y": "inout", "z": "inout"}


def test_chunk() -> None:
    assert read("chunk(step = 64)").limits == Limits(64, None, None)
    assert read("chunk(max = 4096, min = 0x10, step = BLUE)").limits == Limits(4, 16, 4096)


def test_values() -> None:
    assert read("fixed(a = -3)").fixed == {"a": -3}
    assert read("default(a = 1.5e1)").default == {"a": 15}
    assert read("carry(a = BLUE) default(n = -RED)").carry == {"a": 4}
    assert read("carry(a = BLUE) default(n = -RED)").default == {"n": -3}
    assert read("fixed(a = 0.1)").fixed == {"a": 0.1}
    assert isinstance(read("fixed(a = 2.0)").fixed["a"], int)


def test_digits_a_double_has_not_are_kept() -> None:
    assert read("fixed(a = 9007199254740993)").fixed == {"a": 9007199254740993}


def test_linear() -> None:
    assert read("linear(a)").linear == {"a": Fraction(1)}
    assert read("linear(a, n : 3)").linear == {"a": Fraction(3), "n": Fraction(3)}
    assert read("linear(a : -1/64) chunk(step = 64)").linear == {"a": Fraction(-1, 64)}
    assert read("linear(a : 0.1)").linear == {"a": Fraction(1, 10)}


def test_status() -> None:
    assert read("status(0)").status == Status(0)
    assert read("status(-1, strerror)").status == Status(-1, "strerror")
    assert read("status(n)").status == Status("n")
    assert read("status(RED)").status == Status(3)


def test_private() -> None:
    assert read("private(r = clone)").private == {"r": Private(ForeignCall("clone", ("_",)))}
    assert read("private(r = clone, end)").private == {"r": Private(ForeignCall("clone", ("_",)), "end")}
    nested = ForeignCall("make", ("_", ForeignCall("kind", ("_",)), 0, -2))
    assert read("private(r = make(_, kind(_), NULL, -2), end, clear)").private == {"r": Private(nested, "end", "clear")}


def test_boundary() -> None:
    assert read("boundary(reflect)").boundaries == {"": Boundary("reflect")}
    assert read("boundary(constant(-1.5): x)").boundaries == {"x": Boundary("constant", -1.5)}


def test_init() -> None:
    assert read("init(setup)").init == "setup"


def test_commas_may_stand_between_clauses() -> None:
    assert read("reduction(+), split(n), chunk(step = 2)").split == "n"


_REDUCTIONS = (
    "there are +, *, min, max, &, |, ^, &&, ||, mean, hypot, first, last, concat, argmin(array), argmax(array), "
    "and functions as in g(_, _): earlier and later partial"
)
_UNSAID = (
    "does not say what merges: a function takes _ twice, the earlier and the later partial, "
    "or once, all partials as one array"
)
_CHUNK = "chunk(step = 64, min = 1, max = 4096)"
_STATUS = "status(0) or status(0, function) or status(size)"
_PRIVATE = "private(handle = clone, free, reset)"
_BOUNDARY = "boundary(reflect) or boundary(constant(0): array)"

# clause, message, and the character the caret stands under, counted from the clause
REFUSED = [
    (
        "oops(3)",
        (
            "unknown clause oops; there are reduction, split, in, out, inout, chunk, fixed, default, carry, "
            "linear, status, private, boundary, init"
        ),
        0,
    ),
    ("splitt(n)", "unknown clause splitt; did you mean split?", 0),
    ("3", "unexpected 3 behind the parameters: clauses or ; follow here", 0),
    ("-> int", "unexpected - behind the parameters: clauses or ; follow here", 0),
    ("= 3", "unexpected = behind the parameters: clauses or ; follow here", 0),
    ("reduction", "reduction wants brackets: reduction(+) or reduction(+: array)", 0),
    ("split(n) chunk", f"chunk wants brackets: {_CHUNK}", 9),
    ("reduction()", "reduction() is not of the form reduction(+) or reduction(+: array)", 0),
    ("reduction(+: )", "reduction(+:) is not of the form reduction(+) or reduction(+: array)", 0),
    ("reduction(+: y: z)", "reduction(+: y: z) is not of the form reduction(+) or reduction(+: array)", 0),
    ("reduction(+: y[3])", "reduction(+: y[3]) is not of the form reduction(+) or reduction(+: array)", 13),
    ("reduction(+: y, y)", "reduction: y is named twice", 0),
    ("reduction(+) reduction(*)", "reduction: the returned value is named twice", 13),
    ("reduction(-: y)", f"unknown reduction -; {_REDUCTIONS}", 10),
    ("reduction(median: y)", f"unknown reduction median; {_REDUCTIONS}", 10),
    ("reduction(+(_, _))", f"unknown reduction +(_,_); {_REDUCTIONS}", 10),
    (
        "reduction(g(n))",
        f"g(n) {_UNSAID}",
        10,
    ),
    (
        "reduction(min(_, _))",
        f"min(_,_) {_UNSAID}",
        10,
    ),
    ("reduction(argmin(x, y))", "argmin names one array: argmin(x)", 10),
    ("split(n) split(n)", "split is given twice", 9),
    ("split(n, a)", "split(n, a) is not of the form split(n) or split()", 0),
    ("split(3)", "split(3) is not of the form split(n) or split()", 6),
    ("in()", "in() is not of the form in(array)", 0),
    ("inout(y, y)", "inout: y is named twice", 9),
    ("inout(y) in(y)", "in: y is named twice", 12),
    ("inout(y,)", "inout(y,) is not of the form inout(array)", 0),
    ("chunk()", f"chunk() is not of the form {_CHUNK}", 0),
    ("chunk(5)", f"chunk(5) is not of the form {_CHUNK}", 6),
    ("chunk(steps = 5)", f"chunk(steps = 5) is not of the form {_CHUNK}", 6),
    ("chunk(step = n)", f"chunk(step = n) is not of the form {_CHUNK}", 13),
    ("chunk(step = 5, step = 6)", "chunk: step is named twice", 16),
    ("chunk(step = 0)", "chunk: step is a whole number of at least 1", 6),
    ("chunk(min = 1.5)", "chunk: min is a whole number of at least 1", 6),
    ("chunk(max = -1)", "chunk: max is a whole number of at least 1", 6),
    ("chunk(min = 8, max = 4)", "chunk: max = 4 is less than step or min", 0),
    ("chunk(step = 8, max = 4)", "chunk: max = 4 is less than step or min", 0),
    ("fixed()", "fixed() is not of the form fixed(parameter = 1)", 0),
    ("fixed(a)", "fixed(a) is not of the form fixed(parameter = 1)", 6),
    ("fixed(a = )", "fixed(a =) is not of the form fixed(parameter = 1)", 6),
    ("default(a = b)", "default(a = b) is not of the form default(parameter = 1) or default(array = NULL)", 12),
    ("fixed(a = 1, a = 2)", "fixed: a is named twice", 13),
    ("fixed(a = 010)", "fixed: 010 is octal in C: write it in decimal", 10),
    ("carry()", "carry() is not of the form carry(parameter = 0)", 0),
    ("fixed(a = 1e999)", "fixed: no C type holds this number", 10),
    (f"fixed(a = {'1' * 65})", "fixed: no C type holds this number", 10),
    ("linear()", "linear() is not of the form linear(parameter : step)", 0),
    ("linear(a : )", "linear(a :) is not of the form linear(parameter : step)", 0),
    ("linear( : 2)", "linear( : 2) is not of the form linear(parameter : step)", 0),
    ("linear(a : 1 : 2)", "linear(a : 1 : 2) is not of the form linear(parameter : step)", 0),
    ("linear(a : 1/2/3)", "linear(a : 1/2/3) is not of the form linear(parameter : step)", 0),
    ("linear(a : 1/0)", "linear: a step is not divided by zero", 13),
    ("linear(a : 0x8000000000000000)", "linear: this step does not fit 64 bits", 0),
    ("linear(a, a)", "linear: a is named twice", 10),
    ("status()", f"status() is not of the form {_STATUS}", 0),
    ("status(0, )", f"status(0,) is not of the form {_STATUS}", 0),
    ("status(0, g, h)", f"status(0, g, h) is not of the form {_STATUS}", 0),
    ("status(0, 3)", f"status(0, 3) is not of the form {_STATUS}", 10),
    ("status(0.5)", "status: a status is a whole number", 7),
    ("status(0) status(1)", "status is given twice", 10),
    ("private()", f"private() is not of the form {_PRIVATE}", 0),
    ("private(r)", f"private(r) is not of the form {_PRIVATE}", 0),
    ("private(r = )", f"private(r =) is not of the form {_PRIVATE}", 0),
    ("private(r = 3)", f"private(r = 3) is not of the form {_PRIVATE}", 12),
    ("private(r = c, e, s, m)", f"private(r = c, e, s, m) is not of the form {_PRIVATE}", 0),
    ("private(r = c, 3)", f"private(r = c, 3) is not of the form {_PRIVATE}", 15),
    ("private(r = c, )", f"private(r = c,) is not of the form {_PRIVATE}", 0),
    ("private(r = c(_, ), e)", f"private(r = c(_, ), e) is not of the form {_PRIVATE}", 12),
    ("private(r = c(_)(3), e)", f"private(r = c(_)(3), e) is not of the form {_PRIVATE}", 12),
    ("private(r = c(x), e)", f"private(r = c(x), e) is not of the form {_PRIVATE}", 14),
    ("private(r = c(1.5), e)", f"private(r = c(1.5), e) is not of the form {_PRIVATE}", 14),
    ("private(r = c) private(r = c)", "private: r is named twice", 23),
    ("boundary()", f"boundary() is not of the form {_BOUNDARY}", 0),
    ("boundary(odd)", "unknown boundary odd; there are reflect, mirror, nearest, wrap, constant", 9),
    ("boundary(reflect(2))", f"boundary(reflect(2)) is not of the form {_BOUNDARY}", 16),
    ("boundary(constant())", f"boundary(constant()) is not of the form {_BOUNDARY}", 17),
    ("boundary(wrap: x: y)", f"boundary(wrap: x: y) is not of the form {_BOUNDARY}", 0),
    ("boundary(wrap: )", f"boundary(wrap:) is not of the form {_BOUNDARY}", 0),
    ("boundary(wrap) boundary(wrap)", "boundary is given twice", 15),
    ("init()", "init() is not of the form init(function)", 0),
    ("init(3)", "init(3) is not of the form init(function)", 5),
    ("init(a, b)", "init(a, b) is not of the form init(function)", 0),
    ("init(a) init(b)", "init is given twice", 8),
]


@pytest.mark.parametrize(("clause", "message", "place"), REFUSED, ids=[clause for clause, *_ in REFUSED])
def test_refusals_point_at_their_place(clause: str, message: str, place: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(f"{HEAD}{clause};")
    assert caught.value.message == message
    assert caught.value.column == len(HEAD) + place + 1

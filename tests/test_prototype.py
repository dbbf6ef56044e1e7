"""Declarations: what is read from them, what is refused and where, and that no text does anything else."""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyffipar.errors import PrototypeError
from pyffipar.language.parameters import Parameter
from pyffipar.language.prototype import Prototype, read_prototypes
from pyffipar.plans.roles import analyse


def read(text: str) -> Prototype:
    (prototype,) = read_prototypes(text)
    return prototype


def parameter(spelled: str, clauses: str = "") -> Parameter:
    """The last parameter of a function that also has the sizes n and m and a stride s."""
    return read(f"void f(size_t n, size_t m, long s, {spelled}) {clauses};").parameters[-1]


@pytest.mark.parametrize(
    ("spelled", "kind", "direction", "shown"),
    [
        ("double x", "value", "in", "double x"),
        ("const int x", "value", "in", "const int x"),
        ("long unsigned int x", "value", "in", "long unsigned int x"),
        ("const double x[n]", "array", "in", "const double x[n]"),
        ("double const x[n]", "array", "in", "const double x[n]"),
        ("double x[n]", "array", "out", "double x[n]"),
        ("double x[static n]", "array", "out", "double x[n]"),
        ("double x[1]", "array", "out", "double x[1]"),
        ("const double x[1]", "array", "in", "const double x[1]"),
        ("float x[3][3]", "array", "out", "float x[3][3]"),
        ("const double x[n][m]", "array", "in", "const double x[n][m]"),
        ("const double x[n*m]", "array", "in", "const double x[n][m]"),
        ("const double x[2*n + 1]", "array", "in", "const double x[2*n + 1]"),
        ("const double x[-1 : n + 2]", "array", "in", "const double x[-1 : n + 2]"),
        ("const double x[0 : n : s]", "array", "in", "const double x[0 : n : s]"),
        ("const void x[n]", "array", "in", "const void x[n]"),
        ("gsl_rng *x", "handle", "in", "gsl_rng *x"),
        ("const struct state *x", "handle", "in", "const struct state *x"),
        ("void *x", "handle", "in", "void *x"),
        ("char **x", "handle", "in", "void *x"),
        ("int (*x)(double)", "handle", "in", "void *x"),
        ("int x(double)", "handle", "in", "void *x"),
        ("double _Complex x[n]", "array", "out", "double _Complex x[n]"),
        ("enum colour x", "value", "in", "int x"),
    ],
)
def test_parameters(spelled: str, kind: str, direction: str, shown: str) -> None:
    one = parameter(spelled)
    assert (one.name, one.kind, one.direction, str(one)) == ("x", kind, direction, shown)


@pytest.mark.parametrize("direction", ["in", "out", "inout"])
def test_a_clause_overrides_const(direction: str) -> None:
    assert parameter("const double x[n]", f"{direction}(x)").direction == direction
    assert parameter("double x[n]", f"{direction}(x)").direction == direction


def test_one_value_by_reference_has_no_dimensions() -> None:
    assert parameter("double x[1]").extents == ()
    assert len(parameter("double x[1][1]").extents) == 2


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("double f(void);", "float64"),
        ("unsigned f(void);", "uint32"),
        ("unsigned char f();", "uint8"),
        ("long long int f(void);", "int64"),
        ("size_t f(void);", "uint64"),
        ("float _Complex f(void);", "complex64"),
        ("static inline bool f(void);", "bool"),
        ("extern double f(void);", "float64"),
    ],
)
def test_returned_types(text: str, dtype: str) -> None:
    returns = read(text).returns
    assert returns is not None
    assert returns.dtype == dtype


def test_void_returns_nothing() -> None:
    assert read("void f(void);").returns is None


@pytest.mark.parametrize(
    "text",
    [
        "double f(double x);",
        "double f ( double\n\tx ) ;",
        "double /* of */ f(double x // the argument\n);",
        "double __attribute__((pure)) f(double x) __attribute__((nothrow, leaf));",
        "__extension__ double f(double __restrict x);",
        "double (*f)(double x);",
    ],
)
def test_spellings_of_the_same(text: str) -> None:
    one = read(text)
    assert (one.name, [str(p) for p in one.parameters]) == ("f", ["double x"])


def test_a_function_pointer_variable_is_told_apart() -> None:
    assert read("double (*f)(double x);").is_variable
    assert not read("double f(double x);").is_variable


def test_text_is_kept_as_written() -> None:
    text = "// both\ndouble f(double x) ; /* and */ double g(\n  double y) split();"
    assert [one.text for one in read_prototypes(text)] == ["double f(double x);", "double g(\n  double y) split();"]


def test_nothing_declares_nothing() -> None:
    assert read_prototypes("") == []
    assert read_prototypes(" ;; // f(\n") == []


REFUSED = [
    ("int x;", "this is no function: return-type name(parameters) clauses; was expected", 1),
    ("[f(int x)];", "this is no function: return-type name(parameters) clauses; was expected", 1),
    ("f(int a);", "f has no return type", 1),
    ("int (int a);", "the name of a function was expected before this (", 5),
    ("(int a);", "the name of a function was expected before this (", 1),
    ("ZEXTERN int f(int a);", "unknown word ZEXTERN before the return type: leave it out", 1),
    ("int ZEXPORT f(int a);", "unknown word ZEXPORT before the return type: leave it out", 5),
    ("foo f(int a);", "f returns the unknown type foo", 5),
    ("long long long f(int x);", "f returns the unknown type long long long", 16),
    (
        "double *f(void);",
        (
            "f returns a pointer; only values can be returned: "
            "write uintptr_t for an address to hand on, void if it is not needed"
        ),
        9,
    ),
    ("struct s f(void);", "f returns a struct", 10),
    ("struct s { int a; }; struct s f(void);", "f returns a struct", 31),
    ("void f(int);", "parameter 1 of f has no name: every parameter needs one", 1),
    ("void f(int a, double);", "parameter 2 of f has no name: every parameter needs one", 1),
    ("void f(int a, int a);", "two parameters are called a", 19),
    ("void f(int a, ...);", "f takes any number of arguments (...): it cannot be called by a fixed rule", 1),
    ("void f(struct s v);", "v: a struct is not passed by value", 17),
    ("struct s { int a; }; void f(struct s v);", "v: a struct is not passed by value", 38),
    ("void f(foo v);", "v: unknown type foo", 12),
    ("void f(void v);", "v: unknown type void", 13),
    ("void f(short double v);", "v: unknown type short double", 21),
    (
        "void f(double *x);",
        ("double *x does not say how much it points to: write double x[1] for one value or double x[n] for an array"),
        16,
    ),
    (
        "void f(const unsigned char *x);",
        (
            "const unsigned char *x does not say how much it points to: write "
            "const unsigned char x[1] for one value or const unsigned char x[n] for an array"
        ),
        29,
    ),
    ("void f(double *x[3]);", "x is an array of pointers: only arrays of values are read", 16),
    ("void f(double x[n]);", "f has no parameter n", 16),
    ("void f(size_t length, double x[lenght]);", "f has no parameter lenght; did you mean length?", 31),
    ("void f(double n, double x[n]);", "n is a size, so it must be an integer, not double", 26),
    ("void f(bool n, double x[n]);", "n is a size, so it must be an integer, not bool", 24),
    ("void f(double n[3], double x[n]);", "n is not passed by value", 29),
    ("void f(size_t n, double x[0 : n : st]);", "f has no parameter st", 26),
    ("void f(double s, size_t n, double x[0 : n : s]);", "s is a size, so it must be an integer, not double", 36),
    ("void f(size_t n, double x[n]) reduction(+: y);", "f has no parameter y", 41),
    ("void f(size_t n, double x[n]) reduction(+: n);", "n is not an array (it has no brackets)", 41),
    ("void f(size_t n, double x[n]) inout(y);", "f has no parameter y", 37),
    ("void f(size_t n, double x[n]) inout(n);", "n is not an array (it has no brackets)", 37),
    ("void f(size_t n, double x[n]) fixed(m = 2);", "f has no parameter m", 37),
    ("void f(size_t n, double x[n]) fixed(x = 2);", "x is not passed by value", 37),
    (
        "void f(size_t n, const double x[n]) default(x = 2);",
        "x is not passed by value; one that may be left out is default(x = NULL)",
        45,
    ),
    ("void f(size_t n, double x[n]) default(x = 2);", "x is not passed by value", 39),
    ("void f(rng *r) default(r = 0);", "r is not passed by value; one that may be left out is default(r = NULL)", 24),
    ("void f(double a) default(a = NULL);", "a is not an array (it has no brackets)", 26),
    ("void f(double a) default(b = NULL);", "f has no parameter b", 26),
    ("void f(double a) fixed(a = NULL);", "fixed(a = NULL) is not of the form fixed(parameter = 1)", 28),
    ("void f(double x[3]) default(x = NULL);", "x is an output: one that is left out is made, and never NULL", 29),
    (
        "void f(size_t n, const double x[-1 : n + 2], double y[n]) boundary(wrap) default(x = NULL);",
        "x may be NULL, so it has no ends for boundary to make up",
        82,
    ),
    (
        "void f(size_t n, const double x[n], double y[3]) inout(y) reduction(+: y) default(y = NULL);",
        "y may be NULL, so there is nothing to merge by +",
        83,
    ),
    (
        "size_t f(size_t n, const double x[n]) reduction(argmin(x)) default(x = NULL);",
        "x may be NULL, so argmin(x) has no elements to compare",
        68,
    ),
    ("void f(size_t n, double x[n]) carry(x = 2);", "x is not passed by value", 37),
    ("void f(size_t n, double x[n]) linear(x);", "x is not passed by value", 38),
    ("void f(size_t n, double x[n]) split(x);", "x is not passed by value", 37),
    ("void f(double a, double x[3]) split(a);", "a is a size, so it must be an integer, not double", 37),
    (
        "void f(size_t n, double x[n]) private(x = clone);",
        ("x is not a handle (a pointer without brackets to a type that is not known)"),
        39,
    ),
    ("int f(size_t n, double x[n]) status(q);", "f has no parameter q", 37),
    ("int f(size_t n, double x[n]) status(x);", "x is not passed by value", 37),
    ("void f(size_t n, const double x[n]) boundary(wrap: q);", "f has no parameter q", 37),
    (
        "void f(size_t n, double x[n + 2]) boundary(wrap: x);",
        "boundary: x is written, and nothing is written beyond its ends",
        25,
    ),
    (
        "void f(size_t n, const double x[n - 2]) boundary(wrap: x);",
        ("boundary: const double x[n - 2] has no halo, as in x[-1 : n + 2]"),
        31,
    ),
    ("void f(size_t n, const double x[n]) boundary(wrap);", "boundary: no input has a halo, as in x[-1 : n + 2]", 37),
    ("void f(double a[1][2][3][4][5][6][7][8][9]);", "9 core dimensions; at most 8 are read", 15),
    ("void f(int x y);", "this is no C prototype (before: y)", 14),
    ("double f(double x);\nint g(int 3);", "this is no C prototype (before: 3)", 11),
    ("int f(\0);", "unexpected character '\\x00'", 7),
]


@pytest.mark.parametrize(("text", "message", "column"), REFUSED, ids=[text for text, *_ in REFUSED])
def test_refusals_point_at_their_place(text: str, message: str, column: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(text)
    assert caught.value.message == message
    assert (caught.value.line, caught.value.column) == (text.count("\n") + 1, column)


def test_more_parameters_than_any_library_has_are_refused() -> None:
    many = ", ".join(f"int p{number}" for number in range(65))
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(f"void f({many});")
    assert caught.value.message == "f has 65 parameters; at most 64 are read"


def test_one_bad_declaration_spoils_the_text() -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes("int f(int x);\n\nint g(foo x);\nint h(int x);")
    assert (caught.value.message, caught.value.line, caught.value.column) == ("x: unknown type foo", 3, 11)


# No text does anything else than these two

VALID = """
double dot(size_t n, const double x[n], const double y[n]) reduction(+);
void blur(size_t n, const double x[-1 : n + 2], double y[n]) boundary(reflect);
uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));
void hist(size_t n, const double x[n], size_t bins, double lo, double hi, long counts[bins]) reduction(+: counts);
typedef struct { double x, y; int k[3]; } point;
enum { A = 1, B = A << 2, C };
void f(size_t n, double r[3][3], struct h *h) private(h = clone(_), free) split(n) chunk(step = 64, max = 4096);
int g(int n, const float data[0 : n : stride], int stride) status(0, strerror) fixed(n = 3) default(stride = 1);
void (*callback)(int x, double y[2*x + 1]) linear(x : 1/64) init(setup);
struct s { unsigned char a; short b[2][3]; };
long k(size_t n, const double x[n]) reduction(argmin(x));
""".strip().split("\n")
PIECES = [re.findall(r"\w+|\s+|\S", text) for text in VALID]
ODD = [
    *string.punctuation,
    "...",
    "//",
    "/*",
    "*/",
    "9" * 40,
    "1e999",
    "0x",
    "'a'",
    "sizeof",
    "_Atomic",
    "_Alignas",
    "_Static_assert",
    "_Generic",
    "__int128",
    "typedef",
    "void",
    "struct",
    "\0",
    "\r",
    "é",
    "((",
    "[*]",
    "L'",
    "goto",
]


def read_or_refuse(text: str) -> None:
    """Fail for anything but a list of contracts, or a PrototypeError whose position is in the text."""
    refused: PrototypeError | None = None
    try:
        for prototype in read_prototypes(text):
            assert analyse(prototype).prototype is prototype
    except PrototypeError as error:
        refused = error
    if refused is not None:
        assert 0 <= refused.position <= len(text)
        assert refused.message


# One parse takes about a millisecond; thousands of times that, even on a busy machine, is a hang in the making.
hasty = settings(deadline=5000)


@hasty
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@hasty
@given(st.text(alphabet="nx()[],;:*+-=1 \nintvoidcost&|{}./", max_size=200))
@example("int f(int x) linear(x : );")
@example("[ c( n, const int x[n])];")
@example("void f(int n, double x[n]) reduction(;;)")
@example("typedef int;")
@example("struct")
@example("enum { A = };")
def test_any_text_that_looks_like_c_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Valid declarations with pieces lost, doubled, swapped or replaced."""
    pieces = [*draw(st.sampled_from(PIECES)), *draw(st.just([]) | st.sampled_from(PIECES))]
    strange = st.sampled_from(ODD) | st.sampled_from(PIECES).flatmap(st.sampled_from)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(pieces) - 1))
        change = draw(st.sampled_from(("lose", "replace", "insert", "swap", "double")))
        if change == "lose":
            pieces[place : place + 1] = [" "]
        elif change == "replace":
            pieces[place] = draw(strange)
        elif change == "insert":
            pieces.insert(place, draw(strange))
        elif change == "swap":
            other = draw(st.integers(0, len(pieces) - 1))
            pieces[place], pieces[other] = pieces[other], pieces[place]
        else:
            pieces[place:place] = pieces[place : place + 6]
    return "".join(pieces)


@settings(hasty, max_examples=400)
@given(mutations())
def test_broken_declarations_are_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@pytest.mark.parametrize("text", VALID)
def test_every_cut_off_declaration_is_refused(text: str) -> None:
    for length in range(1, len(text)):
        if text[:length].strip():
            with pytest.raises(PrototypeError):
                read_prototypes(text[:length])


@pytest.mark.parametrize("opening", ["(", "[", "{", "-", "*", "int x,", "/*", "A|", "split(n) "])
def test_repetition_without_end_ends(opening: str) -> None:
    """Whatever is written ten thousand times is refused, not recursed into."""
    for text in ("void f(int x, double y[{}]);", "void f({});", "{}", "int f(int n) split({});", "enum {{ A = {}1 }};"):
        with pytest.raises(PrototypeError):
            read_prototypes(text.format(opening * 10_000))


def test_reading_from_many_threads_gives_what_one_gives() -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"double f{number}(size_t n, const double x{number}[n]) reduction(+);" for number in range(40)] * 3
    random.Random(1).shuffle(texts)
    with ThreadPoolExecutor(8) as pool:
        assert [one.text for one in pool.map(read, texts)] == texts


def test_enumerators_may_stand_in_brackets_unless_a_parameter_hides_them() -> None:
    text = "enum { N = 3 }; void f(size_t n, double x[n + N], double y[N]); void g(size_t N, double x[N]);"
    f, g = read_prototypes(text)
    assert [str(parameter) for parameter in f.parameters[1:]] == ["double x[n + 3]", "double y[3]"]
    assert g.parameters[1].extents[0].size == "N"


@pytest.mark.parametrize(
    ("text", "side", "column"),
    [
        ("double f(double x, , double y);", "before", 20),
        ("double f(, double y);", "before", 10),
        ("double f(,);", "before", 10),
        ("void f(int a,);", "behind", 13),
        ("double f(double (*g)(int, int), double y[n, 2],);", "behind", 47),
    ],
)
def test_a_comma_with_nothing_beside_it_is_pointed_at(text: str, side: str, column: int) -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(text)
    assert caught.value.message == f"f: a parameter is missing {side} this comma"
    assert caught.value.column == column

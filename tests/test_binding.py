"""Calls: arguments find their parameters, sizes come from the arrays, and what contradicts is refused first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyffipar.language.prototype import read_prototypes
from pyffipar.plans.binding import RETURNED, Bound, bind
from pyffipar.plans.roles import analyse

DOT = "double dot(size_t n, const double x[n], const double y[n]) reduction(+);"
SCALE = "void scale(size_t n, double a, const double x[n], double y[n]) default(a = 2);"
BLUR = "void blur(size_t n, const double x[n + 2], double y[n]);"
HIST = "void hist(size_t n, const double x[n], size_t bins, double lo, long counts[bins]) reduction(+: counts);"
GEMM = "void gemm(size_t m, size_t k, size_t n, const double a[m][k], const double b[k][n], double c[m][n]);"
PAIRS = "void pairs(size_t n, const double z[2*n], double y[n]);"
DIVIDE = "int divide(size_t n, const int a[n], int q[n], int r[n]) reduction(+);"
NARROW = "double narrow(uint8_t n, const double x[n], unsigned char m, const double y[m]) reduction(+) split(n);"
SIGNED = "void ramp(int n, double y[n]);"
ADD = "void add(size_t n, double x[n], const double y[n]) inout(x);"
HYPOT = "double hypot(double x, double y);"
HANDLE = "void use(rng *r, size_t n, const double x[n], double y[n]);"
FIXED = "void turn(size_t n, const double r[3][3], const double p[n][3], double q[n][3]);"

x5, x6 = np.arange(5.0), np.arange(6.0)


def bound(text: str, *arguments: Any, **keywords: Any) -> Bound:
    return bind(analyse(read_prototypes(text)[-1]), arguments, keywords)


@pytest.mark.parametrize(
    ("text", "arguments", "sizes", "loop"),
    [
        (DOT, (x5, x5), {"n": 5}, ()),
        (DOT, (np.zeros((2, 1, 5)), np.zeros((3, 5))), {"n": 5}, (2, 3)),
        (BLUR, (x5,), {"n": 3}, ()),
        (BLUR, (np.zeros((7, 2)),), {"n": 0}, (7,)),
        (PAIRS, (x6,), {"n": 3}, ()),
        (HIST, (x5, 4, 0.0), {"n": 5, "bins": 4}, ()),
        (GEMM, (np.zeros((2, 3)), np.zeros((3, 4))), {"m": 2, "k": 3, "n": 4}, ()),
        (GEMM, (np.zeros((9, 2, 3)), np.zeros((3, 4))), {"m": 2, "k": 3, "n": 4}, (9,)),
        (HYPOT, (3.0, np.zeros((2, 3))), {}, (2, 3)),
        (HYPOT, (3.0, 4.0), {}, ()),
        (FIXED, (np.eye(3), np.zeros((8, 3))), {"n": 8}, ()),
        (SCALE, (np.zeros((4, 1)), np.zeros((2, 5))), {"n": 5}, None),
    ],
)
def test_sizes_and_loops_come_from_the_arrays(
    text: str, arguments: tuple[Any, ...], sizes: dict[str, int], loop: tuple[int, ...] | None
) -> None:
    found = bound(text, *arguments)
    assert found.sizes == sizes
    assert found.loop_shape == (loop if loop is not None else (4, 2))


def test_keywords_name_parameters() -> None:
    found = bound(HIST, lo=0.5, bins=3, x=x5)
    assert found.values == {"lo": 0.5}
    assert found.sizes == {"n": 5, "bins": 3}


def test_defaults_are_used_and_overridden() -> None:
    assert bound(SCALE, x=x5).values == {"a": 2}
    assert bound(SCALE, 3, x5).values == {"a": 3.0}


def test_an_output_that_is_passed_tells_its_size() -> None:
    counts = np.zeros(9, np.int64)
    assert bound(HIST, x5, lo=0.0, counts=counts).sizes == {"n": 5, "bins": 9}
    assert bound(HIST, x5, lo=0.0, out=counts).given == {"counts"}


def test_a_size_may_be_repeated_but_not_contradicted() -> None:
    assert bound(DOT, x5, x5, n=5).sizes == {"n": 5}
    with pytest.raises(ValueError, match="was given") as caught:
        bound(DOT, x5, x5, n=4)
    assert str(caught.value) == "dot: n = 4 was given, but x has shape (5,), which makes n = 5"


def test_out_has_a_place_for_every_result() -> None:
    q = np.zeros(5, np.int32)
    found = bound(DIVIDE, np.zeros(5, np.int32), out=(None, q, None))
    assert found.given == {"q"}
    assert found.arrays["q"] is q
    total = np.zeros((), np.int32)
    assert bound(DIVIDE, np.zeros(5, np.int32), out=(total, None, None)).arrays[RETURNED] is total


def test_none_means_allocate() -> None:
    assert bound(SCALE, 1.0, x5, out=None).given == frozenset()
    assert bound(SCALE, 1.0, x5, y=None).given == frozenset()


def test_what_owns_a_handle_is_kept_alive() -> None:
    import ctypes

    owner = ctypes.c_int(3)
    found = bound(HANDLE, ctypes.pointer(owner), x5)
    assert found.values["r"] == ctypes.addressof(owner)
    assert found.alive


REFUSED = [
    # matching
    (DOT, (x5,), {}, TypeError, "dot argument const double y[n] is missing"),
    (DOT, (x5, x5, x5), {}, TypeError, "dot takes 2 positional arguments (x, y), 3 were given"),
    (DOT, (x5,), {"x": x5}, TypeError, "dot got x twice"),
    (DOT, (x5, x5), {"z": 1}, TypeError, "dot has no argument z; it takes x, y"),
    (HIST, (x5, 3, 0.0), {"bin": 1}, TypeError, "hist has no argument bin; did you mean bins?"),
    (HIST, (x5,), {"lo": 0.0}, TypeError, "hist argument size_t bins is missing: no array that was passed tells it"),
    (
        SCALE,
        (1.0, x5),
        {"where": True},
        TypeError,
        "scale takes no where=: a C function works on whole chunks; select the items first",
    ),
    # results
    (SCALE, (1.0, x5), {"out": (x5, x5)}, ValueError, "scale: out= holds 2 arrays; there are 1 results (y)"),
    (
        DIVIDE,
        (np.zeros(5, np.int32),),
        {"out": np.zeros(5)},
        ValueError,
        "divide: out= holds 1 arrays; there are 3 results (return, q, r)",
    ),
    (
        ADD,
        (np.zeros(5), x5),
        {"out": np.zeros(5)},
        ValueError,
        "add: out= holds 1 arrays; there are 0 results (nothing)",
    ),
    (SCALE, (1.0, x5), {"out": np.zeros(5), "y": np.zeros(5)}, TypeError, "scale: y is given both by name and in out="),
    # shapes
    (DOT, (x5, x6), {}, ValueError, "dot: y has shape (6,), y[n] wants (5,) (n = 5, from x of shape (5,))"),
    (DOT, (np.float64(1), x6), {}, ValueError, "dot: x has shape (); const double x[n] wants at least 1 dimension"),
    (
        GEMM,
        (x5, np.zeros((3, 4))),
        {},
        ValueError,
        "gemm: a has shape (5,); const double a[m][k] wants at least 2 dimensions",
    ),
    (
        GEMM,
        (np.zeros((2, 3)), np.zeros((4, 4))),
        {},
        ValueError,
        "gemm: b has shape (4, 4), b[k][n] wants (3, 4) (k = 3, from a of shape (2, 3); n = 4, from b of shape (4, 4))",
    ),
    (
        GEMM,
        (np.zeros((2, 3)), np.zeros((3, 4))),
        {"out": np.zeros((4, 2))},
        ValueError,
        "gemm: c has shape (4, 2), c[m][n] wants (2, 4) (m = 2, from a of shape (2, 3); n = 4, from b of shape (3, 4))",
    ),
    (BLUR, (np.zeros(1),), {}, ValueError, "blur: x has shape (1,); no n makes n + 2 equal 1"),
    (PAIRS, (x5,), {}, ValueError, "pairs: z has shape (5,); no n makes 2*n equal 5"),
    (
        BLUR,
        (x6,),
        {"out": np.zeros(5)},
        ValueError,
        "blur: y has shape (5,), y[n] wants (4,) (n = 4, from x of shape (6,))",
    ),
    (FIXED, (np.eye(4), np.zeros((8, 3))), {}, ValueError, "turn: r has shape (4, 4), r[3][3] wants (3, 3)"),
    (
        FIXED,
        (np.eye(3), np.zeros((8, 4))),
        {},
        ValueError,
        "turn: p has shape (8, 4), p[n][3] wants (8, 3) (n = 8, from p of shape (8, 4))",
    ),
    (
        HIST,
        (x5, 4, 0.0),
        {"out": np.zeros(3, np.int64)},
        ValueError,
        "hist: bins = 4 was given, but counts has shape (3,), which makes bins = 3",
    ),
    # lifting
    (
        DOT,
        (np.zeros((2, 5)), np.zeros((3, 5))),
        {},
        ValueError,
        "dot: the leading dimensions do not broadcast: x (2,), y (3,)",
    ),
    (
        DOT,
        (np.zeros((2, 5)), x5),
        {"out": np.zeros(3)},
        ValueError,
        "dot: the leading dimensions do not broadcast: x (2,), y (), return (3,)",
    ),
    (
        DOT,
        (np.zeros((2, 5)), x5),
        {"out": np.zeros(())},
        ValueError,
        "dot: out has leading dimensions (), but the call is lifted over (2,)",
    ),
    (
        SCALE,
        (1.0, np.zeros((2, 5))),
        {"out": np.zeros(5)},
        ValueError,
        "scale: y has leading dimensions (), but the call is lifted over (2,)",
    ),
    (
        ADD,
        (np.zeros(5), np.zeros((2, 5))),
        {},
        ValueError,
        "add: x has leading dimensions (), but the call is lifted over (2,)",
    ),
    # sizes and their types
    (SIGNED, (-1,), {}, ValueError, "ramp: n = -1 is negative"),
    (SIGNED, (2**31,), {}, OverflowError, "ramp: n = 2147483648 does not fit int (-2147483648 … 2147483647)"),
    (SIGNED, (2.0,), {}, TypeError, "ramp: n is int, so it takes an integer, not 2.0 (float)"),
    (
        NARROW,
        (x5, np.zeros(256)),
        {},
        OverflowError,
        "narrow: m = 256 (from y) does not fit unsigned char, and calls are not cut along it",
    ),
    # dtypes
    (DOT, (x5, x5 * 1j), {}, TypeError, "dot: y has dtype complex128, which does not cast safely to double (float64)"),
    (
        SCALE,
        (1.0, x5),
        {"out": np.zeros(5, np.int64)},
        TypeError,
        "scale: y has dtype int64; double (float64) does not cast to it",
    ),
    (DIVIDE, (x5,), {}, TypeError, "divide: a has dtype float64, which does not cast safely to int (int32)"),
    (HYPOT, ("a", 1.0), {}, TypeError, "hypot: x has dtype <U1 (str); numbers are wanted"),
    (
        HANDLE,
        (x5, x5),
        {},
        TypeError,
        (
            "use: r is a handle, so it takes None, an address or a ctypes pointer, not ndarray; an array "
            "needs brackets in the declaration"
        ),
    ),
]


@pytest.mark.parametrize(
    ("text", "arguments", "keywords", "error", "message"), REFUSED, ids=[row[-1] for row in REFUSED]
)
def test_contradictions_are_refused(
    text: str, arguments: tuple[Any, ...], keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        bound(text, *arguments, **keywords)
    assert type(caught.value) is error
    assert str(caught.value) == message


def test_a_long_array_is_cut_where_its_size_is_narrow() -> None:
    assert bound(NARROW, np.zeros(10_000), np.zeros(255)).sizes == {"n": 10_000, "m": 255}


# Overlaps

MEMORY = np.zeros(100)


@pytest.mark.parametrize(
    ("text", "arguments", "keywords", "output", "other"),
    [
        (SCALE, (1.0, MEMORY[:10]), {"out": MEMORY[:10]}, "y", "x"),
        (SCALE, (1.0, MEMORY[:10]), {"out": MEMORY[9:19]}, "y", "x"),
        (SCALE, (1.0, MEMORY[:10]), {"out": MEMORY[9::-1]}, "y", "x"),
        (SCALE, (1.0, MEMORY[:20:2]), {"out": MEMORY[:30:3]}, "y", "x"),
        (BLUR, (MEMORY[:12],), {"out": MEMORY[1:11]}, "y", "x"),
        (DOT, (MEMORY[:5], x5), {"out": MEMORY[2:3].reshape(())}, "out", "x"),
        (ADD, (MEMORY[:5], MEMORY[4:9]), {}, "x", "y"),
        (HYPOT, (MEMORY[:5], 1.0), {"out": MEMORY[1:6]}, "out", "x"),
        (HYPOT, (MEMORY[:5], 1.0), {"out": MEMORY[4::-1]}, "out", "x"),
    ],
)
def test_outputs_that_overlap_inputs_are_refused(
    text: str, arguments: tuple[Any, ...], keywords: dict[str, Any], output: str, other: str
) -> None:
    name = read_prototypes(text)[-1].name
    with pytest.raises(ValueError, match="overlaps") as caught:
        bound(text, *arguments, **keywords)
    assert str(caught.value).startswith(
        f"{name}: {output} overlaps {other} in memory; to work in place declare one array"
    )


def test_outputs_that_overlap_each_other_are_refused() -> None:
    memory = np.zeros(9, np.int32)
    with pytest.raises(ValueError, match=r"^divide: [qr] overlaps [qr] in memory"):
        bound(DIVIDE, np.zeros(5, np.int32), out=(None, memory[:5], memory[4:]))


@pytest.mark.parametrize(
    ("text", "arguments", "keywords"),
    [
        (SCALE, (1.0, MEMORY[0:20:2]), {"out": MEMORY[1:21:2]}),
        (SCALE, (1.0, MEMORY[:10]), {"out": MEMORY[10:20]}),
        (DOT, (MEMORY[:5], MEMORY[:5]), {}),
        (HYPOT, (MEMORY[:5], MEMORY[:5]), {"out": MEMORY[:5]}),
        (ADD, (MEMORY[:5], MEMORY[5:10]), {}),
    ],
)
def test_neighbours_and_inputs_may_share_memory(
    text: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    bound(text, *arguments, **keywords)


WEIGHED = "double weighed(size_t n, const double w[n], double by[1]) default(w = NULL, by = NULL) inout(by) split();"


@pytest.mark.parametrize(
    ("text", "arguments", "function", "name", "declared"),
    [
        (DOT, (None, x5), "dot", "x", "const double x[n]"),
        (DOT, (x5, None), "dot", "y", "const double y[n]"),
        (ADD, (None, x5), "add", "x", "double x[n]"),
    ],
)
def test_none_is_no_array(text: str, arguments: tuple[Any, ...], function: str, name: str, declared: str) -> None:
    """As NULL it would end the process."""
    with pytest.raises(TypeError, match="is None, and") as caught:
        bound(text, *arguments)
    assert str(caught.value) == (
        f"{function}: {name} is None, and {declared} wants an array; for a function that takes NULL there declare "
        f"default({name} = NULL)"
    )


def test_an_array_that_may_be_null_can_be_none_or_left_out() -> None:
    for found in (bound(WEIGHED, 7), bound(WEIGHED, 7, None, None), bound(WEIGHED, n=7, w=None)):
        assert found.values == {"w": 0, "by": 0}
        assert found.sizes == {"n": 7}
        assert not found.arrays
    found = bound(WEIGHED, w=x5, by=np.zeros(()))
    assert found.sizes == {"n": 5}
    assert set(found.arrays) == {"w", "by"}


def test_a_size_that_only_a_missing_array_would_tell_is_asked_for() -> None:
    with pytest.raises(TypeError, match="argument size_t n is missing: no array that was passed tells it"):
        bound(WEIGHED)
    with pytest.raises(ValueError, match="n = 7 was given, but w has shape"):
        bound(WEIGHED, 7, x5)


def test_a_default_for_a_size_gives_way_to_arrays() -> None:
    text = WEIGHED.replace("by = NULL", "by = NULL, n = 3")
    assert bound(text).sizes == {"n": 3}
    assert bound(text, w=x5).sizes == {"n": 5}


def test_a_handle_may_be_left_out() -> None:
    assert bound("double use(rng *r, double x) default(r = NULL);", x=1.0).values["r"] == 0

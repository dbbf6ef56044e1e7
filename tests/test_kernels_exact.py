"""Exact sums and dot products against fractions: nothing may be off by one unit in the last place."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]


def rounded(value: Fraction) -> float:
    """The nearest double, infinite beyond the range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def true_sum(x: Array) -> float:
    return rounded(sum((Fraction(v) for v in x.tolist()), Fraction(0)))


def true_dot(x: Array, y: Array) -> float:
    return rounded(sum((Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)), Fraction(0)))


def spread(rng: np.random.Generator, n: int, low: int, high: int) -> Array:
    return np.ldexp(rng.standard_normal(n), rng.integers(low, high, n))


MAKERS: dict[str, Any] = {
    "ordinary": lambda rng, n: rng.standard_normal(n),
    "decimal": lambda rng, n: rng.integers(-1000, 1000, n) * 0.01,
    "30 binades": lambda rng, n: spread(rng, n, -15, 15),
    "90 binades": lambda rng, n: spread(rng, n, -45, 45),
    "1200 binades": lambda rng, n: spread(rng, n, -600, 600),
    "subnormal": lambda rng, n: spread(rng, n, -1074, -1015),
    "near overflow": lambda rng, n: rng.choice([-1.0, 1.0], n) * rng.uniform(0.9e308, 1.79e308, n),
    "cancelling": lambda rng, n: rng.permutation(np.concatenate([v := rng.standard_normal(n // 2) * 1e200, -v, [1.0]])),
    "ties": lambda rng, n: rng.integers(-4, 5, n) * np.exp2(rng.choice([0, 53, 54, 106], n)),
    "changing": lambda rng, n: rng.standard_normal(n) * np.exp2(np.sort(rng.integers(-300, 300, n))),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.99, 0.0, spread(rng, n, -1000, 900)),
}
SIZES = [1, 2, 31, 32, 33, 100, 2047, 2048, 2049, 4500, 9001]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", MAKERS)
def test_sum(kind: str, n: int) -> None:
    x = np.ascontiguousarray(MAKERS[kind](np.random.default_rng(n), n))
    wanted = true_sum(x)
    assert pf.sum(x, method="exact") == wanted
    assert pf.sum(x[::-1], method="exact") == wanted
    assert pf.sum(x.reshape(1, -1), axis=1, method="exact")[0] == wanted


@pytest.mark.parametrize("n", [1, 31, 33, 1025, 2049])
@pytest.mark.parametrize("kind", MAKERS)
def test_dot(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.ascontiguousarray(MAKERS[kind](rng, n))
    y = rng.permutation(x)
    with np.errstate(all="ignore"):
        assert pf.dot(x, y, method="exact") == true_dot(x, y)


edge = st.sampled_from(
    [1e308, -1e308, 1.7976931348623157e308, 5e-324, -5e-324, 2**-1022, 1.0, -1.0, 2**53.0, -0.0, 0.0]
)
finite = st.one_of(edge, st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=300, deadline=None)
@given(st.lists(finite, min_size=1, max_size=80), st.integers(1, 60))
def test_any_sum(values: list[float], times: int) -> None:
    x = np.array(values * times)
    assert pf.sum(x, method="exact") == true_sum(x)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=60))
def test_any_dot(pairs: list[tuple[float, float]]) -> None:
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    assert pf.dot(x, y, method="exact") == true_dot(x, y)


@settings(max_examples=200, deadline=None)
@given(
    npst.arrays(np.float32, st.integers(1, 100), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
)
def test_single_precision_is_rounded_once(x: Array) -> None:
    total = sum((Fraction(v) for v in x.tolist()), Fraction(0))
    ours = pf.sum(x, method="exact")
    assert ours.dtype == np.float32
    if not np.isfinite(ours):
        assert abs(total) >= Fraction(float(np.finfo(np.float32).max))
        return
    off = abs(Fraction(float(ours)) - total)
    for end in (-np.inf, np.inf):
        with np.errstate(over="ignore", under="ignore"):
            neighbour = np.nextafter(ours, np.float32(end))
        assert not np.isfinite(neighbour) or off <= abs(Fraction(float(neighbour)) - total)


@pytest.mark.parametrize("n", [1, 31, 32, 5000, 20_000])
def test_special_values(n: int) -> None:
    ones = np.ones(n)

    def exact(*more: float) -> Any:
        return pf.sum(np.append(ones, more), method="exact")

    assert exact(np.inf) == np.inf
    assert exact(-np.inf, 1e308, 1e308) == -np.inf
    assert np.isnan(exact(np.inf, -np.inf))
    assert np.isnan(exact(np.nan))
    assert np.isnan(exact(np.nan, np.inf))
    assert np.isnan(pf.dot(np.append(ones, 0.0), np.append(ones, np.inf), method="exact"))


@pytest.mark.parametrize("n", [1, 31, 32, 5000, 20_000])
def test_zeros_keep_their_sign(n: int) -> None:
    assert np.signbit(pf.sum(np.full(n, -0.0), method="exact"))
    assert not np.signbit(pf.sum(np.append(np.full(n, -0.0), 0.0), method="exact"))
    assert not np.signbit(pf.sum(np.append(np.full(n, 1.0), -float(n)), method="exact"))
    assert np.signbit(pf.dot(np.full(n, -0.0), np.ones(n), method="exact"))
    assert not np.signbit(pf.dot(np.full(n, -0.0), np.full(n, -0.0), method="exact"))


def test_nothing_is_zero() -> None:
    assert pf.sum([], method="exact") == 0
    assert not np.signbit(pf.sum(np.array([]), method="exact"))


def test_overflow_on_the_way_does_no_harm() -> None:
    x = np.repeat([1e308, -1e308], 10_000)
    assert pf.sum(np.append(x, 3.0), method="exact") == 3
    assert pf.sum(np.full(10, 1e308), method="exact") == np.inf
    largest = np.finfo(float).max
    half_unit = 2.0**970
    assert pf.sum([largest, half_unit], method="exact") == np.inf
    assert pf.sum([largest, np.nextafter(half_unit, 0)], method="exact") == largest


def test_million_against_fsum() -> None:
    x = np.random.default_rng(0).standard_normal(1_000_000) * 1e3
    assert pf.sum(x, method="exact") == math.fsum(x)
    rows = x.reshape(100, -1)
    assert pf.sum(rows, axis=0, method="exact").tolist() == [math.fsum(column) for column in rows.T]


@pytest.mark.parametrize(
    "call",
    [
        lambda: pf.sum(np.arange(3), method="exact"),
        lambda: pf.sum(np.ones(3), method="exact", initial=1.0),
        lambda: pf.dot(np.arange(3), np.arange(3), method="exact"),
    ],
)
def test_refused(call: Any) -> None:
    with pytest.raises(TypeError):
        call()

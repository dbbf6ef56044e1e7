"""Histograms, counts and running sums against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyffipar as pf


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1"])
@pytest.mark.parametrize("bins", [1, 3, 10, 100, 700])
@pytest.mark.parametrize("limits", [None, (-1.0, 1.0), (0.1, 0.7)])
def test_histogram_of_equal_bins(limits: Any, bins: int, dtype: str) -> None:
    rng = np.random.default_rng(bins)
    for n in (0, 1, 10, 50_000):
        x = rng.standard_normal(n) * (40 if np.dtype(dtype).kind in "iu" else 1)
        x = (abs(x) if dtype == "u1" else x).astype(dtype)
        ours, theirs = pf.histogram(x, bins, limits), np.histogram(x, bins, limits)
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
        assert ours[0].dtype == theirs[0].dtype


@pytest.mark.parametrize("bins", [7, 10, 49, 1000])
def test_elements_on_the_borders(bins: int) -> None:
    edges = np.linspace(0.1, 0.9, bins + 1)
    x = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1)])
    np.testing.assert_array_equal(pf.histogram(x, bins, (0.1, 0.9))[0], np.histogram(x, edges)[0])


def test_histogram_with_borders_of_any_kind() -> None:
    x = np.random.default_rng(0).standard_normal(30_000)
    edges = np.sort(np.random.default_rng(1).standard_normal(100))
    np.testing.assert_array_equal(pf.histogram(x, edges)[0], np.histogram(x, edges)[0])
    for rule in ("auto", "sturges"):
        np.testing.assert_array_equal(pf.histogram(x, rule)[0], np.histogram(x, rule)[0])
    np.testing.assert_allclose(pf.histogram(x, 20, density=True)[0], np.histogram(x, 20, density=True)[0])
    weights = np.random.default_rng(2).random(30_000)
    np.testing.assert_allclose(pf.histogram(x, 20, weights=weights)[0], np.histogram(x, 20, weights=weights)[0])
    np.testing.assert_array_equal(pf.histogram(np.append(x, np.nan), 5, (-1, 1))[0], np.histogram(x, 5, (-1, 1))[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: pf.histogram([1.0], bins=0),
        lambda: pf.histogram([1.0], bins=[2, 1]),
        lambda: pf.histogram([1.0, np.nan]),
        lambda: pf.histogram([1.0], range=(2.0, 1.0)),
        lambda: pf.histogram([1.0], weights=[1.0, 2.0]),
        lambda: pf.bincount([[1]]),
        lambda: pf.bincount([-1]),
        lambda: pf.bincount([1], minlength=-1),
        lambda: pf.bincount([1], weights=[1.0, 2.0]),
    ],
)
def test_refused(call: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - NumPy's own texts
        call()


def test_bincount() -> None:
    x = np.random.default_rng(0).integers(0, 700, 50_000)
    for values in (x, x % 5, x.astype(np.int16), x[::3], x[:0], [0, 3, 3]):
        np.testing.assert_array_equal(pf.bincount(values), np.bincount(values))
        np.testing.assert_array_equal(pf.bincount(values, minlength=900), np.bincount(values, minlength=900))
    weights = np.random.default_rng(1).random(50_000)
    np.testing.assert_allclose(pf.bincount(x, weights), np.bincount(x, weights))
    with pytest.raises(TypeError):
        pf.bincount([1.5])


@pytest.mark.parametrize("dtype", ["?", "i1", "i8", "u4", "f4", "f8", "c16"])
@pytest.mark.parametrize("shape", [(0,), (5,), (8192,), (8193,), (100_000,), (30, 40)])
def test_cumsum(shape: tuple[int, ...], dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    for axis in (None, *range(len(shape))):
        ours, theirs = pf.cumsum(x, axis), np.cumsum(x, axis)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    if dtype != "c16":
        assert pf.cumsum(x, dtype="f8").dtype == np.float64
    out = np.empty(x.size)
    assert pf.cumsum(x.real, out=out) is out


def test_cumsum_is_as_accurate_as_a_sum() -> None:
    x = np.random.default_rng(0).random(1_000_000)
    assert pf.cumsum(x)[-1] == pytest.approx(float(pf.sum(x)), rel=1e-13)

"""The built-in reductions against NumPy: values, dtypes, shapes and errors, over dtypes, strides and axes."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import kernels

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPES = [(), (1,), (7,), (20_000,), (3, 5), (40, 50), (30, 400), (3, 9000), (4, 5, 6), (0,), (0, 3), (3, 0)]
NAMES = ["sum", "prod", "min", "max", "any", "all", "mean", "var", "std", "count_nonzero", "nansum", "nanmin", "nanmax"]
NAMES += ["nanmean", "argmin", "argmax"]
UNORDERED = {"min", "max", "argmin", "argmax", "nanmin", "nanmax"}  # for complex numbers
# NumPy adds floats plainly along leading axes: what differs is its own rounding.
TOLERANCE = {"f2": 3e-2, "f4": 2e-4, "c8": 1e-3}

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def data(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
    rng = np.random.default_rng(1)
    kind = np.dtype(dtype).kind
    values = rng.uniform(0.5, 1.5, shape) if kind in "fc" else rng.integers(0, 2 if kind == "b" else 3, shape)
    if kind == "c":
        values = values + 1j * rng.uniform(-0.1, 0.1, shape)
    return np.asarray(values).astype(dtype)


def views(x: np.ndarray[Any, np.dtype[Any]]) -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    yield x
    if x.ndim:
        yield from (x[::-1], x[::2], np.asfortranarray(x), x.astype(x.dtype.newbyteorder()))
    if x.ndim > 1:
        yield from (x.T, x[:, ::2], x[1:, 1:], np.broadcast_to(x[:1], x.shape))


def outcome(function: Any, *arguments: Any, **keywords: Any) -> Any:
    try:
        return function(*arguments, **keywords)
    except Exception as error:  # noqa: BLE001 - compared below
        return type(error)


def check(name: str, x: Any, **keywords: Any) -> None:
    ours, theirs = outcome(getattr(pf, name), x, **keywords), outcome(getattr(np, name), x, **keywords)
    what = f"{name} of {x.dtype} {x.shape} {x.strides} {keywords}"
    if isinstance(theirs, type):
        assert isinstance(ours, type), f"{what}: {ours!r} instead of {theirs}"
        assert issubclass(ours, theirs), what
        return
    assert not isinstance(ours, type), f"{what}: {ours}"
    theirs = np.int64(theirs) if type(theirs) is int else theirs  # count_nonzero
    assert type(ours) is type(theirs), what
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), what
    if x.dtype == np.float16 and theirs.dtype == np.float16:  # NumPy adds halves as halves
        theirs = np.asarray(getattr(np, name)(x.astype(np.float32), **keywords)).astype(np.float16)
    tolerance = TOLERANCE.get(x.dtype.newbyteorder("=").str[1:], 1e-10)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=what)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_as_numpy(name: str, dtype: str) -> None:
    if np.dtype(dtype).kind == "c" and name in UNORDERED:
        with pytest.raises(TypeError, match="not ordered"):
            getattr(pf, name)(data(dtype, (3,)))
        return
    if dtype == "f2" and name in ("prod", "var", "std"):
        pytest.skip("NumPy works in half precision, the kernels in single")
    for shape in SHAPES:
        if name == "prod" and len(shape) == 1 and shape[0] > 1000:
            continue  # beyond the range
        for x in views(data(dtype, shape)):
            axes: list[Any] = [None, *range(x.ndim), *([-1, (0, -1)] if x.ndim > 1 else [])]
            if name.startswith("arg"):
                axes = [axis for axis in axes if not isinstance(axis, tuple)]
            for axis, keepdims in itertools.product(axes, (False, True)):
                check(name, x, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "prod", "min", "max", "any", "all", "mean", "var", "std"])
def test_where(name: str, dtype: str) -> None:
    if (np.dtype(dtype).kind == "c" and name in UNORDERED) or dtype == "f2":
        return
    rng = np.random.default_rng(2)
    for shape in [(7,), (100,), (3, 5), (40, 50)]:
        x = data(dtype, shape)
        for where in (rng.random(shape) < 0.7, rng.random(shape[-1:]) < 0.5, np.True_):
            for axis in (None, 0, -1):
                keywords = {"initial": 1} if name in ("min", "max") else {}
                check(name, x, axis=axis, where=where, **keywords)


@pytest.mark.parametrize("dtype", ["i1", "u4", "i8", "f4", "f8", "c16"])
@pytest.mark.parametrize("wanted", ["i2", "u1", "i8", "f4", "f8", "c16"])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_dtype_argument(name: str, wanted: str, dtype: str) -> None:
    if np.dtype(dtype).kind == "c" and np.dtype(wanted).kind != "c":
        return  # NumPy warns and drops the imaginary part
    check(name, data(dtype, (4, 30)), dtype=wanted)
    check(name, data(dtype, (4, 30)), dtype=wanted, axis=0)


def test_sums_of_integers_wrap_around() -> None:
    x = np.full(10_000, np.iinfo(np.int64).max)
    assert pf.sum(x) == np.sum(x)
    assert pf.sum(x.astype(np.uint64)) == np.sum(x.astype(np.uint64))
    assert pf.sum(np.full(300, 200, np.uint8), dtype=np.uint8) == np.sum(np.full(300, 200, np.uint8), dtype=np.uint8)


@pytest.mark.parametrize("name", ["sum", "max", "mean", "var", "any", "nansum", "argmin"])
def test_out(name: str) -> None:
    x = data("f8", (30, 40))
    dtype = {"any": bool, "argmin": np.int64}.get(name, float)
    out = np.empty(40, dtype)
    assert getattr(pf, name)(x, axis=0, out=out) is out
    np.testing.assert_allclose(out, getattr(np, name)(x, axis=0))
    with pytest.raises(ValueError, match="out has shape"):
        getattr(pf, name)(x, axis=1, out=out)


def test_results_are_not_cut_to_an_out_array_of_another_kind() -> None:
    with pytest.raises(TypeError):
        pf.sum(np.ones(3), out=np.empty((), np.int64))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pf.sum(np.ones((2, 3)), axis=2), np.exceptions.AxisError),
        (lambda: pf.sum(np.ones((2, 3)), axis=(0, 0)), ValueError),
        (lambda: pf.max([]), ValueError),
        (lambda: pf.min(np.ones((3, 0)), axis=1), ValueError),
        (lambda: pf.argmax([]), ValueError),
        (lambda: pf.min(np.ones(3), where=np.array([True, False, True])), ValueError),
        (lambda: pf.sum(np.array(["a"])), TypeError),
        (lambda: pf.sum(np.array([object()])), TypeError),
        (lambda: pf.sum(np.ma.masked_array([1.0, 2.0], [True, False])), TypeError),
        (lambda: pf.sum(np.ones(3), where=np.ones(3)), TypeError),
        (lambda: pf.sum(np.ones(3), method="pairwise"), ValueError),
        (lambda: pf.dot(np.ones(3), np.ones(4)), ValueError),
    ],
)
def test_refused(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.filterwarnings("default::RuntimeWarning")
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: pf.mean([]), "Mean of empty slice"),
        (lambda: pf.var([1.0], ddof=1), "Degrees of freedom"),
        (lambda: pf.nanmin([np.nan]), "All-NaN slice"),
        (lambda: pf.nanmean([np.nan]), "Mean of empty slice"),
    ],
)
def test_warned(call: Any, text: str) -> None:
    with pytest.warns(RuntimeWarning, match=text):
        assert np.isnan(call())


@pytest.mark.parametrize("place", [0, 5, 31, 32, 40, 8191, 8192, 19_999])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_anywhere(dtype: str, place: int) -> None:
    x = data(dtype, (20_000,))
    x[place] = np.nan
    for name in ("sum", "prod", "min", "max", "mean", "var", "norm"):
        assert np.isnan(getattr(pf, name)(x)), name
    assert pf.argmin(x) == pf.argmax(x) == place
    assert pf.nanmax(x) == np.nanmax(x)
    assert pf.nansum(x) == pytest.approx(float(np.nansum(x.astype(float))))


@pytest.mark.parametrize("n", [1, 31, 32, 100, 9000])
def test_signs_of_zero_and_infinities(n: int) -> None:
    assert np.signbit(pf.sum(np.full(n, -0.0)))
    assert not np.signbit(pf.sum(np.append(np.full(n, -0.0), 0.0)))
    assert pf.sum(np.append(np.ones(n), np.inf)) == np.inf
    assert np.isnan(pf.sum(np.append(np.full(n, -np.inf), np.inf)))
    assert pf.sum(np.full(n + 1, 1.7e308)) == np.inf


@pytest.mark.parametrize("n", [1, 40, 1000, 20_000])
def test_first_of_equal_elements(n: int) -> None:
    assert pf.argmin(np.zeros(n)) == pf.argmax(np.zeros(n)) == 0
    x = np.zeros(n)
    x[n // 2 :] = 1
    assert pf.argmax(x) == np.argmax(x)


@pytest.mark.parametrize("scale", [1.0, 1e-320, 1e-200, 1e200, 1.7e308])
def test_norm_neither_overflows_nor_vanishes(scale: float) -> None:
    assert pf.norm([0.3 * scale, 0.4 * scale]) == pytest.approx(0.5 * scale, rel=1e-3 if scale < 1e-300 else 1e-15)


def test_norm() -> None:
    x = data("f8", (40, 50))
    assert pf.norm(x) == pytest.approx(np.linalg.norm(x))
    np.testing.assert_allclose(pf.norm(x, axis=0), np.linalg.norm(x, axis=0))
    np.testing.assert_allclose(pf.norm(x[:, ::3], axis=1), np.linalg.norm(x[:, ::3], axis=1))
    assert pf.norm([3 + 4j]) == 5


@pytest.mark.parametrize("dtype", ["c8", ">c16", "c16"])
def test_the_norm_of_complex_numbers_in_any_layout(dtype: str) -> None:
    parts = np.random.default_rng(0).standard_normal((2, 6, 8, 10))
    x = (parts[0] + 1j * parts[1]).astype(dtype)
    for layout in (x, x[::2, ::-1, ::3], x.T, np.asfortranarray(x), x[:, :0], x[1, 2, 3]):
        for axis in (None, 0, -1, (0, 2)) if layout.ndim else (None,):
            expected = np.sqrt((np.abs(layout) ** 2).sum(axis=axis))
            np.testing.assert_allclose(pf.norm(layout, axis=axis), expected, rtol=1e-5)


def test_the_norm_of_complex_numbers_copies_none_of_them() -> None:
    x = np.ones(1_000_000, complex)
    tracemalloc.start()
    try:
        assert pf.norm(x) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 8


def test_variance_far_from_zero() -> None:
    x = np.random.default_rng(3).standard_normal(100_000)
    for offset in (0.0, 1e6, 1e9):
        shifted = x + offset
        assert pf.var(shifted) == pytest.approx(float(np.var(shifted - offset)), rel=1e-7)
    steps = np.repeat([1e8, 0.0, -1e8, 3.0], 10_000) + x[:40_000]
    assert pf.var(steps) == pytest.approx(float(np.var(steps)), rel=1e-12)
    assert pf.var(np.full(10_000, 0.1)) == 0


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8", "c8", "c16"])
def test_dot(dtype: str) -> None:
    x, y = data(dtype, (20_000,)), data(dtype, (20_000,))[::-1]
    np.testing.assert_allclose(pf.dot(x, y), np.dot(x, y), rtol=1e-4 if dtype in ("f4", "c8") else 1e-12)
    a, b = data(dtype, (5, 7)), data(dtype, (7, 4))
    for left, right in (
        (a, b),
        (a, b[:, 0]),
        (a[0], b),
        (a.reshape(1, 5, 7), b),
        (a[0], b[:, 1]),
        (a, a.dtype.type(2)),
    ):
        ours, theirs = pf.dot(left, right), np.dot(left, right)
        assert (np.shape(ours), ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "min", "max", "argmin", "argmax"])
@pytest.mark.parametrize("n", [10, 1000, 100_000])
def test_prepared(name: str, n: int) -> None:
    x = np.arange(float(n))
    again = kernels.prepare(getattr(pf, name), x)
    assert again() == getattr(np, name)(x)
    x[:] = x[::-1].copy() - 3
    assert again() == getattr(np, name)(x)
    assert kernels.prepare(pf.dot, x, x)() == pytest.approx(float(x @ x))
    assert kernels.prepare(getattr(pf, name), x[::2])() == getattr(np, name)(x[::2])


def test_what_is_too_large_for_one_array_of_partials() -> None:
    x = np.ones((20_000, 3))
    assert (pf.sum(x, axis=1) == 3).all()
    assert (pf.sum(x, axis=0) == 20_000).all()
    assert (pf.var(x, axis=1) == 0).all()


@pytest.mark.parametrize("n", [1000, 100_000, 1_000_000])
def test_no_array_is_kept(n: int) -> None:
    x = np.ones(n)
    alive = weakref.ref(x)
    assert pf.sum(x) == pf.sum(x.copy()) == n
    assert kernels.prepare(pf.sum, x)() == n
    del x
    gc.collect()
    assert alive() is None


def test_many_threads_call_at_once() -> None:
    arrays = [np.arange(float(n)) for n in (1000, 100_000, 300_000) for _ in range(8)]
    wanted = [pf.sum(x) for x in arrays]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(pf.sum, arrays)) == wanted

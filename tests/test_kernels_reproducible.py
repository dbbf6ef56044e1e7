"""Equal bits: for every CPU level, number of threads, executor and alignment; and as accurate as promised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar import _native

LEVELS = ("baseline", "avx2", "avx512")
SIZES = [1, 5, 31, 32, 33, 500, 511, 513, 2047, 2049, 8192, 8193, 70_001, 600_000]
NAMES = ["sum", "prod", "min", "max", "mean", "var", "std", "norm", "nansum", "nanmin", "nanmax", "nanmean", "argmin"]
NAMES += ["argmax", "count_nonzero", "any", "all", "cumsum"]


@pytest.fixture
def _restored() -> Iterator[None]:
    """Back to the level this CPU is best at."""
    yield
    for level in reversed(LEVELS):
        if _native.library().pyffipar_use_kernel_level(level.encode()):
            return


def use(level: str) -> bool:
    return bool(_native.library().pyffipar_use_kernel_level(level.encode()))


def numbers(n: int, dtype: Any = np.float64) -> np.ndarray[Any, np.dtype[Any]]:
    rng = np.random.default_rng(n)
    return (rng.standard_normal(n) * np.exp2(rng.integers(-20, 20, n))).astype(dtype)


def fingerprints(x: np.ndarray[Any, np.dtype[Any]]) -> list[bytes]:
    with np.errstate(all="ignore"):
        found = [np.asarray(getattr(pf, name)(x)).tobytes() for name in NAMES]
    found.append(np.asarray(pf.dot(x, x[::-1].copy())).tobytes())
    found.append(np.asarray(pf.histogram(x, 50)[0]).tobytes())
    found += [np.asarray(pf.sum(x, method="exact")).tobytes(), np.asarray(pf.dot(x, x, method="exact")).tobytes()]
    if x.size % 10 == 0:
        rows = x.reshape(10, -1)
        for name in ("sum", "max", "var"):
            found += [np.asarray(getattr(pf, name)(rows, axis=axis)).tobytes() for axis in (0, 1)]
    return found


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", SIZES)
def test_every_level(n: int, dtype: Any) -> None:
    x = numbers(n, dtype)
    found = {level: fingerprints(x) for level in LEVELS if use(level)}
    assert "baseline" in found
    assert all(bits == found["baseline"] for bits in found.values())


def test_unknown_level_is_refused() -> None:
    assert not use("mmx")


@pytest.mark.parametrize("n", SIZES)
def test_every_number_of_threads_and_executor(n: int) -> None:
    x = numbers(n)
    wanted = fingerprints(x)
    for executor, threads in (("native", 1), ("native", 2), ("native", 5), ("threads", 3), ("serial", 1)):
        if executor == "serial" and n > 100_000:
            continue  # slow, and nothing that the smaller sizes do not show
        with pf.options(executor=executor, threads=threads):
            assert fingerprints(x) == wanted, (executor, threads)


@pytest.mark.parametrize("n", [33, 2049, 70_001])
def test_every_alignment(n: int) -> None:
    x = numbers(n)
    wanted = fingerprints(x)
    for offset in (0, 8, 16, 32, 40, 56):
        memory = np.empty(n * 8 + 128, np.uint8)
        start = -memory.ctypes.data % 64 + offset
        moved = memory[start : start + n * 8].view(np.float64)
        moved[:] = x
        assert moved.ctypes.data % 64 == offset
        assert fingerprints(moved) == wanted


@pytest.mark.parametrize("n", [3, 1000, 100_000])
def test_a_row_alone_gives_what_it_gives_among_others(n: int) -> None:
    rows = np.stack([numbers(n), numbers(n)[::-1], numbers(n) + 1])
    for name in ("sum", "max", "prod"):
        with np.errstate(all="ignore"):
            assert [getattr(pf, name)(row) for row in rows] == getattr(pf, name)(rows, axis=1).tolist()


@pytest.mark.parametrize("kind", ["positive", "cancelling", "growing", "alternating"])
@pytest.mark.parametrize("n", [10, 31, 512, 10_000, 1_000_000])
def test_error_bound_of_sums(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    x = {
        "positive": rng.random(n),
        "cancelling": np.concatenate([rng.random(n // 2), -rng.random(n - n // 2)]),
        "growing": np.exp2(np.linspace(-100, 100, n)),
        "alternating": (-1.0) ** np.arange(n) * rng.random(n) * 1e10,
    }[kind]
    bound = 18 * 2**-53 * math.fsum(abs(x))
    assert abs(float(pf.sum(x)) - math.fsum(x)) <= bound
    single = x.astype(np.float32)
    assert abs(float(pf.sum(single)) - math.fsum(single)) <= 18 * 2**-24 * math.fsum(abs(single.astype(float)))

"""``reduction(g(_))``: one function sees the partial results of all chunks at once, in order, on every executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.options import EXECUTORS

Array = np.ndarray[Any, np.dtype[Any]]

SOURCE = r"""
    #include <stddef.h>
    #include <stdint.h>
    /* Polynomials modulo 2^64: what they give depends on every item and on its place. */
    uint64_t digest(size_t n, const uint64_t *x) {
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) sum = sum * 31 + x[i];
        return sum;
    }
    uint64_t pair(uint64_t earlier, uint64_t later, uint64_t weight) { return earlier * 17 * weight + later; }
    uint64_t all_pairs(size_t k, const uint64_t *parts, uint64_t weight) {
        uint64_t sum = parts[0];
        for (size_t i = 1; i < k; i++) sum = pair(sum, parts[i], weight);
        return sum;
    }
    uint64_t weighed(size_t n, const uint64_t *x, uint64_t weight) { return digest(n, x) + 0 * weight; }
    void digests(size_t n, const uint64_t *x, uint64_t *d) { d[0] = digest(n, x); d[1] = n; }
    void join(size_t k, const uint64_t *parts, uint64_t *d) {
        uint64_t sum = parts[0], count = parts[1];
        for (size_t i = 1; i < k; i++) { sum = pair(sum, parts[2 * i], 1); count += parts[2 * i + 1]; }
        d[0] = sum;
        d[1] = count;
    }
"""
DECLARATIONS = """
    uint64_t pair(uint64_t earlier, uint64_t later, uint64_t weight);
    uint64_t all_pairs(size_t k, const uint64_t parts[k], uint64_t weight) split();
    void join(size_t k, const uint64_t parts[k][2], uint64_t d[2]) split();
"""
ONE_BY_ONE = "uint64_t weighed(size_t n, const uint64_t x[n], uint64_t weight) reduction(pair(_, _, weight)) {};"
AT_ONCE = "uint64_t weighed(size_t n, const uint64_t x[n], uint64_t weight) reduction(all_pairs(_, weight)) {};"

every_executor = pytest.mark.parametrize("executor", EXECUTORS)
unhurried = settings(deadline=None, max_examples=30)
CHUNKS = "chunk(min = {0}, max = {0})"


@pytest.fixture(scope="module")
def path() -> str:
    return pf.compile(SOURCE).path


@pytest.fixture(scope="module")
def declare(path: str) -> Callable[..., pf.Library]:
    def declared(text: str, **callables: Callable[..., Any]) -> pf.Library:
        return pf.load(path, DECLARATIONS + text, callables=callables)

    return declared


def folded(x: Array, chunk: int, weight: int) -> int:
    """What the kernels compute, in Python."""
    merged = None
    for start in range(0, len(x), chunk):
        sum_ = 0
        for item in x[start : start + chunk].tolist():
            sum_ = (sum_ * 31 + item) % 2**64
        merged = sum_ if merged is None else (merged * 17 * weight + sum_) % 2**64
    assert merged is not None
    return merged


@every_executor
@given(
    n=st.integers(1, 300), loop=st.sampled_from([(), (1,), (3,), (2, 2)]), chunk=st.integers(1, 400), data=st.data(),
    threads=st.integers(1, 5),
)  # fmt: skip
@unhurried
def test_all_at_once_is_what_two_at_a_time_would_be(
    declare: Callable[..., pf.Library], executor: str, n: int, loop: tuple[int, ...], chunk: int, threads: int,
    data: st.DataObject,
) -> None:  # fmt: skip
    x = np.random.default_rng(n).integers(0, 2**60, (*loop, n), np.uint64)
    weights = np.asarray(data.draw(st.lists(st.integers(1, 99), min_size=4, max_size=4)), np.uint64)[: x.size // n]
    weight = weights.reshape(loop)
    wanted = [folded(row, chunk, int(w)) for row, w in zip(x.reshape(-1, n), weights, strict=True)]
    for text in (ONE_BY_ONE, AT_ONCE):
        weighed = declare(text.format(CHUNKS.format(chunk))).weighed.options(executor=executor, threads=threads)
        found = np.asarray(weighed(x, weight))
        assert found.shape == loop
        assert found.ravel().tolist() == wanted


@every_executor
@given(n=st.integers(1, 300), rows=st.integers(1, 3), chunk=st.integers(1, 400))
@unhurried
def test_output_arrays_merge_with_the_chunks_as_leading_dimension(
    declare: Callable[..., pf.Library], executor: str, n: int, rows: int, chunk: int
) -> None:
    text = f"void digests(size_t n, const uint64_t x[n], uint64_t d[2]) reduction(join(_): d) {CHUNKS.format(chunk)};"
    x = np.random.default_rng(n).integers(0, 2**60, (rows, n), np.uint64)
    found = declare(text).digests.options(executor=executor, threads=3)(x)
    assert found.tolist() == [[folded(row, chunk, 1), n] for row in x]


@every_executor
@pytest.mark.parametrize("loop", [(), (2,), (2, 3)])
def test_a_python_function_gets_the_array_with_lifted_dimensions_in_front(
    declare: Callable[..., pf.Library], executor: str, loop: tuple[int, ...]
) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []

    def latest(parts: Array, n: int) -> Any:
        seen.append((parts.shape, n))
        return parts[..., -1]

    text = f"uint64_t digest(size_t n, const uint64_t x[n]) reduction(latest(_, n)) {CHUNKS.format(4)};"
    x = np.broadcast_to(np.arange(10, dtype=np.uint64), (*loop, 10))
    found = declare(text, latest=latest).digest.options(executor=executor, threads=3)(x)
    np.testing.assert_array_equal(found, np.full(loop, 8 * 31 + 9))
    assert seen == [((*loop, 3), 10)]


def test_one_chunk_is_taken_as_it_is(declare: Callable[..., pf.Library]) -> None:
    def never(parts: Array) -> Any:
        raise AssertionError(parts)

    text = "uint64_t digest(size_t n, const uint64_t x[n]) reduction(never(_));"
    digest = declare(text, never=never).digest
    assert digest(np.array([5], np.uint64)) == 5
    assert digest(np.empty(0, np.uint64)) == 0, "and of nothing the function itself is asked"


def test_what_the_callers_array_held_is_the_first_partial(declare: Callable[..., pf.Library]) -> None:
    text = (
        f"void digests(size_t n, const uint64_t x[n], uint64_t d[2]) reduction(rows(_): d) {CHUNKS.format(2)} inout(d);"
    )
    seen: list[Any] = []

    def rows(parts: Array) -> Any:
        seen.extend(parts.tolist())
        return parts.sum(axis=0)

    d = np.array([1000, 2000], np.uint64)
    declare(text, rows=rows).digests(np.array([1, 1, 2, 2], np.uint64), d)
    assert seen == [[1000, 2000], [32, 2], [64, 2]]
    assert d.tolist() == [1096, 2004]


def test_a_failing_merge_is_named_and_its_cause_is_kept(declare: Callable[..., pf.Library]) -> None:
    def refuse(parts: Array) -> Any:
        raise ArithmeticError("not today")

    text = f"uint64_t digest(size_t n, const uint64_t x[n]) reduction(refuse(_)) {CHUNKS.format(2)};"
    with pytest.raises(
        pf.ChunkError, match=r"^digest: merging by refuse\(_\) failed: ArithmeticError: not today$"
    ) as it:
        declare(text, refuse=refuse).digest(np.ones(5, np.uint64))
    assert isinstance(it.value.__cause__, ArithmeticError)

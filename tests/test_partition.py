"""The grid: every item in one chunk, in order, within the bounds a declaration sets, and the same every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.partition import (
    ALIGNMENT,
    FEW,
    LARGEST_BYTES,
    SMALLEST_BYTES,
    SMALLEST_REDUCED_BYTES,
    Grid,
    Limits,
    cut,
    grain,
)

lengths = st.integers(0, 10**12) | st.integers(0, 300)
item_bytes = st.integers(0, 64) | st.integers(0, 10**6)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits as a chunk clause may state them."""
    step = draw(st.integers(1, 1000))
    smallest = draw(st.none() | st.integers(1, 10**6))
    largest = draw(st.none() | st.integers(max(step, smallest or 1), 10**7))
    return Limits(step, smallest, largest)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, object]:
    """All that `cut` is told."""
    return {
        "length": draw(lengths),
        "item_bytes": draw(item_bytes),
        "limits": draw(limits()),
        "at_least": draw(st.integers(1, 1000)),
        "private_bytes": draw(st.just(0) | st.integers(1, 10**9)),
        "reduced": draw(st.booleans()),
        "cap": draw(st.none() | st.sampled_from([255, 32767, 2**31 - 1, 2**64 - 1])),
    }


@given(problems())
def test_chunks_cover_every_item_once_and_in_order(problem: dict[str, object]) -> None:
    grid = cut(**problem)  # type: ignore[arg-type]
    assert grid.length == problem["length"]
    if grid.length == 0:
        assert grid == Grid(0, 1, 1)
        assert grid.span(0) == (0, 0)
        return
    numbers = range(grid.chunks) if grid.chunks < 2000 else [0, 1, grid.chunks // 2, grid.chunks - 2, grid.chunks - 1]
    for number in numbers:
        start, stop = grid.span(number)
        assert start == number * grid.chunk
        assert start < stop
        assert stop == (grid.span(number + 1)[0] if number + 1 < grid.chunks else grid.length)


@given(problems())
def test_borders_are_multiples_of_the_step(problem: dict[str, object]) -> None:
    demanded = problem["limits"]
    assert isinstance(demanded, Limits)
    grid = cut(**problem)  # type: ignore[arg-type]
    if grid.chunks > 1:
        assert grid.chunk % demanded.step == 0


@given(problems())
def test_chunks_are_no_larger_than_a_declaration_or_a_type_allows(problem: dict[str, object]) -> None:
    demanded, cap = problem["limits"], problem["cap"]
    assert isinstance(demanded, Limits)
    assert cap is None or isinstance(cap, int)
    grid = cut(**problem)  # type: ignore[arg-type]
    if grid.length == 0:
        return
    if demanded.largest is not None:
        assert grid.chunk <= demanded.largest or grid.chunk == demanded.step
    if cap is not None:  # a step beyond what the type holds cannot be kept; planning refuses that
        assert grid.chunk <= max(cap, demanded.step)


@given(problems())
def test_chunks_are_no_smaller_than_a_declaration_wants(problem: dict[str, object]) -> None:
    demanded, cap = problem["limits"], problem["cap"]
    assert isinstance(demanded, Limits)
    grid = cut(**problem)  # type: ignore[arg-type]
    if demanded.smallest is None or grid.chunks == 1:
        return
    bounds = [bound for bound in (demanded.largest, cap) if isinstance(bound, int)]
    # where no multiple of the step lies between the two bounds, the upper one wins
    assert grid.chunk >= demanded.smallest or grid.chunk + demanded.step > min(bounds)


@given(problems())
def test_the_same_problem_is_always_cut_the_same(problem: dict[str, object]) -> None:
    assert cut(**problem) == cut(**problem)  # type: ignore[arg-type]


@given(lengths, item_bytes)
def test_few_items_are_shared_out_too(length: int, item: int) -> None:
    grid = cut(length, item)
    if length:
        # rounding up the chunk costs some of the chunks: 65 items in chunks of 2 are 33
        assert grid.chunks >= min(length, FEW) // 2 + 1 or grid.chunks == length
    if length <= FEW:
        assert grid.chunks == max(length, 1)


@given(lengths, st.integers(1, 10**6), st.integers(1, 10**9), limits())
def test_private_copies_never_outweigh_the_data(length: int, item: int, private: int, demanded: Limits) -> None:
    grid = cut(length, item, Limits(demanded.step), private_bytes=private)
    assert grid.chunks == 1 or grid.chunks * private <= length * item


@given(lengths, st.integers(1, 10**6))
def test_chunks_stay_below_four_mebibytes(length: int, item: int) -> None:
    grid = cut(length, item)
    assert grid.chunk == 1 or grid.chunk * item <= LARGEST_BYTES


@given(st.integers(1, 10**12), st.integers(1, 64))
def test_much_data_is_not_cut_finer_than_bandwidth_wants(length: int, item: int) -> None:
    grid = cut(length, item)
    if grid.chunks > 2 * FEW:
        assert (grid.chunk + 1) * item > SMALLEST_BYTES * (1 - 1 / FEW)  # a little less, for chunks of equal size


@given(st.integers(1, 10**7), st.sampled_from([1, 2, 4, 8, 16]))
def test_plain_elements_under_a_reduction_are_not_cut_to_dust(length: int, item: int) -> None:
    grid = cut(length, item, reduced=True)
    assert grid.chunks == 1 or grid.chunk * item >= SMALLEST_REDUCED_BYTES


def test_a_longer_array_never_gets_smaller_chunks() -> None:
    chunks = [cut(length, 8).chunk for length in range(1, 10**6, 997)]
    assert chunks == sorted(chunks)


@pytest.mark.parametrize(
    ("length", "item", "expected"),
    [
        (100, 8, Grid(100, 2, 50)),
        (10**6, 8, Grid(10**6, 15648, 64)),
        (10**9, 8, Grid(10**9, 131072, 7630)),
        (1000, 0, Grid(1000, 16, 63)),
        (3, 10**7, Grid(3, 1, 3)),
    ],
)
def test_the_default_grid(length: int, item: int, expected: Grid) -> None:
    """These decide bits of results: a change here changes what users computed yesterday."""
    assert cut(length, item) == expected


@given(st.integers(0, 10**12), st.integers(0, 10**6))
def test_tasks_are_never_empty(calls: int, call_bytes: int) -> None:
    size = grain(calls, call_bytes)
    assert size >= 1
    if calls > 1:
        assert -(-calls // size) >= min(calls, FEW) // 2


@given(st.integers(1, 10**8), st.integers(1, 64), st.none() | st.integers(1, 10**5))
def test_the_last_chunk_is_no_remnant(length: int, item: int, smallest: int | None) -> None:
    """Four chunks and a crumb would be shared out badly by two threads."""
    grid = cut(length, item, Limits(smallest=smallest), reduced=True)
    last = length - (grid.chunks - 1) * grid.chunk
    assert last >= grid.chunk - grid.chunks * ALIGNMENT


@given(st.integers(1, 10**6), st.integers(1, 5000))
def test_a_largest_chunk_that_is_asked_for_is_the_size_of_all_but_the_last(length: int, largest: int) -> None:
    grid = cut(length, 8, Limits(largest=largest), at_least=1)
    assert grid.chunk == min(largest, length)

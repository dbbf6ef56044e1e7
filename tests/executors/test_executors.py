"""The contract every executor keeps: the bits of a plain loop, whatever the sizes, the layout and the threads."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from samples import (
    ADD_TO,
    BLUR,
    DIVIDE,
    DOT,
    EVERYWHERE,
    EXTREMES,
    GEMM,
    HIST,
    INPUT_LAYOUTS,
    LAYOUTS,
    LENGTHS,
    LENGTHS_OF,
    SCALE,
    TEAMS,
    Declare,
    chunk_clauses,
    every_executor,
    input_layouts,
    layouts,
    pointer,
    real_numbers,
    same_bits,
    spans,
    unhurried,
    whole_numbers,
)

Array = np.ndarray[Any, np.dtype[Any]]


# The grid


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_every_item_is_worked_on_once_in_the_chunk_the_plan_says(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    function = declare(LENGTHS_OF.format(clause), executor=executor, threads=threads)
    x = np.arange(length) * 1e6
    expected = np.empty(length)
    for start, stop in spans(function, x):
        expected[start:stop] = x[start:stop] + (stop - start)
    same_bits(function(x), expected)


@every_executor
def test_a_narrow_size_caps_the_chunks(declare: Declare, executor: str) -> None:
    function = declare("void chunk_lengths_u8(uint8_t n, const double x[n], double y[n]);", executor=executor)
    lengths = function(np.zeros(100_000))
    assert lengths.max() <= 255
    same_bits(lengths.sum(), np.float64(sum((stop - start) ** 2 for start, stop in spans(function, np.zeros(100_000)))))


# Arrays in, arrays out


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, ways=st.tuples(input_layouts, layouts))
@unhurried
def test_any_layout_of_input_and_output_gives_what_one_call_gives(
    declare: Declare,
    plain: ctypes.CDLL,
    executor: str,
    length: int,
    clause: str,
    threads: int,
    ways: tuple[str, str],
) -> None:
    how, into = ways
    values = whole_numbers(length)
    expected = np.empty(length)
    plain.scale(
        ctypes.c_size_t(length),
        ctypes.c_double(2.5),
        ctypes.c_void_p(pointer(values)),
        ctypes.c_void_p(pointer(expected)),
    )
    function = declare(SCALE.format(clause), executor=executor, threads=threads)
    x = INPUT_LAYOUTS[how](values)
    same_bits(function(2.5, x), expected)
    out = LAYOUTS[into](np.full(length, 99.0))
    assert function(2.5, x, out=out) is out
    same_bits(out, expected)
    np.testing.assert_array_equal(x, values)


@every_executor
@given(length=st.integers(1, 1200), threads=TEAMS)
@unhurried
def test_writing_into_a_strided_array_leaves_what_lies_between(
    declare: Declare, executor: str, length: int, threads: int
) -> None:
    wide = np.full(3 * length, 7.0)
    x = real_numbers(length)
    function = declare(SCALE.format("chunk(max = 50)"), executor=executor, threads=threads)
    function(2.0, x, out=wide[1::3])
    same_bits(wide[1::3].copy(), 2.0 * x + 1)
    assert (wide[0::3] == 7.0).all()
    assert (wide[2::3] == 7.0).all()


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=input_layouts)
@unhurried
def test_neighbours_share_the_halo(
    declare: Declare, plain: ctypes.CDLL, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    values = whole_numbers(length + 2)
    expected = np.empty(length)
    plain.blur(ctypes.c_size_t(length), ctypes.c_void_p(pointer(values)), ctypes.c_void_p(pointer(expected)))
    function = declare(BLUR.format(clause), executor=executor, threads=threads)
    same_bits(function(INPUT_LAYOUTS[how](values)), expected)


@every_executor
@given(rows=st.integers(0, 90), cols=st.integers(1, 20), threads=TEAMS, how=input_layouts)
@unhurried
def test_halo_of_whole_rows(declare: Declare, executor: str, rows: int, cols: int, threads: int, how: str) -> None:
    declaration = (
        "void rows_difference(size_t rows, size_t cols, const double x[rows + 1][cols], double y[rows][cols]);"
    )
    values = whole_numbers((rows + 1, cols))
    function = declare(declaration, executor=executor, threads=threads)
    same_bits(function(INPUT_LAYOUTS[how](values)), np.diff(values, axis=0))


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_several_elements_per_item(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    declaration = f"void interleave(size_t n, const double re[n], const double im[n], double z[2*n]) {clause};"
    function = declare(declaration, executor=executor, threads=threads)
    z = whole_numbers(2 * length)
    same_bits(function(LAYOUTS[how](z[::2]), z[1::2]), z)
    out = LAYOUTS[how](np.zeros(2 * length))
    function(z[::2], z[1::2], out=out)
    same_bits(out, z)
    total = declare("double abs2_sum(size_t n, const double z[2*n]) reduction(+);", executor=executor, threads=threads)
    assert total(LAYOUTS[how](z)) == (z * z).sum()  # of whole numbers, so exact


@every_executor
@given(data=st.data(), rows=st.integers(0, 300), threads=TEAMS)
@unhurried
def test_sparse_rows_find_their_entries(
    declare: Declare, executor: str, data: st.DataObject, rows: int, threads: int
) -> None:
    """``ptr[rows + 1]`` is cut with an overlap of one; its numbers point into arrays that are handed over whole."""
    cols = data.draw(st.integers(1, 20))
    counts = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 4)))
    begin = np.concatenate([[0], np.cumsum(counts)])
    entries = int(begin[-1])
    col = data.draw(hnp.arrays(np.int32, entries, elements=st.integers(0, cols - 1)))
    val, x = whole_numbers(entries), whole_numbers(cols, seed=2)
    function = declare(
        """void csr_matvec(size_t rows, const int64_t begin[rows + 1], size_t entries, const int col[entries],
                           const double val[entries], size_t cols, const double x[cols], double y[rows]);""",
        executor=executor,
        threads=threads,
    )
    expected = np.array([(val[b:e] * x[col[b:e]]).sum() for b, e in itertools.pairwise(begin)], np.float64)
    same_bits(function(begin, col, val, x), expected + 0.0)  # 0 + -0.0 is 0.0


@every_executor
@given(
    extents=st.tuples(st.integers(0, 70), st.integers(0, 9), st.integers(0, 9)),
    threads=TEAMS,
    how=input_layouts,
    into=layouts,
)
@unhurried
def test_matrices_are_cut_by_rows(
    declare: Declare, executor: str, extents: tuple[int, int, int], threads: int, how: str, into: str
) -> None:
    m, k, n = extents
    a, b = whole_numbers((m, k)), whole_numbers((k, n), seed=2)
    function = declare(GEMM.format("chunk(max = 5)"), executor=executor, threads=threads)
    assert len(spans(function, a, b)) >= m / 5
    same_bits(function(INPUT_LAYOUTS[how](a), INPUT_LAYOUTS[how](b)), a @ b + 0.0)
    out = LAYOUTS[into](np.zeros((m, n)))
    assert function(a, b, out=out) is out
    same_bits(out, a @ b + 0.0)


@every_executor
@given(length=LENGTHS, threads=TEAMS, how=layouts)
@unhurried
def test_fixed_dimensions(declare: Declare, executor: str, length: int, threads: int, how: str) -> None:
    declaration = "void rotate(size_t n, const double r[3][3], const double p[n][3], double q[n][3]) chunk(max = 100);"
    turn = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    points = whole_numbers((length, 3))
    function = declare(declaration, executor=executor, threads=threads)
    same_bits(function(LAYOUTS[how](turn), LAYOUTS[how](points)), points @ turn.T)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_in_place_changes_the_callers_array(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    values = whole_numbers(length)
    x = LAYOUTS[how](values)
    assert declare(ADD_TO.format(clause), executor=executor, threads=threads)(x, 0.5) is None
    same_bits(x, values + 0.5)


@every_executor
def test_in_place_through_a_cast_rounds_as_numpy_does(declare: Declare, executor: str) -> None:
    x = np.linspace(0, 1, 1001, dtype=np.float32)
    expected = (x.astype(np.float64) + 0.1).astype(np.float32)
    declare(ADD_TO.format(""), executor=executor)(x, 0.1)
    same_bits(x, expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_several_outputs_and_a_returned_sum(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    random = np.random.default_rng(5)
    a, b = random.integers(-1000, 1000, length, np.int32), random.integers(1, 50, length, np.int32)
    function = declare(DIVIDE.format(clause), executor=executor, threads=threads)
    exact, quotient, rest = function(LAYOUTS[how](a), LAYOUTS[how](b))
    same_bits(quotient, (np.sign(a) * (np.abs(a) // b)).astype(np.int32))
    same_bits(rest, np.fmod(a, b))
    same_bits(exact, np.int32((rest == 0).sum()))
    mine = LAYOUTS[how](np.zeros(length, np.int32))
    results = function(a, b, out=(None, mine, None))
    assert results[1] is mine
    same_bits(results, (exact, quotient, rest))


# Nothing shows who did the work


def _everything(declare: Declare, executor: str, threads: int) -> list[Any]:
    """Results of all kinds, on data large enough for many chunks."""
    options = {"executor": executor, "threads": threads}
    x, y = real_numbers(100_003), real_numbers(100_003, seed=2)
    ints = np.random.default_rng(7).integers(-9, 10, 100_003, np.int32)
    mine = x.copy()
    declare(ADD_TO.format(""), **options)(mine, 0.1)
    weigh = """void weigh(size_t n, const int bin[n], const double weight[n], size_t bins, double sums[bins])
               reduction(+: sums);"""
    return [
        declare(DOT.format(""), **options)(x, y),
        declare(DOT.format(""), **options)(x[:99_990].reshape(30, 3333), y[:3333]),
        declare(SCALE.format(""), **options)(0.1, x[::-3].astype(">f8")),
        declare(BLUR.format(""), **options)(x),
        declare(HIST.format(""), **options)(x.view(np.uint8)),
        declare(weigh, **options)(np.abs(ints), y, bins=10),
        declare(EXTREMES.format(""), **options)(x),
        declare(DIVIDE.format(""), **options)(ints, np.abs(ints) + 1),
        declare(LENGTHS_OF.format(""), **options)(x),
        declare(GEMM.format(""), **options)(x[:3000].reshape(1000, 3), y[:6].reshape(2, 3).T),
        mine,
    ]


@pytest.fixture(scope="module")
def reference(declare: Declare) -> list[Any]:
    return _everything(declare, "serial", 1)


@pytest.mark.parametrize(("executor", "threads"), EVERYWHERE)
def test_bits_do_not_depend_on_executor_or_threads(
    declare: Declare, reference: list[Any], executor: str, threads: int
) -> None:
    for result, expected in zip(_everything(declare, executor, threads), reference, strict=True):
        same_bits(result, expected)


@every_executor
def test_calls_from_many_python_threads_do_not_disturb_each_other(declare: Declare, executor: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    function = declare(DOT.format("chunk(max = 100)"), executor=executor, threads=3)
    pairs = [(real_numbers(5000, seed), real_numbers(5000, seed + 1)) for seed in range(20)]
    alone = [function(*pair) for pair in pairs]
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda pair: function(*pair), pairs * 3))
    same_bits(np.array(together), np.array(alone * 3))


# Nothing to do


@every_executor
def test_a_reduction_of_nothing_is_its_identity(declare: Declare, executor: str) -> None:
    nothing = np.empty(0)
    same_bits(declare(DOT.format(""), executor=executor)(nothing, nothing), np.float64(0.0))
    same_bits(declare(DOT.format(""), executor=executor)(np.empty((3, 0)), nothing), np.zeros(3))
    product = declare("double first(size_t n, const double x[n]) reduction(*);", executor=executor)
    same_bits(product(nothing), np.float64(1.0))
    same_bits(declare(HIST.format(""), executor=executor)(np.empty(0, np.uint8)), np.zeros(256, np.int64))


@every_executor
@pytest.mark.parametrize("operator", ["min", "max"])
def test_the_extreme_of_nothing_is_an_error(declare: Declare, executor: str, operator: str) -> None:
    function = declare(f"double first(size_t n, const double x[n]) reduction({operator});", executor=executor)
    with pytest.raises(ValueError, match=r"^first: ") as caught:
        function(np.empty(0))
    assert str(caught.value) == f"first: {operator} has no value for no items (n = 0)"
    with pytest.raises(ValueError, match=r"^extremes: ") as caught:
        declare(EXTREMES.format(""), executor=executor)(np.empty((2, 0)))
    assert str(caught.value) == "extremes: min of lo has no value for no items (n = 0)"

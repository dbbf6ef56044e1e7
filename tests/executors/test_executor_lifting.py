"""Loop dimensions: what NumPy's ufuncs do, every executor does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from samples import (
    ADD_TO,
    BLUR,
    DOT,
    EXTREMES,
    GEMM,
    HIST,
    INPUT_LAYOUTS,
    LAYOUTS,
    SCALE,
    TEAMS,
    Declare,
    every_executor,
    input_layouts,
    layouts,
    pointer,
    real_numbers,
    same_bits,
    unhurried,
    whole_numbers,
)

Array = np.ndarray[Any, np.dtype[Any]]


@every_executor
@given(
    shapes=hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=3, max_side=4),
    threads=TEAMS,
    data=st.data(),
)
@unhurried
def test_lifting_is_numpys_vectorize_over_the_same_function(
    declare: Declare,
    plain: ctypes.CDLL,
    executor: str,
    shapes: hnp.BroadcastableShapes,
    threads: int,
    data: st.DataObject,
) -> None:
    x, y = (real_numbers(shape, seed) for seed, shape in enumerate(shapes.input_shapes))
    plain.dot.restype = ctypes.c_double

    def one(x: Array, y: Array) -> Any:
        x, y = x.copy(), y.copy()
        return plain.dot(ctypes.c_size_t(len(x)), ctypes.c_void_p(pointer(x)), ctypes.c_void_p(pointer(y)))

    function = declare(
        "double dot(size_t n, const double x[n], const double y[n]) split();", executor=executor, threads=threads
    )
    how, into = data.draw(layouts), data.draw(layouts)
    expected = np.vectorize(one, signature="(n),(n)->()", otypes=[np.float64])(x, y)
    same_bits(function(LAYOUTS[how](x), y), np.asarray(expected)[()])
    out = LAYOUTS[into](np.zeros(shapes.result_shape))
    function(x, y, out=out)
    same_bits(out, expected)


@every_executor
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=5, min_side=0),
    threads=TEAMS,
    how=input_layouts,
)
@unhurried
def test_a_scalar_function_broadcasts_over_all_its_arguments(
    declare: Declare, executor: str, shapes: hnp.BroadcastableShapes, threads: int, how: str
) -> None:
    a, x = (INPUT_LAYOUTS[how](whole_numbers(shape, seed)) for seed, shape in enumerate(shapes.input_shapes[:2]))
    b = whole_numbers(shapes.input_shapes[2], 3).astype(np.int16)
    function = declare("double scale_one(double a, double x, int b);", executor=executor, threads=threads)
    expected = np.vectorize(lambda a, x, b: float(a) * float(x) + int(b), otypes=[np.float64])
    # vectorize cannot do without items
    wanted = expected(a, x, b) if 0 not in shapes.result_shape else np.empty(shapes.result_shape)
    result = function(a, x, b)
    assert isinstance(result, np.ndarray) == bool(shapes.result_shape)
    same_bits(result, wanted)


@every_executor
@given(shapes=hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=2, max_side=4), threads=TEAMS)
@unhurried
def test_lifted_rows_are_cut_as_single_rows_are(
    declare: Declare, executor: str, shapes: hnp.BroadcastableShapes, threads: int
) -> None:
    """Bit for bit what a Python loop over the rows gives, also where every row is cut."""
    x, y = (np.repeat(real_numbers(shape, seed), 300, axis=-1) for seed, shape in enumerate(shapes.input_shapes))
    function = declare(DOT.format(""), executor=executor, threads=threads)
    alone = declare(DOT.format(""), executor="serial", threads=1)
    expected = np.vectorize(alone, signature="(n),(n)->()", otypes=[np.float64])(x, y)
    same_bits(function(x, y), np.asarray(expected)[()])


@every_executor
@pytest.mark.parametrize("loops", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("length", [0, 1, 100])
def test_every_kind_of_function_is_lifted(declare: Declare, executor: str, loops: tuple[int, ...], length: int) -> None:
    options = {"executor": executor, "threads": 3}
    x = whole_numbers((*loops, length))
    same_bits(declare(SCALE.format("chunk(max = 7)"), **options)(2.0, x), 2 * x + 1)
    low, high = declare(EXTREMES.format("chunk(max = 7)"), **options)(np.insert(x, 0, 0.0, axis=-1))
    same_bits((low, high), (x.min(-1, initial=0.0), x.max(-1, initial=0.0)))
    data = x.astype(np.int64).astype(np.uint8)
    counts = declare(HIST.format("chunk(max = 7)"), **options)(data)
    same_bits(counts, (data[..., None] == np.arange(256)).sum(-2))
    same_bits(declare(BLUR.format(""), **options)(np.zeros((*loops, length + 2))), np.zeros((*loops, length)))
    mine = x.copy()
    declare(ADD_TO.format("chunk(max = 7)"), **options)(mine, 1.0)
    same_bits(mine, x + 1)
    total = declare(DOT.format("chunk(max = 7)"), **options)(x, np.ones(length))
    same_bits(total, np.asarray(x.sum(-1))[()] + 0.0)


@every_executor
def test_values_are_lifted_beside_arrays(declare: Declare, executor: str) -> None:
    """A scalar parameter of a function with arrays may be an array: one more thing to broadcast."""
    function = declare(SCALE.format("chunk(max = 7)"), executor=executor, threads=3)
    x, a = whole_numbers((4, 1, 50)), np.array([1.0, -2.0, 0.5])
    same_bits(function(a, x), a[:, None] * x + 1)
    same_bits(function(a, x[0, 0]), a[:, None] * x[0, 0] + 1)


@every_executor
def test_one_small_matrix_multiplies_a_stack(declare: Declare, executor: str) -> None:
    function = declare(GEMM.format("chunk(max = 2)"), executor=executor, threads=3)
    a, b = whole_numbers((5, 1, 4, 3)), whole_numbers((6, 3, 2), seed=2)
    same_bits(function(a, b), a @ b + 0.0)
    same_bits(function(a[0, 0], b), a[0, 0] @ b + 0.0)
    # loop dimensions at the end, as a transposed view has them
    moved = np.moveaxis(np.moveaxis(b, 0, -1).copy(), -1, 0)
    same_bits(function(a, moved), a @ b + 0.0)
    out = np.moveaxis(np.zeros((4, 2, 5, 6)), (0, 1), (2, 3))
    function(a, b, out=out)
    same_bits(out.copy(), a @ b + 0.0)


@every_executor
def test_an_input_may_be_one_row_shown_many_times(declare: Declare, executor: str) -> None:
    x = np.broadcast_to(whole_numbers(40), (30, 40))
    function = declare(SCALE.format(""), executor=executor, threads=3)
    same_bits(function(3.0, x), 3 * x + 1)
    same_bits(function(3.0, np.broadcast_to(np.float64(2.0), 100)), np.full(100, 7.0))


@every_executor
def test_a_function_without_inputs_that_could_be_cut_is_called_once_per_item(declare: Declare, executor: str) -> None:
    function = declare("double trace(size_t n, const double a[n][n]);", executor=executor, threads=3)
    stack = whole_numbers((9, 5, 5))
    same_bits(function(stack), np.trace(stack, axis1=1, axis2=2))
    squares = declare("void square_of(double x, double y[1]);", executor=executor, threads=3)
    same_bits(squares(stack), stack**2)
    assert type(squares(3.0)) is np.float64
    same_bits(squares(3.0), np.float64(9.0))


@every_executor
def test_results_may_be_written_over_the_values_they_come_from(declare: Declare, executor: str) -> None:
    x = real_numbers(1000)
    expected = 2.0 * x + 3
    declare("double scale_one(double a, double x, int b);", executor=executor, threads=3)(2.0, x, 3, out=x)
    same_bits(x, expected)

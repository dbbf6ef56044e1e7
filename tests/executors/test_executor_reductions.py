"""Partial results are merged in the order of the grid, whoever computed them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import (
    DOT,
    EXTREMES,
    HIST,
    LAYOUTS,
    LENGTHS,
    TEAMS,
    Declare,
    chunk_clauses,
    every_executor,
    layouts,
    pointer,
    real_numbers,
    same_bits,
    spans,
    unhurried,
)

Array = np.ndarray[Any, np.dtype[Any]]


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_a_returned_sum_is_the_python_loop_over_the_same_grid(
    declare: Declare, plain: ctypes.CDLL, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    x, y = real_numbers(length), real_numbers(length, seed=2)
    function = declare(DOT.format(clause), executor=executor, threads=threads)
    plain.dot.restype = ctypes.c_double
    total = None
    for start, stop in spans(function, x, y):
        places = [ctypes.c_void_p(pointer(array[start:stop])) for array in (x, y)]
        partial = plain.dot(ctypes.c_size_t(stop - start), *places)
        total = partial if total is None else total + partial
    same_bits(function(LAYOUTS[how](x), y), np.float64(total))


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS, how=layouts)
@unhurried
def test_private_copies_of_a_histogram_add_up(
    declare: Declare, executor: str, length: int, clause: str, threads: int, how: str
) -> None:
    data = np.random.default_rng(3).integers(0, 256, length, np.uint8)
    expected = np.bincount(data, minlength=256).astype(np.int64)
    function = declare(HIST.format(clause), executor=executor, threads=threads)
    same_bits(function(LAYOUTS[how](data)), expected)
    out = LAYOUTS[how](np.full(256, 17, np.int64))
    assert function(data, out=out) is out
    same_bits(out, expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_a_size_of_outputs_alone_is_passed(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    declaration = f"""void hist(size_t n, const double x[n], size_t bins, double lo, double hi, long counts[bins])
                      reduction(+: counts) {clause};"""
    x = np.random.default_rng(4).uniform(-0.25, 1.25, length)
    function = declare(declaration, executor=executor, threads=threads)
    expected = np.bincount(np.floor(x[(x >= 0) & (x < 1)] * 10).astype(np.int64), minlength=10).astype(np.int64)
    same_bits(function(x, bins=10, lo=0.0, hi=1.0), expected)
    same_bits(function(x, lo=0.0, hi=1.0, counts=np.zeros(10, np.int64)), expected)


@every_executor
@given(length=LENGTHS, clause=chunk_clauses(), threads=TEAMS)
@unhurried
def test_private_copies_of_floats_are_merged_in_the_order_of_the_grid(
    declare: Declare, executor: str, length: int, clause: str, threads: int
) -> None:
    declaration = f"""void weigh(size_t n, const int bin[n], const double weight[n], size_t bins, double sums[bins])
                      reduction(+: sums) {clause};"""
    function = declare(declaration, executor=executor, threads=threads)
    bins = np.random.default_rng(6).integers(0, 5, length, np.int32)
    weights = real_numbers(length)
    expected = [0.0] * 5
    for number, (start, stop) in enumerate(spans(function, bins, weights, bins=5)):
        partial = [0.0] * 5
        for place, weight in zip(bins[start:stop], weights[start:stop], strict=True):
            partial[place] += float(weight)
        expected = partial if number == 0 else [one + other for one, other in zip(expected, partial, strict=True)]
    same_bits(function(bins, weights, bins=5), np.array(expected))


@every_executor
def test_what_an_array_held_takes_part_when_it_is_inout(declare: Declare, executor: str) -> None:
    declaration = HIST.format("inout(counts) chunk(max = 10)")
    function = declare(declaration, executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        counts = lay_out(np.arange(256))
        function(np.arange(100, dtype=np.uint8), counts)
        same_bits(counts, np.arange(256) + (np.arange(256) < 100))
        function(np.empty(0, np.uint8), counts)
        same_bits(counts, np.arange(256) + (np.arange(256) < 100))


SPECIAL = st.sampled_from((math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 1.0, -2.5))
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "*": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


@every_executor
@pytest.mark.parametrize("operator", OPERATIONS)
@pytest.mark.parametrize("kind", ["double first", "float first_float"])
@given(values=st.lists(SPECIAL, min_size=1, max_size=40), threads=TEAMS)
@unhurried
def test_merging_treats_nan_infinities_and_negative_zero_as_numpy_does(
    declare: Declare, executor: str, operator: str, kind: str, values: list[float], threads: int
) -> None:
    element = kind.split(maxsplit=1)[0]
    declaration = f"{kind}(size_t n, const {element} x[n]) reduction({operator}) chunk(max = 3);"
    function = declare(declaration, executor=executor, threads=threads)
    with np.errstate(all="ignore"):
        x = np.array(values, np.float64).astype(np.float64 if element == "double" else np.float32)
        expected = x[0]
        for value in x[3::3]:
            expected = OPERATIONS[operator](expected, value)
    result = function(x)
    assert type(result) is type(expected)
    if math.isnan(expected):  # which NaN it is, nobody promises
        assert math.isnan(result)
    else:
        same_bits(result, expected)


@every_executor
@given(values=st.lists(SPECIAL, min_size=1, max_size=40), threads=TEAMS)
@unhurried
def test_one_value_by_reference_is_an_output_without_dimensions(
    declare: Declare, executor: str, values: list[float], threads: int
) -> None:
    low, high = declare(EXTREMES.format("chunk(max = 3)"), executor=executor, threads=threads)(values)
    assert type(low) is type(high) is np.float64
    # which zero is the smaller one, nobody says
    np.testing.assert_array_equal([low, high], [np.min(values), np.max(values)])


@every_executor
def test_values_by_reference_go_into_arrays_without_dimensions(declare: Declare, executor: str) -> None:
    low, high = np.empty(()), np.empty((), ">f4")
    results = declare(EXTREMES.format(""), executor=executor)([3.0, 1.0, 2.0], out=(low, high))
    assert [float(result) for result in results] == [float(low), float(high)] == [1.0, 3.0]


@every_executor
def test_reductions_of_several_kinds_in_one_call(declare: Declare, executor: str) -> None:
    declaration = """void moments(size_t n, const double x[n], double sum[1], double _Complex turned[1],
                                  unsigned bits[1]) reduction(+: sum, turned) reduction(^: bits) chunk(max = 8);"""
    x = np.arange(100.0)
    total, turned, bits = declare(declaration, executor=executor, threads=3)(x)
    assert (total, turned) == (x.sum(), x[::2].sum() + 1j * x[1::2].sum())
    assert bits == np.bitwise_xor.reduce(x.astype(np.uint32))
    assert (turned.dtype, bits.dtype) == (np.complex128, np.uint32)


FIRST = "{type} first_{name}_of(size_t n, const {type} x[n]) reduction({operator}) chunk(max = 2);"


@every_executor
@pytest.mark.parametrize("operator", ["&", "|", "^"])
@pytest.mark.parametrize("name", ["uint8", "int16", "uint32", "int64", "uint64"])
def test_bits_are_merged(declare: Declare, executor: str, operator: str, name: str) -> None:
    x = np.random.default_rng(8).integers(np.iinfo(name).min, np.iinfo(name).max, 101, name)
    function = declare(FIRST.format(type=f"{name}_t", name=name, operator=operator), executor=executor, threads=3)
    ufunc = {"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}[operator]
    same_bits(function(x), ufunc.reduce(x[::2]))
    nothing = np.zeros((), name)
    same_bits(function(x[:0]), (~nothing if operator == "&" else nothing)[()])


@every_executor
@pytest.mark.parametrize(("operator", "whole"), [("&&", np.all), ("||", np.any), ("min", np.min), ("max", np.max)])
def test_truth_values_are_merged(declare: Declare, executor: str, operator: str, whole: Callable[[Array], Any]) -> None:
    function = declare(FIRST.format(type="bool", name="bool", operator=operator), executor=executor, threads=3)
    for pattern in (0, 1, 5, 2**50 - 1, 2**49):
        firsts = np.array([bool(pattern >> bit & 1) for bit in range(50)])
        same_bits(function(np.repeat(firsts, 2)), whole(firsts))


NARROW = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]


@every_executor
@pytest.mark.parametrize("name", NARROW)
def test_a_merged_integer_that_does_not_fit_is_an_error_and_not_wrapped(
    declare: Declare, executor: str, name: str
) -> None:
    function = declare(FIRST.format(type=f"{name}_t", name=name, operator="+"), executor=executor, threads=2)
    largest = np.iinfo(name).max
    assert function(np.array([largest - 1, 0, 1, 0], name)) == largest
    with pytest.raises(OverflowError) as caught:
        function(np.array([largest, 0, 1, 0], name))
    wanted = f"first_{name}_of: the merged value {largest + 1} does not fit {name}; declare a wider return type"
    assert str(caught.value) == wanted

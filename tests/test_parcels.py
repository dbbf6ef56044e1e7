"""Parcels: what travels of a piece, how a copy has to lie, and what is refused because it means nothing elsewhere."""

from __future__ import annotations

import ctypes
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pyffipar as pf
from pyffipar.executors import Run, executor
from pyffipar.plans.merging import finish, start
from pyffipar.plans.parcels import (
    Mould,
    Place,
    bytes_per_call,
    check_portable,
    fresh,
    make_order,
    make_parcel,
    open_parcel,
    over,
    reduced,
    written_arrays,
)
from pyffipar.plans.pieces import pieces
from pyffipar.plans.plan import Argument
from pyffipar.system.addresses import aligned_empty
from pyffipar.system.overlaps import reach
from pyffipar.watching import Watch

Array = np.ndarray[Any, np.dtype[Any]]


class Carrier:
    """Sends orders and parcels as pickles, and arrays as the bytes that they consist of."""

    def lay(self, argument: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, Place]:  # noqa: FBT001
        return mould, reduced(array).tobytes() if content else None

    def find(self, place: Place, mould: Mould, written: bool) -> Array:  # noqa: FBT001
        array = fresh(mould)
        if place is not None:
            target = reduced(array)
            np.copyto(target, np.frombuffer(place, mould.dtype).reshape(target.shape))
        return array

    def call(self, function: pf.Function) -> Any:
        """The function, with every call made on copies of what was sent."""

        def made(*positional: Any, **keywords: Any) -> Any:
            plan = function._plan(positional, keywords)
            start(plan)
            given_ = frozenset(result.name for result in plan.outcome.results if result.given)
            sent = make_order(plan, function._foreign, self.lay)
            order = pickle.loads(pickle.dumps(sent, 5))
            wholes = {n: self.find(part.place, part.mould, False) for n, part in order.wholes.items()}  # noqa: FBT003
            with Watch(plan) as watch:
                for piece in pieces(plan, 0, plan.calls):
                    parcel = pickle.loads(pickle.dumps(make_parcel(piece, sent, given_, self.lay), 5))
                    copy = open_parcel(order, parcel, self.find, wholes)
                    executor("serial").run(
                        Run(copy, order.foreign.symbol, 1, {}, order.foreign.describe, watch, order.foreign)
                    )
                    for (_, here), (_, there) in zip(written_arrays(piece.plan), written_arrays(copy), strict=True):
                        np.copyto(reduced(here), reduced(there))
                return finish(plan, plan.outcome, function._companions.functions)

        return made


def test_calls_on_copies_give_the_bits_of_calls_in_place(case: Any) -> None:
    case.check(Carrier().call(case.function()))


@pytest.fixture(scope="module")
def library() -> pf.Library:
    source = """
        #include <stddef.h>
        double total(size_t n, const double *x, size_t s) { double t = 0; while (n--) t += x[n * s]; return t; }
        void scale(size_t n, double a, const double *x, double *y) { while (n--) y[n] = a * x[n]; }
        void some(size_t n, const double *x, double *y) { while (n--) if (x[n] > 0) y[n] = x[n]; }
        void shift(const void *how, size_t n, const double *x, double *y) { while (n--) y[n] = how ? x[n] : 0; }
        void apply(double (*f)(double), size_t n, const double *x, double *y) { while (n--) y[n] = f(x[n]); }
        void *space(void) { return NULL; } void *copy(const void *h) { return (void *)h; }
        void drop(void *h) { (void)h; }
        void merge(void *a, const void *b) { (void)a; (void)b; }
    """
    return pf.compile(
        source,
        """
        double total(size_t n, const double x[0 : n : s], size_t s) reduction(+) chunk(max = 5);
        void scale(size_t n, double a, const double x[n], double y[n]) chunk(max = 5);
        void some(size_t n, const double x[n], double y[n]) chunk(max = 5);
        void shift(const struct how *how, size_t n, const double x[n], double y[n]);
        void apply(double (*f)(double), size_t n, const double x[n], double y[n]);
        """,
    )


def mould_of(function: pf.Function, name: str, *arguments: Any) -> Mould:
    """How a copy of one argument's array lies."""
    found: dict[str, Mould] = {}

    def lay(argument: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, Place]:  # noqa: FBT001
        found[argument.name] = mould
        return mould, None

    plan = function._plan(arguments, {})
    order = make_order(plan, function._foreign, lay)
    for piece in pieces(plan, 0, plan.calls):
        make_parcel(piece, order, frozenset(), lay)
    return found[name]


def test_a_copy_is_packed_where_the_function_cannot_see_how_it_lay(library: pf.Library) -> None:
    assert mould_of(library.scale, "x", 2.0, np.zeros(33)[::3]).strides == (8,)
    assert mould_of(library.scale, "x", 2.0, np.zeros((4, 33))[::2, ::3]).strides == (88, 8)
    assert mould_of(library.scale, "x", 2.0, np.zeros(33, np.float32)[::-1]).strides == (4,)


def test_a_copy_keeps_the_strides_that_the_function_is_told(library: pf.Library) -> None:
    assert mould_of(library.total, "x", np.zeros(33)[::3]).strides == (24,)


def test_rows_keep_their_places_in_cache_lines(library: pf.Library) -> None:
    rows = aligned_empty((40, 100), np.dtype(float))[::3, :11]
    assert rows.strides == (2400, 8)
    mould = mould_of(library.scale, "x", 2.0, rows)
    assert mould.strides == (96, 8)
    assert mould.strides[0] % 64 == rows.strides[0] % 64
    assert mould_of(library.scale, "x", 2.0, rows[::-1]).strides[0] % 64 == -rows.strides[0] % 64


def test_what_is_shown_many_times_travels_once(library: pf.Library) -> None:
    mould = mould_of(library.scale, "x", np.zeros(1000), np.broadcast_to(np.zeros(11), (1000, 11)))
    assert mould.strides == (0, 8)
    assert mould.reach() == (0, 88)


def test_an_array_that_all_calls_see_whole_travels_with_the_order() -> None:
    source = """void gemm(int m, int k, int n, const double *a, const double *b, double *c) {
        c[0] = a[0] + b[0] + m + k + n;
    }"""
    gemm = "void gemm(int m, int k, int n, const double a[m][k], const double b[k][n], double c[m][n]) chunk(max = 1);"
    function = pf.compile(source, gemm).gemm
    plan = function._plan((np.zeros((9, 4, 3)), np.zeros((3, 2))), {})
    order = make_order(plan, function._foreign, Carrier().lay)
    assert [order.arguments[number].name for number in order.wholes] == ["b"]  # type: ignore[union-attr]
    assert bytes_per_call(plan, ()) == (9 * 4 * 3 + 9 * 4 * 2) * 8 / plan.calls


@given(
    shape=hnp.array_shapes(max_dims=4, max_side=4, min_side=0),
    data=st.data(),
    dtype=hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc"),
)
def test_a_mould_reaches_as_far_as_its_elements(shape: tuple[int, ...], data: st.DataObject, dtype: Any) -> None:
    packed = np.zeros(shape, dtype).strides
    strides = tuple(data.draw(st.sampled_from((stride, 0, 3 * stride))) for stride in packed)
    mould = Mould(shape, strides, np.dtype(dtype))
    below, above = mould.reach()
    assert below == 0
    array = over(bytearray(above), 0, mould)  # raises if it does not fit
    assert array.shape == shape
    assert reach(array) == (below, above)
    assert mould.touched() >= reduced(array).nbytes or not array.size


def test_a_mould_describes_arrays_that_lie_as_it_says_and_no_others_of_their_size() -> None:
    double = np.dtype(float)
    rows = np.ones((3, 4))
    assert Mould((3, 4), (32, 8), double).describes(rows)
    assert Mould((5, 3, 4), (0, 32, 8), double).describes(rows[None]), "shown five times, sent once"
    assert Mould((1, 3, 4), (7, 32, 8), double).describes(rows), "where there is one, its stride says nothing"
    assert not Mould((3, 4), (8, 24), double).describes(rows), "columns one after the other"
    assert not Mould((4, 3), (24, 8), double).describes(rows)
    assert not Mould((12,), (8,), double).describes(rows)
    apart = np.ones((3, 8))[:, :4]
    assert not Mould((3, 4), (64, 8), double).describes(apart), "there are gaps, and NumPy makes no array over them"
    assert not Mould((3,), (64,), double).describes(apart[:, 0])
    assert not Mould((3, 4), (32, 8), double.newbyteorder()).describes(rows)


def test_elements_far_apart_take_a_page_each() -> None:
    assert Mould((100,), (8,), np.dtype(float)).touched() == 800
    assert Mould((100,), (800,), np.dtype(float)).touched() == 99 * 800 + 8
    assert Mould((100,), (1 << 20,), np.dtype(float)).touched() >= 100 * 4096
    assert Mould((2, 1000), (1 << 20, 8), np.dtype(float)).touched() < 2 * (8000 + 4096) + 1


def test_elements_nobody_writes_keep_what_the_callers_array_held(library: pf.Library) -> None:
    x, y = np.array([1.0, -1.0, 2.0, -2.0] * 5), np.full(20, 7.0)
    Carrier().call(library.some)(x, out=y)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 7.0))


@pytest.mark.parametrize("phase", range(0, 64, 8))
def test_a_copy_begins_where_its_original_begins_in_a_cache_line(library: pf.Library, phase: int) -> None:
    """Vectorised functions may add up in another order there."""
    array = aligned_empty((33,), np.dtype(float), phase)
    mould = mould_of(library.scale, "x", 2.0, array)
    last_chunk = array.ctypes.data + 8 * (33 - mould.shape[0])
    assert mould.phase == last_chunk % 64
    assert fresh(mould).ctypes.data % 64 == mould.phase
    assert mould_of(library.scale, "x", 2.0, array[::-1]).phase == 0, "passes through a buffer, which begins with one"


# What cannot travel


def refusal(function: pf.Function, *arguments: Any) -> str:
    plan = function._plan(arguments, {})
    with pytest.raises(TypeError) as caught:
        check_portable(plan, "a pool")
    return str(caught.value)


REMEDY = 'so a pool cannot do it: take executor="native", "threads" or "serial"'


def test_a_handle_is_refused(library: pf.Library) -> None:
    number = ctypes.c_double(1.0)
    address = ctypes.addressof(number)
    assert refusal(library.shift, ctypes.byref(number), np.zeros(5)) == (
        f"shift: how is the address {address:#x}, which means nothing elsewhere, {REMEDY}"
    )
    check_portable(library.shift._plan((None, np.zeros(5)), {}), "a pool")  # NULL is NULL everywhere


def test_a_callback_is_refused(library: pf.Library) -> None:
    assert refusal(library.apply, abs, np.zeros(5)) == (
        f"apply: f is a Python function, which C can call in this process only, {REMEDY}"
    )


PRIVATE = "void shift(struct how *how, size_t n, const double x[n], double y[n]) private(how = {}) {};"


def test_a_private_handle_that_is_a_copy_of_the_callers_is_refused(library: pf.Library) -> None:
    number = ctypes.c_double(1.0)
    copied = pf.load(library.path, PRIVATE.format("copy, drop", "")).shift
    assert refusal(copied, ctypes.byref(number), np.zeros(5)) == (
        f"shift: how is copied by copy from a handle that lives in this process, {REMEDY}"
    )
    check_portable(copied._plan((None, np.zeros(5)), {}), "a pool")
    made = pf.load(library.path, PRIVATE.format("space(), drop", "")).shift
    check_portable(made._plan((ctypes.byref(number), np.zeros(5)), {}), "a pool")


def test_a_private_handle_that_merges_into_the_callers_is_refused(library: pf.Library) -> None:
    declaration = "void merge(struct how *a, const struct how *b);"
    text = declaration + PRIVATE.format("space(), drop", "reduction(merge(_, _): how)")
    assert refusal(pf.load(library.path, text).shift, None, np.zeros(5)) == (
        f"shift: how collects: its copies merge into the one of this process (merge(_, _)), {REMEDY}"
    )

"""Pieces of plans: whoever makes the calls of all pieces, in any order, has made those of the plan, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.errors import Failure
from pyffipar.executors import Run, executor
from pyffipar.kinds import Kind
from pyffipar.plans.merging import finish, start
from pyffipar.plans.pieces import Piece, _boxes, pieces
from pyffipar.plans.plan import Plan
from pyffipar.watching import Watch

Array = np.ndarray[Any, np.dtype[Any]]


def cut_anyhow(data: st.DataObject, plan: Plan) -> list[Piece]:
    """All calls of a plan in pieces, in any order."""
    borders = data.draw(st.lists(st.integers(0, plan.calls), max_size=6))
    edges = sorted({0, plan.calls, *borders})
    cut = [piece for first, last in pairwise(edges) for piece in pieces(plan, first, last)]
    return data.draw(st.permutations(cut))


def by_pieces(data: st.DataObject, function: pf.Function, name: str) -> Callable[..., Any]:
    """A function whose calls are made piece by piece, each by some executor."""

    def call(*positional: Any, **keywords: Any) -> Any:
        plan = function._plan(positional, keywords)
        start(plan)
        with Watch(plan) as watch:
            for piece in cut_anyhow(data, plan):
                executor(name).run(Run(piece.plan, function._foreign.symbol, 2, {}, function._foreign.describe, watch))
            return finish(plan, plan.outcome, function._companions.functions)

    return call


@pytest.mark.parametrize("name", ["serial", "native"])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_any_cut_in_any_order_gives_the_bits_of_the_whole(case: Any, name: str, data: st.DataObject) -> None:
    case.check(by_pieces(data, case.function(), name))


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
def test_boxes_hold_every_number_of_a_range_once_and_in_order(shape: list[int], data: st.DataObject) -> None:
    total = math.prod(shape)
    first = data.draw(st.integers(0, total))
    last = data.draw(st.integers(first, total))
    numbers = np.arange(total).reshape(shape)
    found: list[int] = []
    boxes = list(_boxes(tuple(shape), first, last))
    for begin, spans in boxes:
        inside = numbers[tuple(slice(*span) for span in spans)].ravel().tolist()
        assert inside == list(range(begin, begin + len(inside)))
        found += inside
    assert found == list(range(first, last))
    assert len(boxes) <= 2 * len(shape) - 1


@pytest.fixture(scope="module")
def library() -> pf.Library:
    source = """
        #include <stddef.h>
        double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
        void blur(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = x[i - 1] + x[i + 1]; }
        void told(int i, size_t n, const double *x, double *y) { for (size_t j = 0; j < n; j++) y[j] = i + 0 * x[j]; }
    """
    return pf.compile(
        source,
        """double total(size_t n, const double x[n]) reduction(+) chunk(max = 4);
           void blur(size_t n, const double x[-1 : n + 2], double y[n]) boundary(wrap) chunk(max = 4);
           void told(int i, size_t n, const double x[n], double y[n]) linear(i : 1) chunk(max = 4);""",
    )


def only(plan: Plan, first: int, last: int) -> Piece:
    (piece,) = pieces(plan, first, last)
    return piece


def test_a_piece_holds_views_of_what_its_calls_touch_and_nothing_else(library: pf.Library) -> None:
    x = np.arange(22.0)
    plan = library.total._plan((x,), {})
    piece = only(plan, 2, 4)
    (cut,) = [argument.array for argument in piece.plan.arguments if argument.array is not None]
    assert np.shares_memory(cut, x)
    np.testing.assert_array_equal(cut, x[plan.grid.span(2)[0] : plan.grid.span(3)[1]])
    assert (piece.first, piece.item, piece.start) == (2, (), plan.grid.span(2)[0])
    assert piece.plan.outcome == ((), ())
    assert piece.plan.returned is not None
    assert piece.plan.returned.array is not None
    assert plan.returned is not None
    assert np.shares_memory(piece.plan.returned.array, plan.returned.array)


def test_only_pieces_at_the_ends_are_copied_for_a_boundary(library: pf.Library) -> None:
    x = np.arange(40.0)
    plan = library.blur._plan((x,), {})
    held = {}
    for chunk in range(plan.grid.chunks):
        (argument,) = [a for a in only(plan, chunk, chunk + 1).plan.arguments if a.name == "x"]
        assert argument.boundary is None
        assert argument.array is not None
        held[chunk] = np.shares_memory(argument.array, x)
    assert [chunk for chunk, is_view in held.items() if not is_view] == [0, plan.grid.chunks - 1]


def test_elements_are_read_by_whom_the_caller_names(library: pf.Library) -> None:
    """The plan's array holds nothing; what is made up at the ends comes from elsewhere."""
    x, nothing = np.arange(40.0), np.full(40, np.nan)
    plan = library.blur._plan((nothing,), {})

    def read(view: Array) -> Array:
        first = (view.ctypes.data - nothing.ctypes.data) // 8
        return x[first : first + len(view)]

    (piece,) = pieces(plan, 0, 1, read)
    (made,) = [argument.array for argument in piece.plan.arguments if argument.name == "x"]
    np.testing.assert_array_equal(made, [39.0, *x[: plan.grid.chunk + 1]])


def test_a_linear_value_is_counted_on_where_a_piece_begins_later(library: pf.Library) -> None:
    plan = library.told._plan((100, np.zeros(40)), {})
    whole = only(plan, 0, plan.calls).plan.arguments[0]
    later = only(plan, 3, 5).plan.arguments[0]
    assert whole.kind is Kind.LINEAR
    assert (later.kind, later.per_call) == (Kind.LOAD, True)
    assert later.array is not None
    assert later.array.tolist() == [100 + plan.grid.span(3)[0], 100 + plan.grid.span(4)[0]]


def test_a_failure_is_told_as_the_whole_counts(library: pf.Library) -> None:
    plan = library.total._plan((np.zeros((3, 5, 22)),), {})
    call = (2 * 5 + 1) * plan.grid.chunks + 3
    piece = only(plan, call, call + 1)
    failure = piece.in_whole(Failure((0, 0), 0, 4, 9, 5, "failed"))
    assert failure == Failure(plan.where(call)[0], *plan.where(call)[1:], 9, 5, "failed")


def test_no_calls_are_no_pieces(library: pf.Library) -> None:
    assert list(pieces(library.total._plan((np.zeros(22),), {}), 3, 3)) == []

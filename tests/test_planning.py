"""Plans: frozen, decided by sizes and declaration alone; what C can walk is handed over in place."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar import partition
from pyffipar.kinds import Kind
from pyffipar.language.prototype import read_prototypes
from pyffipar.plans.binding import bind
from pyffipar.plans.plan import Argument, Plan
from pyffipar.plans.planning import make_plan
from pyffipar.plans.roles import analyse

SCALE = "void scale(size_t n, double a, const double x[n], double y[n]);"
DOT = "double dot(size_t n, const double x[n], const double y[n]) reduction(+);"
HIST = "void hist(size_t n, const unsigned char x[n], long counts[256]) reduction(+: counts);"
GEMM = "void gemm(size_t m, size_t k, size_t n, const double a[m][k], const double b[k][n], double c[m][n]);"
STEPPED = "double f(unsigned char n, const double x[n]) reduction(+) chunk(step = 300);"


def plan(text: str, *arguments: Any, **keywords: Any) -> Plan:
    contract = analyse(read_prototypes(text)[-1])
    return make_plan(contract, bind(contract, arguments, keywords))


def argument(made: Plan, name: str) -> Argument:
    (found,) = (one for one in made.arguments if one.name == name)
    return found


@given(length=st.integers(0, 10**6), rows=st.integers(1, 50))
def test_the_grid_of_a_reduction_is_that_of_a_single_row(length: int, rows: int) -> None:
    """Else lifting would change the bits of a sum."""
    x = np.broadcast_to(np.float64(0), (rows, length))
    assert plan(DOT, x, x).grid == plan(DOT, x[0], x[0]).grid


@given(length=st.integers(0, 10**5))
def test_the_grid_does_not_depend_on_layout(length: int) -> None:
    grids = {
        plan(DOT, x, x).grid
        for x in (np.zeros(length), np.zeros(2 * length)[::2], np.zeros(length, np.float32), np.zeros(length, ">f8"))
    }
    assert len(grids) == 1


def test_many_rows_are_not_cut_into_dust_as_well() -> None:
    assert plan(SCALE, 1.0, np.zeros((64, 1000))).grid.chunks == 1
    assert plan(SCALE, 1.0, np.zeros(1000)).grid.chunks > 30


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros(100), Kind.ADDRESS),
        (np.zeros((3, 100)), Kind.ADDRESS),
        (np.zeros((100, 3))[:, 0], Kind.BUFFER),
        (np.zeros((100, 3)).T, Kind.BUFFER),
        (np.zeros((9, 100))[::2], Kind.ADDRESS),
        (np.zeros(100)[::-1], Kind.BUFFER),
        (np.broadcast_to(np.zeros(100), (3, 100)), Kind.ADDRESS),
        (np.zeros(100, np.float32), Kind.BUFFER),
        (np.zeros(100, ">f8"), Kind.BUFFER),
        (np.zeros(801, np.uint8)[1:].view(np.float64), Kind.BUFFER),
        (np.zeros(300)[::3][:1], Kind.ADDRESS),
    ],
)
def test_only_what_c_cannot_walk_is_copied(array: np.ndarray[Any, Any], kind: Kind) -> None:
    made = argument(plan(SCALE, 1.0, array), "x")
    assert made.kind is kind
    assert made.array is not None
    assert np.shares_memory(made.array, array)


def test_a_whole_matrix_is_walked_row_by_row() -> None:
    made = plan(GEMM, np.zeros((50, 7))[::-1], np.zeros((7, 3)))
    assert argument(made, "a").kind is Kind.BUFFER
    assert argument(made, "b").kind is Kind.ADDRESS
    assert (argument(made, "a").factor, argument(made, "b").factor) == (1, 0)


def test_private_copies_start_on_cache_lines_of_their_own() -> None:
    array = argument(plan(HIST, np.zeros(10**6, np.uint8)), "counts").array
    assert array is not None
    assert all(stride % 64 == 0 for stride in array.strides[:-1])


def test_private_copies_never_outweigh_the_data() -> None:
    for length in (0, 1, 3000, 10**5, 10**6):
        made = plan(HIST, np.zeros(length, np.uint8))
        assert made.grid.chunks == 1 or made.grid.chunks * 256 * 8 <= length


@given(rows=st.integers(1, 5), length=st.integers(1, 5000))
def test_every_call_knows_its_place(rows: int, length: int) -> None:
    made = plan(SCALE, np.zeros((rows, 1)), np.zeros((1, length)))
    assert made.loop_shape == (rows, 1)
    assert made.calls == rows * made.grid.chunks
    places = [made.where(call) for call in range(made.calls)]
    assert len(set(places)) == made.calls
    assert places == sorted(places)
    for row in range(rows):
        spans = [(start, stop) for index, start, stop in places if index == (row, 0)]
        assert spans[0][0] == 0
        assert spans[-1][1] == length


def test_nothing_to_do_makes_no_calls() -> None:
    assert plan(SCALE, 1.0, np.zeros(0)).calls == 0
    assert plan(SCALE, 1.0, np.zeros((0, 7))).calls == 0
    assert plan(DOT, np.zeros((3, 0)), np.zeros(0)).calls == 0


def test_a_plan_cannot_be_changed() -> None:
    made = plan(DOT, np.zeros(10), np.zeros(10))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.calls = 0  # type: ignore[misc]


def test_tasks_share_out_all_calls() -> None:
    made = plan("double hypot(double x, double y);", np.zeros(10_001), 1.0)
    assert made.calls == 10_001
    assert (made.tasks - 1) * made.grain < made.calls <= made.tasks * made.grain
    assert made.tasks >= partition.FEW // 2


def test_a_step_that_does_not_fit_the_size_is_refused() -> None:
    with pytest.raises(OverflowError) as caught:
        plan(STEPPED, np.zeros(1000))
    assert str(caught.value) == "f: chunks of at least 300 items do not fit unsigned char n"


def test_joined_outputs_are_not_lifted() -> None:
    text = "int f(size_t n, const int x[n], int y[n]) reduction(concat: y);"
    with pytest.raises(ValueError, match="concat") as caught:
        plan(text, np.zeros((2, 9), np.int32))
    assert str(caught.value) == "f: concat gives results of different lengths, so it is not lifted"

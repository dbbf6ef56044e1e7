"""Of failing calls: what the error says, that none is lost, and that nothing half-written is handed out as if whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.errors import ChunkError

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])
# Only the pool catches them: through ctypes a C++ exception meets C and ends the process.
CHUNKS = 2000


@every_executor
def test_a_bad_status_names_function_range_value_errno_and_the_librarys_own_words(
    stage: Any, gate: Any, executor: str
) -> None:
    x = np.zeros(10, np.intc)
    x[7] = errno.EIO
    with pytest.raises(ChunkError) as caught:
        stage.function("fail", executor, threads=1)(gate, x)
    assert str(caught.value) == f"fail on n = 7 … 8 returned 105 (no light), errno 5 ({os.strerror(5)})"
    assert caught.value.function == "fail"
    (failure,) = caught.value.failures
    assert (failure.item, failure.start, failure.stop, failure.value, failure.errno) == ((), 7, 8, 105, 5)


@every_executor
def test_a_lifted_call_that_fails_names_its_item(stage: Any, gate: Any, executor: str) -> None:
    x = np.zeros((3, 4), np.intc)
    x[2, 1] = 9
    with pytest.raises(ChunkError, match=r"^fail at \(2,\) on n = 1 … 2 returned 109 \(no idea\), errno 9 ") as caught:
        stage.function("fail", executor, threads=1)(gate, x)
    assert caught.value.failures[0].item == (2,)


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_of_several_failures_none_is_lost_and_they_come_in_call_order(stage: Any, gate: Any, executor: str) -> None:
    x = np.arange(1, 9, dtype=np.intc)  # every call fails; the first two only once both are inside
    with pytest.raises(ChunkError) as caught:
        stage.function("fail_together", executor)(gate, 2, x)
    failures = caught.value.failures
    assert [failure.start for failure in failures] == sorted(failure.start for failure in failures)
    assert len(failures) == gate.entered == str(caught.value).count("\n") + 1
    assert len(failures) >= 2
    assert [failure.errno for failure in failures] == [failure.start + 1 for failure in failures]
    assert gate.is_good


@every_executor
def test_after_a_failure_the_rest_is_dropped(stage: Any, gate: Any, executor: str) -> None:
    x = np.zeros(CHUNKS, np.intc)
    x[10:] = 1
    y = np.full(CHUNKS, -1.0)
    with pytest.raises(ChunkError):
        stage.function("fail", executor)(gate, x, out=y)
    assert gate.entered < CHUNKS
    assert (y[-500:] == -1).all(), "nobody has written what was dropped"


@every_executor
def test_the_next_call_after_a_failure_works(stage: Any, gate: Any, executor: str) -> None:
    fail = stage.function("fail", executor)
    for _ in range(20):
        with pytest.raises(ChunkError):
            fail(gate, np.ones(100, np.intc))
        assert (fail(gate, np.zeros(100, np.intc)) == 0).all()


@every_executor
def test_a_prepared_call_and_a_future_fail_in_the_same_words(stage: Any, gate: Any, executor: str) -> None:
    x = np.zeros(10, np.intc)
    x[3] = 5
    fail = stage.function("fail", executor, threads=1)
    words = "^fail on n = 3 … 4 returned 105 "
    with pytest.raises(ChunkError, match=words):
        fail.submit(gate, x).result(timeout=60)
    again = fail.prepare(gate, x)
    for _ in range(3):
        with pytest.raises(ChunkError, match=words):
            again()
    x[3] = 0
    assert (again() == 0).all()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (1, "the valve is stuck"),
        (2, "an exception that is no std::exception"),
        (3, "std::bad_alloc"),
        (4, "an exception that is no std::exception"),
        (5, "x" * 231),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cpp_exception_becomes_an_error_with_its_words_and_the_pool_lives_on(
    throwing: pf.Library, kind: int, words: str, threads: int
) -> None:
    one, many = (getattr(throwing, name).options(threads=threads) for name in ("maybe", "maybe_all"))
    with pytest.raises(ChunkError) as single:
        one(float(kind))
    assert str(single.value) == f"maybe threw a C++ exception: {words}"
    x = np.zeros(1000)
    x[500] = kind
    with pytest.raises(ChunkError, match=r"maybe at \(500,\) threw") as lifted:
        one(x)
    assert lifted.value.failures[0].text == f"threw a C++ exception: {words}"
    with pytest.raises(ChunkError, match=r"maybe_all on n = \d+ … \d+ threw") as cut:
        many(x)
    (failure,) = cut.value.failures
    assert failure.start <= 500 < failure.stop
    x[500] = 0
    assert (one(x) == 0).all()
    assert (many(x) == 0).all()


@pytest.fixture(scope="module")
def throwing() -> pf.Library:
    return pf.compile(
        "#include <cstddef>\n" + Path(__file__).with_name("throwing.cpp").read_text(),
        "double maybe(double x); void maybe_all(size_t n, const double x[n], double y[n]);",
        language="c++",
    )


# Merging


def merging(stage: Any, merger: Any, executor: str) -> Any:
    """``total`` merged by a Python function or by the foreign ``join``, which fails beyond 10."""
    declaration = "double total(size_t n, const double x[n]) reduction(join(_, _)) chunk(max = 1);"
    if merger is None:
        declaration = "int join(double earlier, double later, double joined[1]) status(0);" + declaration
        library = pf.load(stage.functions().path, declaration)
    else:
        library = pf.load(stage.functions().path, declaration, callables={"join": merger})
    return library.total.options(executor=executor)


@every_executor
def test_a_foreign_merge_that_fails_is_named_with_its_status(stage: Any, executor: str) -> None:
    total = merging(stage, None, executor)
    assert total(np.ones(8)) == 8
    with pytest.raises(ChunkError) as caught:
        total(np.ones(20))
    assert str(caught.value) == "total: merging by join(_, _) failed: ChunkError: join returned 7"
    assert isinstance(caught.value.__cause__, ChunkError)


@every_executor
def test_a_python_merge_that_raises_is_named_with_its_exception(stage: Any, executor: str) -> None:
    def refuse(earlier: float, later: float) -> float:
        raise ValueError("these do not go together")

    with pytest.raises(
        ChunkError, match=r"^total: merging by join\(_, _\) failed: ValueError: these do not go"
    ) as caught:
        merging(stage, refuse, executor)(np.ones(20))
    assert isinstance(caught.value.__cause__, ValueError)


@every_executor
def test_ctrl_c_in_a_python_merge_comes_out_as_it_is(stage: Any, executor: str) -> None:
    def interrupted(earlier: float, later: float) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merging(stage, interrupted, executor)(np.ones(20))

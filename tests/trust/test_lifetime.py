"""What a call in flight holds: arrays, library, future and callback may all be dropped, and no array is moved."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])


class Temporary(np.ndarray[Any, Any]):
    """An array that can be seen to die."""


@every_executor
def test_temporaries_live_until_the_call_has_ended_and_no_longer(stage: Any, gate: Any, executor: str) -> None:
    x = np.arange(64.0)
    dies = weakref.ref(x)
    future = stage.function("held", executor).submit(gate, x)
    gate.wait(1)
    del x
    gc.collect()
    assert dies() is not None, "freed under the call"
    gate.release()
    np.testing.assert_array_equal(future.result(timeout=60), np.arange(64.0))
    stage.wait_until(lambda: [gc.collect(), dies()][1] is None, "the call lets its array go")


@every_executor
def test_a_dropped_future_does_not_stop_its_call(stage: Any, gate: Any, executor: str) -> None:
    y = np.zeros(64)
    stage.function("held", executor).submit(gate, np.full(64, 7.0), out=y)
    gc.collect()
    gate.wait(1)
    gate.release()
    stage.wait_until(lambda: gate.left == 64, "the call ends by itself")
    stage.wait_until((y == 7).all, "the result is there")


@every_executor
def test_a_library_and_functions_that_are_dropped_stay_until_the_call_has_ended(
    stage: Any, gate: Any, executor: str
) -> None:
    library = pf.compile("/* a file of its own */\n" + stage.SOURCE, stage.DECLARATIONS)
    future = library.held.options(executor=executor).submit(gate, np.ones(64))
    gate.wait(1)
    del library
    gc.collect()
    gate.release()
    assert (future.result(timeout=60) == 1).all()


@every_executor
def test_a_callback_that_is_dropped_stays_until_the_call_has_ended(stage: Any, gate: Any, executor: str) -> None:
    def plus(offset: float) -> Any:
        return lambda x: x + offset

    apply = stage.function("apply_together", executor, threads=1)
    future = apply.submit(gate, 2, plus(0.5), np.arange(100.0))
    stage.wait_until(lambda: gate.arrived, "the call has begun")
    gc.collect()
    gate.counters[3] = 2
    np.testing.assert_array_equal(future.result(timeout=60), np.arange(100.0) + 0.5)


def resize(array: Any) -> None:
    array.resize(10_000_000, refcheck=False)


@every_executor
@pytest.mark.parametrize("role", ["input", "output", "view's base"])
def test_an_array_in_flight_cannot_be_resized(stage: Any, gate: Any, executor: str, role: str) -> None:
    """NumPy moves it when told not to look at references: then the call would go on in freed memory."""
    x, y, base = np.arange(64.0), np.zeros(64), np.arange(128.0)
    held = stage.function("held", executor)
    future = held.submit(gate, base[::2] if role == "view's base" else x, out=y)
    array = {"input": x, "output": y, "view's base": base}[role]
    gate.wait(1)
    with pytest.raises(ValueError, match="resize"):
        resize(array)
    gate.release()
    future.result(timeout=60)
    del future
    stage.wait_until(lambda: not weakref.getweakrefcount(array), "the call lets its array go")
    resize(array)


@every_executor
def test_an_array_of_a_prepared_call_cannot_be_resized(stage: Any, executor: str) -> None:
    x = np.ones(100)
    again = stage.function("total", executor).prepare(x)
    with pytest.raises(ValueError, match="resize"):
        resize(x)
    assert again() == 100
    del again
    gc.collect()
    resize(x)


@every_executor
def test_the_result_of_a_prepared_call_cannot_be_resized(stage: Any, gate: Any, executor: str) -> None:
    again = stage.function("slow", executor).prepare(gate, np.ones(5))
    with pytest.raises(ValueError, match="resize"):
        resize(again())
    assert (again() == 1).all()


@every_executor
def test_a_bytearray_in_flight_cannot_grow(stage: Any, gate: Any, executor: str) -> None:
    memory = bytearray(64 * 8)
    future = stage.function("held", executor).submit(gate, np.frombuffer(memory, np.float64))
    gate.wait(1)
    with pytest.raises(BufferError):
        memory.extend(b"more")
    gate.release()
    assert (future.result(timeout=60) == 0).all()


@every_executor
def test_a_call_leaves_no_reference_to_its_arrays(stage: Any, executor: str) -> None:
    total, histogram = stage.function("total", executor), stage.function("histogram", executor)
    for _ in range(3):
        x = np.arange(1000.0).view(Temporary)
        bins = np.zeros(1000, np.intc).view(Temporary)
        dies = [weakref.ref(x), weakref.ref(bins)]
        total(x)
        histogram(bins, bins=3)
        del x, bins
        gc.collect()
        assert [each() for each in dies] == [None, None]

"""Options: who wins over whom, that a block ends where it ends, and that every wrong value is refused at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyffipar.options import EXECUTORS, Options, checked, current, options, set_options
from pyffipar.system import cpus


@pytest.fixture(autouse=True)
def _defaults_as_they_were() -> Iterator[None]:
    before = Options()
    yield
    set_options(executor=before.executor, threads=before.threads, timeout=None, progress=False)


def test_native_is_the_default() -> None:
    assert Options().executor == "native"
    assert current() == Options()


def test_without_a_number_of_threads_the_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFFIPAR_NUM_THREADS", "3")
    set_options(threads=None)
    assert current().thread_count() == cpus.default_threads() == 3
    assert Options(threads=5).thread_count() == 5


def test_the_innermost_block_wins_and_keeps_what_it_does_not_name() -> None:
    set_options(threads=7)
    with options(executor="serial"):
        assert current() == Options("serial", 7)
        with options(threads=2):
            assert current() == Options("serial", 2)
        assert current() == Options("serial", 7)
    assert current() == Options("native", 7)


def test_a_block_ends_with_an_exception_too() -> None:
    with pytest.raises(LookupError), options(threads=2):
        raise LookupError
    assert current().threads is None


def test_one_block_may_be_entered_again_inside_itself() -> None:
    block = options(threads=2)
    with block, options(threads=3), block:
        assert current().threads == 2
    assert current().threads is None


def test_a_block_says_what_holds_inside() -> None:
    with options(threads=4) as inside:
        assert inside == current() == Options("native", 4)


def test_other_threads_and_tasks_do_not_see_a_block() -> None:
    seen: list[int | None] = []
    with options(threads=2):
        thread = threading.Thread(target=lambda: seen.append(current().threads))
        thread.start()
        thread.join()
    assert seen == [None]

    async def inside(number: int) -> int | None:
        with options(threads=number):
            await asyncio.sleep(0)
            return current().threads

    async def both() -> list[int | None]:
        return list(await asyncio.gather(inside(3), inside(4)))

    assert asyncio.run(both()) == [3, 4]


def test_the_process_default_reaches_other_threads() -> None:
    seen: list[int | None] = []
    set_options(threads=6)
    thread = threading.Thread(target=lambda: seen.append(current().threads))
    thread.start()
    thread.join()
    assert seen == [6]


OTHERS = "and the executors of concurrent.futures"
COUNT = "a whole number of at least 1 is wanted, or None for the default"
WRONG = [
    (
        {"thread": 2},
        TypeError,
        "there is no option thread; there are executor, threads, timeout, progress, window, unpickle",
    ),
    ({"executor": "gpu"}, ValueError, f"executor = 'gpu'; there are {', '.join(EXECUTORS)}, {OTHERS}"),
    ({"executor": None}, ValueError, f"executor = None; there are {', '.join(EXECUTORS)}, {OTHERS}"),
    (
        {"executor": ThreadPoolExecutor},
        ValueError,
        f"executor = {ThreadPoolExecutor!r}; there are {', '.join(EXECUTORS)}, {OTHERS}",
    ),
    ({"threads": 0}, ValueError, "threads = 0; at least 1 is wanted, or None for the default"),
    ({"threads": -1}, ValueError, "threads = -1; at least 1 is wanted, or None for the default"),
    (
        {"threads": 2.0},
        TypeError,
        f"threads = 2.0 (float); {COUNT}",
    ),
    (
        {"threads": "4"},
        TypeError,
        f"threads = '4' (str); {COUNT}",
    ),
    (
        {"threads": True},
        TypeError,
        f"threads = True (bool); {COUNT}",
    ),
    ({"window": "1GB"}, TypeError, "window = '1GB' (str); a whole number of at least 1 is wanted, in bytes"),
    ({"window": 0}, ValueError, "window = 0; at least 1 is wanted, in bytes"),
    ({"timeout": "1"}, TypeError, "timeout = '1' (str); seconds are wanted, or None for no limit"),
    ({"timeout": True}, TypeError, "timeout = True (bool); seconds are wanted, or None for no limit"),
    ({"timeout": -0.5}, ValueError, "timeout = -0.5; seconds are wanted, or None for no limit"),
    ({"timeout": float("nan")}, ValueError, "timeout = nan; seconds are wanted, or None for no limit"),
    ({"progress": "yes"}, TypeError, "progress = 'yes'; True, False or a callable is wanted"),
]


@pytest.mark.parametrize(("changes", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_options_are_refused_where_they_are_written(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    for way in (set_options, options, lambda **changes: checked(Options(), changes)):
        with pytest.raises(error) as caught:
            way(**changes)
        assert str(caught.value) == message
    assert current() == Options()


@pytest.mark.parametrize("function", [options, set_options])
def test_options_without_a_name_are_refused(function: Any) -> None:
    with pytest.raises(TypeError) as caught:
        function(4)
    name = function.__name__
    assert str(caught.value) == f"{name}: 4 (int) has no name; options are given by name: {name}(threads=4)"

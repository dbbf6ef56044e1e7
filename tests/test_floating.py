"""Floating-point environments: taken from one thread and put on for a while in another."""

from __future__ import annotations

import ctypes
import threading

from pyffipar.system.floating import environment, taken_over

_c = ctypes.CDLL(None)
_UPWARD = {"x86_64": 0x800, "aarch64": 0x400000}  # FE_UPWARD of <fenv.h>


def rounding() -> int:
    return int(_c.fegetround())


def upward() -> int:
    import platform

    return _UPWARD[platform.machine()]


def test_another_thread_rounds_as_told_and_afterwards_as_before() -> None:
    nearest = rounding()
    try:
        _c.fesetround(upward())
        taken = environment()
    finally:
        _c.fesetround(nearest)
    seen: list[int] = []

    def work() -> None:
        seen.append(rounding())
        with taken_over(taken):
            seen.append(rounding())
        seen.append(rounding())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [nearest, upward(), nearest]
    assert rounding() == nearest


def test_it_is_put_off_after_an_exception_too() -> None:
    nearest = rounding()
    _c.fesetround(upward())
    taken = environment()
    _c.fesetround(nearest)
    try:
        with taken_over(taken):
            raise LookupError  # noqa: TRY301 - what is tested
    except LookupError:
        pass
    assert rounding() == nearest


def test_without_an_environment_nothing_changes() -> None:
    nearest = rounding()
    with taken_over(b""):
        assert rounding() == nearest

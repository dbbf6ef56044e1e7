"""Python callables as C function pointers; what they raise reaches the caller of the foreign function."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from ..errors import note_others
from ..language.parameters import Signature
from ..system.interrupts import call_open


class Callback:
    """A Python callable that C can call from any thread.

    Parameters
    ----------
    signature : Signature
        What the declaration says about the pointer.
    function : callable
        Gets numbers and addresses, and returns a number or nothing.
    """

    def __init__(self, signature: Signature, function: Callable[..., Any]) -> None:
        self._function = function
        self._errors: list[BaseException] = []
        result = signature.returns.ctype if signature.returns else None
        arguments = [scalar.ctype if scalar else ctypes.c_void_p for scalar in signature.arguments]
        self._nothing = None if result is None else result().value
        self._pointer = ctypes.CFUNCTYPE(result, *arguments)(self._call)

    @property
    def address(self) -> int:
        """Where C calls it."""
        return ctypes.cast(self._pointer, ctypes.c_void_p).value or 0

    def _call(self, *arguments: Any) -> Any:
        """Make one call; after the first exception C only gets zeros until it returns."""
        if self._errors:
            return self._nothing
        try:
            result = call_open(self._function, arguments)
            return None if self._nothing is None else type(self._nothing)(result)
        except BaseException as error:  # noqa: BLE001 - raised again by reraise()
            self._errors.append(error)
            return self._nothing

    def forget(self) -> None:
        """Drop what an earlier call of the foreign function left behind."""
        self._errors.clear()

    def reraise(self) -> None:
        """Raise what the callable raised, if it did; it may be called again after that."""
        if self._errors:
            first, *others = self._errors
            self._errors.clear()
            note_others(first, others, "another call of the callback failed as well")
            raise first

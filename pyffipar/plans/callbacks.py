"""Python callables as C function pointers; what they raise reaches the caller of the foreign function."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from ..errors import note_others
from ..language.parameters import Signature
from ..system.interrupts import call_open
from .adoption import adopt_scalar


class Callback:
    """A Python callable that C can call from any thread.

    Parameters
    ----------
    signature : Signature
        What the declaration says about the pointer.
    function : callable
        Gets numbers and addresses, and returns a number or nothing.
    where : str
        What it is for, for errors: the foreign function and its parameter.
    """

    def __init__(self, signature: Signature, function: Callable[..., Any], where: str) -> None:
        self._function = function
        self._where = f"{where}: what {getattr(function, '__qualname__', type(function).__name__)} returned"
        self._returns = signature.returns
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
            return None if self._returns is None else self._converted(result)
        except BaseException as error:  # noqa: BLE001 - raised again by reraise()
            self._errors.append(error)
            return self._nothing

    def _converted(self, result: Any) -> Any:
        """What it returned, as C is to get it."""
        assert self._returns is not None
        if self._returns.dtype.kind == "b":
            return bool(result)
        return adopt_scalar(self._where, self._returns, result)

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
